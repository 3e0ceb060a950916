"""The running process: composition, loops, start and stop, startup checks, vitals, the catalog's file.

`app.py` is the composition root, the one place that knows every concrete class; `loops.py` runs the loops and stops
them in order; `startup_checks.py` is what has to hold before the first record is read; `vitals.py` feeds `/healthz` and
`/readyz`; `catalog_file.py` reloads the catalog; `memory.py` tunes the collector and the allocator, and trims the heap.
Neighbour: `cli/service.py` starts it.
Invariant: it stops within its drain budget, and other processes take over what it leaves.
"""
