"""The running process: composition, loops, start and stop, startup checks, vitals, the catalog's file.

`app.py` is the one place that knows every concrete class. Invariant: it leaves within its drain budget, and what it
leaves is taken over.
"""
