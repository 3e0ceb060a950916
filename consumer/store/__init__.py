"""Every SQL statement, each beside the one function that runs it; above it nobody names a Postgres error."""
