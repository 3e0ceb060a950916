"""Every SQL statement, each beside the one function that runs it; above it nobody names a Postgres error.

`X.py` here is the SQL of the module `X` elsewhere. SQL decides nothing that is not about rows: results are handed in.
Invariant, the order of locks in every transaction: organisations, failures, claims, rate limits, breakers, drift,
wallets; within each kind sorted. What may be locked by others out of this order is skipped (`SKIP LOCKED`).
"""
