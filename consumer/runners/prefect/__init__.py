"""A Prefect 3 server, asked by its REST API."""
