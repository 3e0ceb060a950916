"""The wire contract: what comes in, what goes out, and how it lies on Kafka. Imports nothing of the consumer."""
