"""The intake stage: makes every batch durable, bad events included, and claims as many heals as have slots."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import structlog

from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import jittered
from consumer.flow_control.pauses import HealGates
from consumer.flow_control.slots import HealSlots, SlotDecision
from consumer.ingest.decode import second_failure_id
from consumer.ingest.foreign.roll_ups import roll_ups
from consumer.metrics import LoopPhase, Metrics, PauseReason
from consumer.model import (
    DeadLetter,
    Diagnosed,
    FailureId,
    Heal,
    Message,
    OwnerId,
    Record,
    Refuse,
    without_producer_metadata,
)
from consumer.model.batch import Batch, Claimed, Portion, Received
from consumer.model.digest import digest
from consumer.model.pause import PAUSE_GATE
from consumer.pipeline.durable import FIRST_REST, bisect_batch, until_durable
from consumer.pipeline.unclaimed import GiveUp, end_unclaimed_plan
from consumer.results.refusals import LetterMessages
from consumer.settings import Settings
from consumer.store.aside import AsideLimits
from consumer.store.intake import Arrival, Aside, Taken, take_in
from consumer.store.pool import Pool
from consumer.store.waiters import wake_missed
from schemas.names import Code, Effect, PoisonReason

log = structlog.get_logger(__name__)

Item: TypeAlias = tuple[Arrival, Record] | DeadLetter
"""One item of a batch as it is stored: an event with its record, or a dead letter."""

PORTION_SCAN: Final = 64
"""Failures of a batch considered for one portion, or twice the number of slots if that is more: where slots are few a
batch is stored in many portions, and must not be scanned whole for each."""


class Intake:
    """Makes batches durable. While the database is away it holds the batch and retries; it drops nothing."""

    def __init__(
        self,
        *,
        pool: Pool,
        owner: OwnerId,
        live: HealSlots,
        gates: HealGates,
        settings: Settings,
        letters: LetterMessages,
        metrics: Metrics,
        wake: Callable[[], None],
    ) -> None:
        self._wake = wake
        self._metrics = metrics
        self._pool = pool
        self._owner = owner
        self._live = live
        self._gates = gates
        self._settings = settings.heal
        self._aside_limits = AsideLimits(rows=settings.intake.aside_rows, bytes=settings.intake.aside_bytes)
        self._letters = letters
        self._held_up: set[object] = set()
        """Batches that the database has refused to take more than once."""

    def pause_reason(self) -> PauseReason | None:
        """Return why nothing more should be read: a batch is not durable, although it was tried again."""
        return PauseReason.DATABASE if self._held_up else None

    async def take(self, batch: Batch, give_up: GiveUp, *, retaking: bool = False) -> Portion:
        """Store the part of a batch that has slots now or will not have any soon; the caller takes the rest next.

        A heal that starts at once is far cheaper than one that is picked from the database later, so intake keeps pace
        with heals that are quick.
        """
        batch = _without_roll_ups(batch)
        looked_at = batch.accepted[: max(PORTION_SCAN, 2 * self._live.slots)]
        gates = self._gates.of([diagnosed for diagnosed, _ in looked_at])
        startable = [
            diagnosed.failure
            for diagnosed, _ in looked_at
            if isinstance(diagnosed.plan, Heal) and diagnosed.failure.id not in gates and not diagnosed.is_preliminary
        ]
        with self._metrics.timed(LoopPhase.SLOTS):
            turns = await self._live.wait_to_admit(
                [failure.org_id for failure in startable],
                stalled_after=self._settings.slot_stall,
                at_most=self._settings.slot_wait,
            )
        turn_of = {failure.id: turn for failure, turn in zip(startable, turns, strict=True)}
        part, rest = _split(batch, looked_at, {one for one, turn in turn_of.items() if turn is SlotDecision.LATER})
        arrivals = []
        for diagnosed, record in part.accepted:
            failure_id = diagnosed.failure.id
            gets_one = turn_of.get(failure_id) is SlotDecision.NOW
            gate = gates.get(failure_id)
            arrivals.append((self._arrival(diagnosed, gate, batch.now, give_up, wants_slot=gets_one), record))
        received = await self._store([*arrivals, *part.letters], batch.now, retaking=retaking)
        if any(diagnosed.is_preliminary for diagnosed, _ in part.accepted):
            self._wake()
        if received.conflicting:
            received += await self._store_apart(part, received.conflicting, give_up, retaking=retaking)
        return Portion(batch=part, received=received, rest=rest or _follow_up(part))

    async def _store_apart(
        self, part: Batch, conflicting: Collection[FailureId], give_up: GiveUp, *, retaking: bool
    ) -> Received:
        """Store what would be healed, and came under an id that another content has taken, as failures of their own.

        Whoever takes an id first, by mistake or on purpose, keeps nobody's failure from being healed. Of an event that
        is given up in any case the first delivery is enough.
        """
        apart = [
            (self._arrival(_apart(diagnosed), None, part.now, give_up, wants_slot=False), record)
            for diagnosed, record in part.accepted
            if diagnosed.failure.id in conflicting and isinstance(diagnosed.plan, Heal)
        ]
        if not apart:
            return Received()
        stored = await self._store(apart, part.now, retaking=retaking)
        self._wake()
        return Received(messages=stored.messages, letters=stored.letters, aside=stored.aside)

    def _arrival(
        self, diagnosed: Diagnosed, waits_on: str | None, now: datetime, give_up: GiveUp, *, wants_slot: bool
    ) -> Arrival:
        plan, ended = diagnosed.plan, None
        if diagnosed.is_preliminary:
            waits_on, wants_slot = None, False  # RESUME has a model asked, or it rehearsed, first
        elif not isinstance(plan, Heal):
            diagnosed, ended = end_unclaimed_plan(diagnosed, plan, now, self._letters.outlet, give_up)
        return Arrival(
            diagnosed=diagnosed,
            wants_slot=wants_slot,
            ended=ended,
            waiter_in=jittered(self._settings.waiter_retry),
            waits_on=waits_on,
        )

    async def _store(self, items: Sequence[Item], now: datetime, *, retaking: bool = False) -> Received:
        """Store items; a batch that the database refuses is bisected down to the one item that it refuses alone."""

        async def together(some: Sequence[Item]) -> Received:
            return await self._until_durable(some, now, retaking=retaking)

        async def alone(item: Item, error: RefusedByDatabase) -> Received:
            return await self._store_refused(item, now, error)

        return sum(await bisect_batch(items, together, alone), Received())

    async def _store_refused(self, item: Item, now: datetime, error: RefusedByDatabase) -> Received:
        if isinstance(item, DeadLetter):
            # Only what the producer chose freely beside the value can be at fault: that is dropped, the value stays.
            return await self._until_durable([replace(item, record=without_producer_metadata(item.record))], now)
        arrival, record = item
        message = f"the database refuses it: {str(error)[:500]}. Report this: decode should have found it."
        unstorable = DeadLetter(record=record, reason=PoisonReason.UNSTORABLE, message=message)
        log.error("event_unstorable", failure_id=str(arrival.diagnosed.failure.id), error=str(error)[:300])
        return await self._store([unstorable], now)

    async def _until_durable(self, items: Sequence[Item], now: datetime, *, retaking: bool = False) -> Received:
        async def attempt() -> Received:
            sent_at = time.monotonic()
            with self._metrics.timed(LoopPhase.INTAKE):
                return await self._once(items, now, sent_at, retaking=retaking)

        async def rest(span: timedelta) -> None:
            with self._metrics.timed(LoopPhase.RETRY):
                await asyncio.sleep(span.total_seconds())

        batch = object()

        def failed(error: TransientError, backoff: float) -> None:
            _log_retry(error, backoff)
            if (
                backoff > FIRST_REST.total_seconds()
            ):  # a first failure may be a deadlock, and a pause drops what is read
                self._held_up.add(batch)

        # Idempotent by the ids. Claims under our owner name that this process does not know of are found by resume.
        try:
            return await until_durable(attempt, failed, sleep=rest)
        finally:
            self._held_up.discard(batch)

    async def _once(self, items: Sequence[Item], now: datetime, sent_at: float, *, retaking: bool) -> Received:
        letters = [item for item in items if isinstance(item, DeadLetter)]
        arrivals = [item for item in items if not isinstance(item, DeadLetter)]
        told = [message for letter in letters for message in self._letters.of(letter, now)]
        refused: list[DeadLetter] = []

        def refuse(letter: DeadLetter) -> Sequence[Message]:
            refused.append(letter)
            messages = self._letters.of(letter, now)
            told.extend(messages)
            return messages

        def record_of(arrival: Arrival) -> Record:
            return records[arrival.diagnosed.failure.id]

        records = {arrival.diagnosed.failure.id: record for arrival, record in arrivals}
        taken = await take_in(
            self._pool,
            self._owner,
            [a for a, _ in arrivals],
            tuple(told),
            lambda a: refuse(_unknown_organisation_letter(a, record_of(a))),
            Aside(
                limits=self._aside_limits,
                record_of=record_of,
                refuse=lambda a: refuse(_locked_organisation_letter(a, record_of(a))),
                retaking=retaking,
            ),
        )
        waiting = {a.waits_on for a, _ in arrivals if a.waits_on and not a.waits_on.startswith(PAUSE_GATE)}
        self._gates.dependencies.note_waiting(waiting)
        await self._recheck_waiters([a.diagnosed.failure.id for a, _ in arrivals if a.wants_slot], taken)
        ends = [m for a, _ in arrivals if a.ended and a.diagnosed.failure.id in taken.new for m in a.ended.messages]
        return _build_received(taken, sent_at, (*told, *ends), (*letters, *refused))

    async def _recheck_waiters(self, wanted: Sequence[FailureId], taken: Taken) -> None:
        here = {d.failure.id for d in taken.claimed} | {d.failure.id for d, _ in taken.held_back}
        try:
            if await wake_missed(self._pool, [one for one in wanted if one in taken.new and one not in here]):
                self._wake()
        except TransientError as error:
            log.warning("waiters_not_seen", error=str(error)[:300])  # they have a due time of their own


def _without_roll_ups(batch: Batch) -> Batch:
    rolled_up = roll_ups(diagnosed.failure for diagnosed, _ in batch.accepted)
    if not rolled_up:
        return batch
    left = tuple(both for both in batch.accepted if both[0].failure.id not in rolled_up)
    return replace(batch, accepted=left, rolled_up=batch.rolled_up + len(rolled_up))


def _split(
    batch: Batch, looked_at: Sequence[tuple[Diagnosed, Record]], later: Collection[FailureId]
) -> tuple[Batch, Batch | None]:
    """Split a batch into what is stored now, and the rest: failures not looked at, or whose turn is later.

    Everything in the batch that is not a failure goes with the first part.
    """
    left = batch.accepted[len(looked_at) :]
    if not (later or left):
        return batch, None
    now = tuple(both for both in looked_at if both[0].failure.id not in later)
    left = (*(both for both in looked_at if both[0].failure.id in later), *left)
    rest = Batch(accepted=left, letters=(), repeated=0, now=batch.now, again=batch.again)
    return replace(batch, accepted=now, again=()), rest


def _follow_up(part: Batch) -> Batch | None:
    """Return the batch of what came again with other bytes, each id once; None where nothing did."""
    if not part.again:
        return None
    once = {diagnosed.failure.id: (diagnosed, record) for diagnosed, record in reversed(part.again)}
    left = tuple(both for both in part.again if once[both[0].failure.id][1] is not both[1])
    return Batch(accepted=tuple(once.values()), letters=(), repeated=0, now=part.now, again=left)


def _apart(diagnosed: Diagnosed) -> Diagnosed:
    """Return an event as the failure of its own that it is, because another content has taken its id."""
    failure, plan = diagnosed.failure, diagnosed.heal
    content = digest([failure.workflow_name, failure.failure_reason, failure.context])
    own = replace(failure, id=second_failure_id(failure.id, content), run_key=None)
    if plan.intent.effect is not Effect.UNSAFE:
        return replace(diagnosed, failure=own)
    reason = (
        f"another event came first under its id (failure {failure.id}), and its effect carries no key: ask for its "
        "heal if it is another failure, and have each event sent with an id of its own"
    )
    refused = Refuse(strategy=plan.strategy, code=Code.REFUSED, reason=reason, catalog_version=plan.catalog_version)
    return replace(diagnosed, failure=own, plan=refused)


def _build_received(
    taken: Taken, sent_at: float, messages: tuple[Message, ...], letters: tuple[DeadLetter, ...]
) -> Received:
    return Received(
        claimed=tuple(Claimed(diagnosed=d, sent_at=sent_at) for d in taken.claimed),
        held_back=tuple((Claimed(diagnosed=d, sent_at=sent_at), end) for d, end in taken.held_back),
        messages=messages,
        new=taken.new,
        conflicting=taken.conflicting,
        letters=letters,
        aside=taken.aside,
        same_run=taken.same_run,
    )


def _unknown_organisation_letter(arrival: Arrival, record: Record) -> DeadLetter:
    org_id = arrival.diagnosed.failure.org_id
    message = f"organisation {org_id} does not exist here: create it and replay, or mend data.org_id"
    return DeadLetter(record=record, reason=PoisonReason.UNKNOWN_ORGANISATION, message=message)


def _locked_organisation_letter(arrival: Arrival, record: Record) -> DeadLetter:
    org_id = arrival.diagnosed.failure.org_id
    message = (
        f"another application holds the row of organisation {org_id} locked, and there is no room for more of its "
        "records, or another record of its waits under this id: end that transaction, and replay"
    )
    return DeadLetter(record=record, reason=PoisonReason.ORGANISATION_LOCKED, message=message)


def _log_retry(error: TransientError, rest: float) -> None:
    log.warning("intake_failed", error=str(error)[:300], retry_in=rest)
