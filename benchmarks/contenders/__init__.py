"""Other ways to do the same work, each written as well as that way allows, and this service beside them."""
