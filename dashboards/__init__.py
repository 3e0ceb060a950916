"""The Grafana dashboards, as code: panels with their queries, what to do, and their section of the runbook.

`pages/` says what is drawn; `grafana.py` makes Grafana's JSON of it (deploy/grafana/), `picture.py` an SVG from the
very same queries, and `stack.py` runs the service with Prometheus and serves the pictures, live: `traffic.py` publishes
failures meanwhile, and `people.py` is who answers, pauses and knocks. Nothing of the service
imports it.

    python -m dashboards --write     the JSON anew, after a change to a page
    python -m dashboards.stack       what `make stack` runs
"""
