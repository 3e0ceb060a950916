"""How much damage a repair undoes exactly, what it gets wrong, and what hostile input costs it."""
