"""JSON repair engine: finds the edits that make a document valid under a JSON Schema, or refuses. Pure.

`repair.py` is the entry point, `search.py` walks document and schema together, `worker_pool.py` runs it in child
processes with limits (`worker.py`), which import nothing else of ours. Each edit has a grade for how much meaning it
may change.
Invariant: it never guesses: of two repairs that fit it makes none, and money is never repaired lossily.
"""
