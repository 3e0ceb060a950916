"""Records of others, translated into this contract's events: OpenLineage, Kafka Connect, Spring Kafka. Pure.

`translate.py` chooses by the topic's declared format; each format has a module. What tells of no failure is passed
over, what cannot be read is a dead letter of its own bytes.
Invariant: the same record gives the same event, so a second delivery is recognised by its id.
"""
