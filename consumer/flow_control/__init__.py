"""Everything that says *not now*: slots, dependencies and their circuit breakers, the brake, backlog, intake's breaker.

Each keeps what this process knows in memory, and in step with what the fleet knows in the database (`store/X.py` is the
SQL of `X` here). Neighbours: `pipeline/` asks before it claims or reads. Invariant: a refusal here is for now; nothing
here ends a failure.
"""
