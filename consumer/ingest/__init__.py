"""Intake from Kafka: decodes records into failures or dead letters; offsets, lag, and the liveness of this member.

`source.py` polls and commits, `decode.py` decodes one record, `offsets.py` decides what may be committed, `liveness.py`
tells a member that does not read through its own fault from a cause elsewhere. Neighbours: `kafka/` is the client,
`pipeline/` takes the batches.
Invariant: no offset is committed past a record that was not handed on.
"""
