"""Kafka topics as an engine: a record that was given up is a run, which is run again by sending it back mended."""
