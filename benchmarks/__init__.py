"""The benchmark: this service beside fair peers, on the same broker, database and cores."""
