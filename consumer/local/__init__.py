"""Servers for a laptop: the embedded broker and database, real Kafka and Postgres, started, watched and stopped.

Used by `demo/`, the tests and `make kafka`; a deployment never imports it. Invariant: a server dies with the process
that started it, and listens on 127.0.0.1.
"""
