"""route-repair strategy: names why a run stands still, and acts on that cause alone.

`suspicion.py` (what one look says) and `finding.py` (what two looks that agree say) name the cause from a closed list,
each with its evidence; `repair.py` chooses what is ordered for it; all three are pure. `strategy.py` looks twice,
suspended in between; `acting.py` ends what may still run, orders, and `proving.py` holds the run against the oracle.
Neighbours: `../runs/` (session, rule, orders), `consumer/runners/` (engines).
Invariant: a run of which nothing speaks for a cause, or that waits for a person, a timer or a signal, is not touched;
and never do two copies of a step live.
"""
