"""The SQL of the service: every statement, each beside the one function that runs it.

`X.py` here holds the SQL of the module `X` elsewhere. Postgres errors are translated here: no caller names one. SQL
decides nothing that is not about rows: decisions are passed in.

Invariant, the lock order in every transaction: organisations, failures, claims, outbox, breakers, rate limits, drift,
then the turns for wallets, and wallets; within each kind sorted by key. An organisation, a failure or a wallet may be
locked by other applications, so nothing waits for one: it is skipped (`SKIP LOCKED`), whatever came before it. As what
never waits closes no circle, none of the healer's transactions is in a deadlock with a deletion of an organisation. A
failure's row is written once in a transaction: of one written twice the foreign key is checked, and that waits for the
organisation. The healer's own tables are nobody else's; a deadlock by a hand in them (40P01) is a TransientError.
"""
