"""Worker processes: work on hostile input in children that are ended when they take too much, and replaced.

`pool.py` is the parent's side, `child.py` the child's, `turns.py` shares the children fairly among organisations. A
regular expression or a parser holds the interpreter for as long as it takes, so that only a process can be ended.
Neighbours: `repair/`, `ingest/` and `heal/` each have a child's script of their own, which knows what the work is.
Invariant: only the work itself is limited, in CPU time; what waits for a child is told to come later, never refused.
"""
