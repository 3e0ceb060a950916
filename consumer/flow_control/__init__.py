"""Flow control, all that says *not now*: slots, slow start and circuit breakers of dependencies, brake, backlog.

Also the circuit breaker of intake. Each module keeps this process's view in memory, and synchronises it with the
fleet's in the database (`store/X.py` is the SQL of `X` here).
Neighbours: `pipeline/` asks before it claims or reads.
Invariant: a refusal here is for now; nothing here ends a failure.
"""
