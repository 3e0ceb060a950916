"""Client of a Prefect 3 server, by its REST API."""
