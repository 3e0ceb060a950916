"""JSON Schema judged in a child process, bounded in time and memory.

`check.py` asks, `worker.py` is the child: it imports as little as possible, and finds this checkout by its own path.
Invariant: a schema or a document of a stranger never holds the event loop.
"""
