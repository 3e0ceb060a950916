"""The one place that touches the untyped Kafka client; everything it gives is typed, and its errors are ours."""
