"""The repair engine: a document, a JSON Schema, and the edits that make one follow the other, or a refusal. Pure.

`repair.py` is the entry, `search.py` walks document and schema together, `worker_pool.py` runs it in bounded children
(`worker.py`), which import nothing else of ours. Each edit has a grade of how much meaning it may touch. Invariant: it
never guesses: of two repairs that fit it makes none, and money is never repaired lossily.
"""
