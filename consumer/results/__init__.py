"""From an outcome to what is stored and published: settlements, events, dead letters. Pure.

`settlement.py` computes what a finished step writes, `events.py` and `decision.py` build the messages. Neighbours:
`pipeline/settle.py` makes them durable. Invariant: everything a subscriber can know of a failure is built here, and
fits into one Kafka message.
"""
