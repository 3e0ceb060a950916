"""Deciding what to do: which strategy, whether it may, when to look again, how far a failure has come. Pure.

`planner.py` goes down the ladder, `rung.py` is a strategy's planning half, `next_step.py` computes status and due time
after an outcome, `progress.py` what was tried. Invariant: the same failure, catalog and time give the same plan, in
every process.
"""
