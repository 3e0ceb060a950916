"""The HTTP API: failures and attempts for members, asking for a heal, health and readiness, metrics.

`app.py` assembles it, `healing.py` has the endpoints, `sign_in.py` checks the token, `health.py` answers probes.
The database decides who may see a row (row-level security), under the caller's own claims.
Neighbours: `store/` holds the statements, `service/` starts and stops the server.
Invariant: a request can make a failure due; it never heals, claims or publishes.
"""
