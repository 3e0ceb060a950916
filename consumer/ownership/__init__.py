"""Ownership of claims: the lease of this process, permission for effects, dead owners, the database's clock.

`lease.py` renews and reads, `permission.py` decides whether an effect may start, `owner_watch.py` detects dead owners
by what this process itself has observed, `clock.py` keeps the database's time. The SQL is in `store/leases.py`.
Neighbours: `heal/gate.py` asks before each effect, `pipeline/resume.py` takes over what dead owners held.
Invariant: no effect starts under a claim that a decision revoked or that another process may have taken over.
"""
