"""The HTTP side of the process: the healing endpoints, health and metrics."""
