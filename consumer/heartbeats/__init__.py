"""Heartbeats of runs: what a beat says, how long a run may be silent, and what two looks at a silent one say together.

`decode.py` reads a record, `deadline.py` has the deadlines (declared or learnt), `board.py` the live runs of this
member's partitions, `watermark.py` how far each partition is read, `looks.py` the verdict of two looks at a silent run,
`stall.py` the failure that it becomes.
Neighbours: `pipeline/heartbeats.py` and `pipeline/stalls.py` do what is decided here; `store/live_runs.py` has the SQL.
Invariant: silence counts only up to where its partition was read; a reader that lags, or an outage, makes no stall.
"""
