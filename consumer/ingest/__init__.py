"""From Kafka to failures: where records come from (`source`), and what one record says (`decode`)."""
