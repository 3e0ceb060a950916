"""schema-autofix strategy: repairs a payload until its schema accepts it, and has the workflow engine rerun the step.

`strategy.py` plans and acts, `payload_repair.py` repairs and proves the repair, `producer_drift.py` derives what the
producer should send. `../runs/` orders the step and watches the run; the repair engine is `consumer/repair/`.
Invariant: a repair that cannot be undone edit by edit, or that the run does not prove, is no heal.
"""
