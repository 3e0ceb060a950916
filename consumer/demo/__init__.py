"""`make demo` and `make dev`: a small world of services, a consumer process, and failures of every kind in it.

`demo.py` and `dev.py` are the two entries, `stage.py` starts everything, `cases.py` holds the failures, `acts.py` the
outage and the crash in the middle, `checks.py` what has to be true in the end, `world.py` the services. Built on
`local/` (the broker and the database of a laptop). Neighbour: `cli/` starts it.
Invariant: nothing of a deployment imports it.
"""
