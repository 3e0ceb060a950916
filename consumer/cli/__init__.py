"""Command line (`shw`): the commands for operators, and their output.

Each module is one group of commands; `commands.py` declares them and imports the rest only when it is called, so that
`shw --help` is quick. Exit codes are in `exits.py`.
Invariant: everything a person reads is printed here, and untrusted text never reaches a terminal as control
characters.
"""
