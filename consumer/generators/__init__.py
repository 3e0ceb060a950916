"""Clients of generators of images and voices behind one contract: make, look at a job, find what never arrived, cancel.

`contract.py` is the interface for the strategy; `configured.py` creates the clients that the catalog declares;
`answers.py` reads refusals, `content.py` takes an asset out of an answer, and each wire has a module of its own.
Neighbours: `outbound/` makes the calls, and repeats none of them; `catalog/generators/` declares; `diagnose/` knows the
providers' errors. Invariant: an answer is a value; that it is one of success proves nothing about the asset.
"""
