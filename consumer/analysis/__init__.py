"""Questions about stored failures that the command line and the console share: causes, and backtests of a catalog.

Pure over rows that somebody else read: nothing here opens a database or prints. Neighbours: `cli/` asks and prints,
`store/` reads the rows. Invariant: an analysis never changes what it looks at.
"""
