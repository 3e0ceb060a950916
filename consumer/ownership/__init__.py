"""Who owns a claim, and whether its owner may still act: the lease, its permission, dead owners, the database's clock.

`lease.py` renews and reads, `permission.py` decides whether an effect may start, `owner_watch.py` tells which owners
are dead by what this process itself has seen, `clock.py` keeps the database's time. The SQL is in `store/leases.py`.
Invariant: no effect starts under a claim that a decision revoked or that another process may have taken.
"""
