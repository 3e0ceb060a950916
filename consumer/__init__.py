"""Self-Healing Workflows: the consumer and everything that it runs.

The way of a failure stands in `pipeline/flow.py`. Rooms, from above: `cli`, `service`, `pipeline`, `heal` (with
`analysis` and `demo` beside it), `flow_control`, `results`, `runners`, `api` and `ownership`, then `store`, `plan`,
`ingest` and `outbound`, then `catalog`, `diagnose`, `redact` and `kafka`, then `model`, `repair` and `local`. Imports
point down only, and each room's `__init__.py` says what lives there. The one rule: the loop is in `pipeline/`, the
rule in `plan/` or `results/`, the SQL in `store/`, the refusal for now in `flow_control/`.
"""
