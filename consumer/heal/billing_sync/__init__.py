"""Billing brought into step to the cent: the data path to the platform is replaced, never the processor.

`strategy.py` plans and gives the order: events that were never delivered are read (`reading.py`; in the words of
`wire.py`, with `stripe.py` and `described.py`), applied by their id through the platform's own handler (`applying.py`,
`platform.py`), the sums of both sides compared (`reconciling.py`, `money.py`); `ending.py` and `report.py` tell what
came of it. Neighbours: `heal/calls/` reads what a failed call asks for, `store/billing_events.py` remembers each event,
and `dependency_replacement/` has the same name on the ladder (`heal/by_cause.py` chooses).
Invariant: an event is applied by its id and after a look; what the platform has too much is told, never taken back.
"""
