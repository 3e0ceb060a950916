"""The `shw` command: `commands` is its surface, the other modules are what stands behind it, one to a subject."""
