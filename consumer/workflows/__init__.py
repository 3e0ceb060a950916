"""Workflow definitions: what they are, how a patch changes one, and what has to hold before it runs. Pure.

`definition.py` and `runs.py` are the values (steps, conditions, invariants; recorded runs), `catalogue.py` what steps
may do and the limits of a patch, `findings.py` the rules and what speaks against a patch. `patch.py` applies a JSON
Patch, `checks/` judges what it leads to, rule by rule, `execution.py` runs a definition over recorded answers and
`replay.py` compares those runs; `proof.py` is all of that in one call. `conductor/` maps an engine's own form to a
definition and back; `change_request.py` renders a patch where workflows are code.
Neighbours: whoever proposes a patch sits above, in `heal/`.
Invariant: a patch is judged by code on the definition that it leads to, never by what its author says of it.
"""
