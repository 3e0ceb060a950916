"""Declared actions: carries out what the catalog allows besides the orders of an engine, and proves it by a look.

`rung.py` (may it, what would it do, what does it cost), `acting.py` (the look before, the call, the looks after),
`state.py` (what a heal keeps), `session.py` (its calls).
Neighbours: `route_repair/` carries it out, as each action is a rung that counts as it; `consumer/plan/memory.py` says
whether something ran out of memory.
Invariant: the call's own answer proves nothing; only the declared look does, and one call is made for one attempt.
"""
