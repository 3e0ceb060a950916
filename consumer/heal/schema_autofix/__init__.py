"""schema-autofix: repairs a payload until its schema accepts it, or refuses; imports nothing, so its child is quick."""
