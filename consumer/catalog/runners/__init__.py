"""Declarations of workflow engines in the catalog: an engine behind HTTP, a Prefect server.

Declarations are only validated here; `consumer/runners/` makes the calls. Invariant: a value of an event never
chooses host, path structure or header names.
"""
