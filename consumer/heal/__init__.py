"""Acting: the contract of a strategy, the gate before each effect, and one room for each strategy.

`strategy.py` is the contract, `gate.py` stands before every effect, `run.py` turns each end into an outcome. What
strategies share: `session.py` (one heal under way), `refusals.py`, `calls/` (HTTP calls made again), `schema_check/`
(JSON Schema judged in a process of its own). Invariant: no effect starts without the gate's yes, and no heal counts
without a proof that is not the action's own return value.
"""
