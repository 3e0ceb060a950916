"""The SQL of the service: every statement, each beside the one function that runs it.

`X.py` here holds the SQL of the module `X` elsewhere. Postgres errors are translated here: no caller names one. SQL
decides nothing that is not about rows: decisions are passed in. Invariant, the lock order in every transaction:
organisations, failures, claims, rate limits, breakers, drift, wallets; within each kind sorted. Rows that another
transaction may lock out of this order are skipped (`SKIP LOCKED`).
"""
