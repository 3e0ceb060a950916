"""Planning: which strategy heals a failure, whether it may, when to retry, and what was tried so far. Pure.

`planner.py` goes through the ladder of strategies, `rung.py` is a strategy's planning half, `next_step.py` computes the
next status and due time after an outcome, `progress.py` the record of what was tried.
Neighbours: `pipeline/reading.py` asks for a plan, `results/` for the next step.
Invariant: the same failure, catalog and time give the same plan, in every process.
"""
