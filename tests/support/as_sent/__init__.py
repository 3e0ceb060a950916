"""A second source of broken documents, apart from `tests/support/damaged`: what models and networks send.

`schemas.py` has twelve schemas as people publish them, each with a maker of documents; `written.py` breaks a document
the way a model writes it, `carried.py` the way a network or a program carries it, `slips.py` its values and keys;
`lost.py` makes what has no one answer; `letters.py` puts them together, each with the answer that is right.
"""
