"""From an outcome to what is stored and published: settlements, events, dead letters. Pure.

`settlement.py` computes what a finished step writes, `events.py` builds the messages of attempts, statuses and dead
letters, `decision.py` that of a person's decision.
Neighbours: `pipeline/settle.py` makes them durable, `pipeline/publish.py` sends them.
Invariant: everything a subscriber can know of a failure is built here, and fits into one Kafka message.
"""
