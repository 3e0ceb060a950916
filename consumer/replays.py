"""What became of records that `shw dlq replay` had sent again."""

from collections.abc import Iterator

from consumer.intake import Batch, Received
from consumer.metrics import EventOutcome
from consumer.model import first_read


def replays(batch: Batch, received: Received) -> Iterator[EventOutcome]:
    """Give what became of each replayed record of a batch that is durable now."""
    strangers = {id(letter.record) for letter in received.letters}
    for diagnosed, record in batch.accepted:
        if first_read(record)[1] and id(record) not in strangers:
            new = diagnosed.failure.id in received.new
            yield EventOutcome.ACCEPTED if new else EventOutcome.DUPLICATE
    for letter in received.letters:
        if first_read(letter.record)[1]:
            yield EventOutcome.DEAD_LETTER
