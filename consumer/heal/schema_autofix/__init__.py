"""schema-autofix: repairs a payload until its schema accepts it, and has the run's engine run the step again.

`strategy.py` plans and acts, `payload_repair.py` repairs and proves the repair, `rerun.py` orders the step under one
key and watches it (`run_watch.py`), `producer_drift.py` tells what its producer should send. The engine of repairs is
`consumer/repair/`. Invariant: what cannot be undone edit by edit, or is not proven by the run, is no heal.
"""
