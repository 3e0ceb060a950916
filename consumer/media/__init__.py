"""Media validation: whether the bytes of an image or of sound are what was asked for, proven by decoding all of them.

`verdict.py` has the interface (what is expected, what was found), `validation.py` the engine, `worker_pool.py`
runs it in child processes with limits of CPU time, memory and wall clock (`worker.py` is the child). Of the engine:
`media_types.py` (by content), `image_containers.py` and `sound_containers.py` (what a file's own structure promises,
read before anything is decoded; of PNG also `png_rows.py`, of MP3 and ADTS `sound_frames.py`), `images.py`,
`image_checks.py`, `decoder_fill.py` (what a truncated file leaves of a picture), `vector_images.py`, `sounds.py`,
`sound_checks.py`, and of speech `speech_length.py`, `speech_repeats.py`, `speech_alignment.py` with `spoken_sounds.py`
(whether a voice says its text in order and to its end). The libraries that decode are the package's extra `media`;
`installed.py` says what is missing.
Neighbours: `workers/` below; strategies that make assets above.
Invariant: bytes are read and never changed, and a verdict is passed only where each check passed.
"""
