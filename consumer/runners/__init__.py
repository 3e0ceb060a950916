"""Workflow engines behind one contract: look at a run, run a step again, resume, replace a definition.

`contract.py` is what strategies use; `configured.py` makes the engine that a catalog entry names; one room for each
kind of engine. Neighbours: `outbound/` makes the calls. Invariant: an engine's answer is a value, and only one that is
understood counts.
"""
