"""`make demo` and `make dev`: a small world of services, a consumer process, and failures of every kind in it.

Built on `local/` (the broker and the database of a laptop). Neighbour: `cli/` starts it. Invariant: nothing of a
deployment imports it.
"""
