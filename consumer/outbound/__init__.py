"""Guarded outbound HTTP client (SSRF protection): egress rules, addresses, credentials, redirects, size, time limits.

`calls.py` is the entry point, `tokens.py` the way to an engine that issues its own tokens, `allowed_hosts.py` checks
the URL against the catalog, `dialing.py` refuses forbidden addresses after name resolution.
Neighbours: `heal/` and `runners/` make calls through it.
Invariant: what the catalog does not allow stays closed, and an answer never contains a credential.
"""
