"""Batches of polled records, before the intake transaction, and its results once they are durable."""

from datetime import datetime
from typing import TypeAlias

from consumer.model import (
    Claim,
    DeadLetter,
    Diagnosed,
    FailureId,
    Message,
    Record,
    Refused,
    RetryLater,
)
from consumer.model.pause import place_of
from schemas.value import value

HeldBack: TypeAlias = Refused | RetryLater


@value(frozen=True, slots=True, kw_only=True)
class Batch:
    """Decoded records of one batch: accepted failures (each id once) with their record, and dead letters."""

    accepted: tuple[tuple[Diagnosed, Record], ...]
    letters: tuple[DeadLetter, ...]
    repeated: int
    """Number of deliveries of an id that was in the batch already."""
    now: datetime
    rolled_up: int = 0
    """Failures of runs of which a part is a failure of the batch: left out."""
    no_failures: int = 0
    """Records of declared topics that tell of no failure."""
    again: tuple[tuple[Diagnosed, Record], ...] = ()
    """Deliveries of an id of the batch with other bytes: taken in after it, when the database can compare them."""


@value(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A failure that this process has claimed, and when the claim was sent (monotonic)."""

    diagnosed: Diagnosed
    sent_at: float
    probe: bool = False

    @property
    def claim(self) -> Claim:
        """The claim, as its heal runs under it."""
        plan = self.diagnosed.heal
        return Claim(
            attempt_id=self.diagnosed.attempt_id,
            step=self.diagnosed.failure.step,
            held=plan.hold,
            pays_from=plan.intent.pays_from,
            deadline=self.sent_at + plan.intent.window.total_seconds(),
            sent_at=self.sent_at,
            probe=self.probe,
            place=place_of(self.diagnosed),
        )


@value(frozen=True, slots=True, kw_only=True)
class Received:
    """Result of the intake of a batch, now that it is durable."""

    claimed: tuple[Claimed, ...] = ()
    held_back: tuple[tuple[Claimed, HeldBack], ...] = ()
    messages: tuple[Message, ...] = ()
    new: frozenset[FailureId] = frozenset()
    conflicting: tuple[FailureId, ...] = ()
    letters: tuple[DeadLetter, ...] = ()
    aside: frozenset[FailureId] = frozenset()
    """Events whose record was set aside, because somebody else holds their organisation locked."""
    same_run: frozenset[FailureId] = frozenset()
    """Events of a failure of a run that another event has reported: linked to that failure."""

    def __add__(self, other: "Received") -> "Received":
        """Merge the results of two halves of a batch."""
        return Received(
            claimed=self.claimed + other.claimed,
            held_back=self.held_back + other.held_back,
            messages=self.messages + other.messages,
            new=self.new | other.new,
            conflicting=self.conflicting + other.conflicting,
            letters=self.letters + other.letters,
            aside=self.aside | other.aside,
            same_run=self.same_run | other.same_run,
        )


@value(frozen=True, slots=True, kw_only=True)
class Portion:
    """The part of a batch that is durable now, its result, and the rest that is not."""

    batch: Batch
    received: Received
    rest: Batch | None
