"""Clients of workflow engines behind one contract: look at a run, rerun a step, resume, replace a definition.

`contract.py` is the interface for strategies; `configured.py` creates the client that a catalog entry names; one
package for each kind of engine. Kinds share `json_api.py` (calls to one API under one deadline), `templated.py` (orders
by the catalog's call templates) and `answers.py` (what any engine's answer means).
Neighbours: `outbound/` makes the calls.
Invariant: an engine's answer is a value, and only a recognized one counts.
"""
