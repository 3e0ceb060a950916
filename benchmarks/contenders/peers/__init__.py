"""The same work done in other ways, written as well as those ways allow."""
