"""Starting a contender, loading it, watching it, checking what it did, and telling the figures."""
