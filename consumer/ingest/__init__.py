"""Kafka in: records to failures or dead letters, offsets, lag, and whether this member is alive.

`source.py` polls and commits, `decode.py` reads one record, `offsets.py` says what may be committed, `liveness.py`
tells a member of ours that does not read from a cause elsewhere. Neighbours: `kafka/` is the client, `pipeline/` takes
the batches. Invariant: no offset is committed past a record that was not handed on.
"""
