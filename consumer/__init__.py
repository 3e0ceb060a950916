"""Self-Healing Workflows: the consumer and everything that it runs."""
