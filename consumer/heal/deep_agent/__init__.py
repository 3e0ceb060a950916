"""DeepAgent-full-workflow-rewrite strategy: has the agent propose another definition, proves it by code, and asks.

`strategy.py` plans and states the order, `rules.py` is what may be rewritten and by what, `views.py` what the agent may
see of it, `proposing.py` runs the agent and has its patches proven, `learning.py` is what was learnt: a rule that a
person accepted is proposed before the agent is asked. `canary.py` puts in force what was approved and `rollback.py`
takes it back, `places.py` says where; `state.py` is what a crash leaves behind, `ports.py` what others provide.
`changes/` is for workflows that are code.
Neighbours: `agent/` and `workflows/` below. Invariant: what a model says changes nothing. A patch is offered once code
has nothing against it and recorded runs end as they did, a person approves exactly it, and it is in force once one run
of it has succeeded: until then, and after a relapse, what stood there before is.
"""
