"""Declarations of workflow engines in the catalog: Airflow, Conductor, MAOS, Prefect, and any engine behind HTTP.

`server.py` is what engines with one API have in common, `token.py` the tokens that an engine issues, `http.py` the
templates of calls, `run_look.py` where the state of a run stands in an answer.
Declarations are only validated here; `consumer/runners/` makes the calls. Invariant: a value of an event never
chooses host, path structure or header names.
"""
