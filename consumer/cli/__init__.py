"""The `shw` command: what a person at a terminal may ask, and the words in which it is answered.

Each module is one group of commands; `commands.py` declares them and imports the rest only when it is called, so that
`shw --help` is quick. Exit codes are in `exits.py`. Invariant: everything a person reads is printed here, and texts of
strangers never command a terminal.
"""
