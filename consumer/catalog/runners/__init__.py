"""Workflow engines as an operator declares them: an engine behind HTTP, a Prefect server.

What is declared here is only checked; `consumer/runners/` makes calls of it. Invariant: a value of an event never
chooses host, path structure or header names.
"""
