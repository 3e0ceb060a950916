"""The only way out to other parties: addresses, egress rules, credentials, redirects, size and time limits.

`calls.py` is the door, `egress.py` asks the catalog, `dialing.py` refuses forbidden addresses after the name was
resolved. Neighbours: `heal/` and `runners/` ask for calls. Invariant: what the catalog does not open stays closed, and
a credential never stands in what comes back.
"""
