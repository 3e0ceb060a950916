"""JSON Schema validation in a child process, bounded in time and memory.

`check.py` is the parent's side, `worker.py` the child: it imports as little as possible, and finds this checkout by its
own path. Invariant: an untrusted schema or document never blocks the event loop.
"""
