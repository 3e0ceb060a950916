"""The processing pipeline, its stages and their loops: read, take, heal, settle, publish, resume. Start with `flow.py`.

Only the loops live here: decisions are made in `plan/` and `results/`, SQL is in `store/`, back-pressure and circuit
breakers are in `flow_control/`.
Invariant: durable changes are published in the order in which they were committed, and work that a crash interrupted
is found again.
"""
