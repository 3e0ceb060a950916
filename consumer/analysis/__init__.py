"""Questions about stored failures that the command line and the console share.

`causes.py` groups failures by what their reasons have in common, `backtest.py` plans stored failures anew and compares
the plans with what was done. Pure over rows that somebody else read: nothing here opens a database or prints.
Neighbours: `cli/` asks and prints, `store/` reads the rows.
Invariant: an analysis never changes what it looks at.
"""
