"""Servers for a laptop: the embedded broker and database, real Kafka and PostgreSQL.

`stack.py` starts a broker and a database together, `server.py` runs one server under a guard process that ends it with
its parent, `kafka_jars.py` and `postgres_binaries.py` fetch the programs into the checkout.
Neighbours: `demo/`, the tests and `make kafka` use it; a deployment never imports it.
Invariant: a server dies with the process that started it, and listens on 127.0.0.1.
"""
