"""The stages, and the loops that drive them: read, take, heal, settle, publish, resume. Start with `flow.py`.

Loops live here; what they decide lives in `plan/` and `results/`, their statements in `store/`, refusals for now in
`flow_control/`. Invariant: what is durable is told in the order in which it became so, and what died in between is
found again.
"""
