"""From a failure's reason and context to what is broken: pure rules, with the evidence they stand on."""

from consumer.diagnose.diagnosis import diagnose

__all__ = ["diagnose"]
