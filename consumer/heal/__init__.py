"""Healing strategies: the strategy contract, the gate before each side effect, and one package for each strategy.

`strategy.py` is the contract, `gate.py` stands before every effect, `run.py` turns each end into an outcome. What
strategies share: `session.py` (the state of one heal), `refusals.py`, `calls/` (retried HTTP calls), `schema_check/`
(JSON Schema validation in a child process). Invariant: no effect starts without the gate's permission, and no heal
counts without a proof that is not the action's own return value.
"""
