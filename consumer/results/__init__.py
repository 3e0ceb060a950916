"""From an outcome to what is written and told: settlements, events, dead letters. Pure.

`settlement.py` says what a finished step writes, `events.py` and `decision.py` give the messages. Neighbours:
`pipeline/settle.py` makes it durable. Invariant: everything a subscriber can know of a failure is made here, and fits
into one Kafka message.
"""
