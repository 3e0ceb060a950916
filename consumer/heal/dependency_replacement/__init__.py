"""dependency-replacement: while a dependency is ill, its calls go to what the catalog declares in its place.

`illness.py` proves that it is the dependency, and not our key, input, quota or network; `candidates.py` picks who may
stand in under the rules of regions, data and price; `translation.py` tells a call in the candidate's words and its
answer in the caller's; `machine.py` is the binding's state machine; `strategy.py` plans, `proving.py` and `calling.py`
act. Neighbours: `heal/calls/` makes and judges the call as every strategy does, `pipeline/bindings.py` keeps bindings
and probes the first, `plan/bindings.py` has plans follow them. Billing's data path has a room of its own beside this
one, `heal/billing_sync/`: it shares the strategy's name on the ladder, and nothing of this room.
Invariant: no byte leaves for a candidate that breaks a rule, and no answer counts that the contract does not prove.
"""
