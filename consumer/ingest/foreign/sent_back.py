"""The mark of a record that was sent back mended: one that comes again is a person's."""

from typing import Final

SENT_BACK: Final = "shw-sent-back"
"""Header with the place, `topic/partition/offset`, at which the record was first given up."""
OF_GIVING_UP: Final = (
    *("__connect.errors.", "kafka_dlt-", "kafka_original-", "kafka_exception-", "kafka_key-exception-"),
    *("retry_topic-", SENT_BACK),
)
"""Prefixes of headers that a record gets when it is given up or sent back: none of its own."""
