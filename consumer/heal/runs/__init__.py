"""What every strategy that orders a run's engine shares: the session, the rule, the order, and the watch of the run.

`session.py` (one heal of one run: its looks and orders), `again.py` (may a step that may have begun be begun again?),
`ordering.py` (gives an order under one key, with the look before it where the order is conditional), `first_look.py`
(where the run stands before any order), `run_watch.py` and `watching.py` (what looks after an order mean, and the wait
between them), `step_read_back.py` (whether a step has had its effect).
Neighbours: `auto_retry/`, `schema_autofix/` and `route_repair/` use it; `consumer/runners/` sends.
Invariant: an order that the engine took proves nothing, and a step that may have begun is begun again by the rule.
"""
