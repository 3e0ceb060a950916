"""Media validation: whether the bytes of an image or of sound are what was asked for, proven by decoding all of them.

`verdict.py` has the interface (what is expected, what was found), `validation.py` the engine, `worker_pool.py`
runs it in child processes with limits of CPU time, memory and wall clock (`worker.py` is the child). Of the engine:
`media_types.py` (by content), `image_containers.py` and `sound_containers.py` (what a file's own structure promises,
read before anything is decoded), `images.py`, `image_checks.py`, `vector_images.py`, `sounds.py`, `sound_checks.py`,
`speech_length.py`. The libraries that decode are the package's extra `media`; `installed.py` says what is missing.
Neighbours: `workers/` below; strategies that make assets above.
Invariant: bytes are read and never changed, and a verdict is passed only where each check passed.
"""
