"""The Kafka client, and the only place that touches it: reading, writing, topics, dead letters, raw record batches.

`reader.py` polls, `writer.py` sends, `positions.py` and `polls.py` restore the positions that a raising poll moved;
`batches.py`, `message_sets.py` and `bypass.py` read around the client what it cannot. `aiokafka_internals.py` holds
every use of the client's private parts.
Invariant: whatever the client raises, no record is skipped.
"""
