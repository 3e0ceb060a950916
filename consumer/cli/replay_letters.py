"""`shw dlq replay`: republishes dead letters to their original topics, each original once, once its cause is gone.

A letter stays in its topic, and one that is refused again becomes another letter of the same original. So each is
checked before anything is sent: the service's own `decode` reads it by the present catalog, and the database tells
whether its organisation exists, and whether it was accepted already. `--force` skips these checks.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias, assert_never

from consumer.cli.exits import ExitCode, say
from consumer.cli.letter_choice import LetterFilter
from consumer.cli.tables import numbered, print_json
from consumer.errors import ConfigError, TransientError
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.foreign.translate import as_event
from consumer.kafka.dead_letters import DeadLetters, Letter, LetterPosition, open_dead_letters, original
from consumer.kafka.manual_producer import (
    Acknowledged,
    ManualProducer,
    NotAcknowledged,
    Outgoing,
    open_sender,
    require_topic,
)
from consumer.model import DeadLetter, Failure, FailureId, Record
from consumer.service.catalog_file import read_catalog
from consumer.service.startup_checks import check_database
from consumer.settings import KafkaSettings, Settings, read_settings
from consumer.store.pool import Pool, open_pool
from consumer.store.present import StoredFailure, failures_there, organisations_there
from schemas.names import PoisonReason

_BATCH: Final = 50
"""Batch size: letters that are checked, and sent, together."""
_MAY_DIFFER: Final = frozenset(
    (PoisonReason.SOURCE_NOT_ALLOWED, PoisonReason.TOO_LARGE, PoisonReason.UNKNOWN_VERSION, PoisonReason.UNSTORABLE)
)
"""Reasons that do not depend on a record's bytes alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Options of a replay."""

    force: bool = False
    """Check neither catalog nor database."""
    dry_run: bool = False
    """Print what would be sent, and send nothing."""
    catalog: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """Ready to send; with the id of the failure that it would become, where that is known."""

    failure_id: FailureId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRefused:
    """It would become a dead letter again."""

    why: str
    may_differ: bool = True
    """Whether the running service may decide otherwise: by its catalog, its limits, its version or its database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAlready:
    """An earlier replay of it was accepted: nothing is left to do."""

    failure_id: FailureId
    there: StoredFailure
    same_content: bool


Prospect: TypeAlias = Sendable | StillRefused | AcceptedAlready


def replay_letters(places: Sequence[LetterPosition], choice: LetterFilter, manner: ReplayOptions) -> ExitCode:
    """Send the letters at these positions, or without positions the newest letter of every original that matches."""
    return asyncio.run(_replay(places, choice, manner))


def still_refused(letter: DeadLetter) -> StillRefused:
    """Build the verdict that a cause still holds."""
    match letter.reason:
        case PoisonReason.SOURCE_NOT_ALLOWED:
            said = "the source is still not in the catalog"
        case PoisonReason.TOO_LARGE:
            said = "it is still too large"
        case _:
            said = f"it would be refused again ({letter.reason})"
    return StillRefused(why=f"{said}: {letter.message}", may_differ=letter.reason in _MAY_DIFFER)


def identity(letter: Letter) -> bytes:
    """Hash the identity of a letter's original: equal for all letters of one original, and for no other."""
    first = letter.first
    if first is None or letter.marks is None:
        return letter.place.encode()
    place = f"{first.topic}:{first.partition}:{first.offset}:{first.timestamp_ms}:{letter.marks.shw_dlq_sha256}"
    return hashlib.sha256(place.encode()).digest()[:16]


async def _replay(places: Sequence[LetterPosition], choice: LetterFilter, manner: ReplayOptions) -> ExitCode:
    settings = read_settings()
    async with AsyncExitStack() as stack:
        prospects = await stack.enter_async_context(_open_prospects(settings, manner))
        letters = await stack.enter_async_context(open_dead_letters(settings.kafka))
        sender = None if manner.dry_run else await stack.enter_async_context(open_sender(settings.kafka))
        again = LetterReplay(settings.kafka, prospects, sender)
        if places:
            await again.take(_read_at(letters, tuple(dict.fromkeys(places)), again))
        else:
            await again.take(_read_newest(letters, choice, again))
        return again.end(choice, every=not places)


@dataclass(slots=True, kw_only=True)
class ReplayCounts:
    """Counts of the letters seen."""

    met: int = 0
    older: int = 0
    code: ExitCode = ExitCode.OK

    def worse(self, code: ExitCode) -> None:
        """Keep the worst exit code."""
        self.code = max(self.code, code)


@dataclass(frozen=True, slots=True)
class Prospects:
    """Predicts what would become of a record; without admission rules it predicts nothing."""

    failures_topic: str
    door: AdmissionRules | None
    pool: Pool | None
    foreign_topics: frozenset[str] = frozenset()
    """Topics that the catalog declares: a letter may go back there too."""

    async def of(self, records: Sequence[Outgoing]) -> list[Prospect]:
        """Predict the outcome of each record, in their order."""
        read = [self._decode(record) for record in records]
        failures = [one for one in read if isinstance(one, Failure)]
        if self.pool is None or not failures:
            return [_predict(one) for one in read]
        here = await organisations_there(self.pool, {one.org_id for one in failures})
        stored = await failures_there(self.pool, {one.id for one in failures})
        return [
            _predict_by_database(one, one.org_id in here, stored) if isinstance(one, Failure) else _predict(one)
            for one in read
        ]

    def _decode(self, record: Outgoing) -> Failure | DeadLetter | None:
        if self.door is None or record.topic not in (self.failures_topic, *self.door.catalog.topics):
            return None  # decoded by another reader
        now = datetime.now(UTC)
        sent = Record(
            topic=record.topic,
            partition=0,
            offset=0,
            timestamp_ms=int(now.timestamp() * 1000),
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
        event = as_event(sent, self.door.catalog.topics, self.door.max_event_bytes)
        return None if event is None else decode(event, self.door, now)


def _predict(read: Failure | DeadLetter | None) -> Prospect:
    match read:
        case DeadLetter():
            return still_refused(read)
        case Failure():
            return Sendable(failure_id=read.id)
        case None:
            return Sendable()
        case _:
            assert_never(read)


def _predict_by_database(failure: Failure, is_here: bool, stored: dict[FailureId, StoredFailure]) -> Prospect:
    there = stored.get(failure.id)
    if there is not None:
        return AcceptedAlready(failure_id=failure.id, there=there, same_content=there.digest == failure.digest)
    if not is_here:
        return StillRefused(why=f"organisation {failure.org_id} still does not exist")
    return Sendable(failure_id=failure.id)


@asynccontextmanager
async def _open_prospects(settings: Settings, manner: ReplayOptions) -> AsyncIterator[Prospects]:
    topic = settings.kafka.failures_topic
    if manner.force and settings.catalog is None and manner.catalog is None:
        yield Prospects(topic, None, None)
        return
    catalog = read_catalog(manner.catalog or settings.catalog)
    if manner.force:
        yield Prospects(topic, None, None, frozenset(catalog.topics))
        return
    door = AdmissionRules(catalog=catalog, max_event_bytes=settings.intake.max_event_bytes)
    async with AsyncExitStack() as stack:
        pool = None
        try:
            pool = await stack.enter_async_context(open_pool(settings.postgres, application="shw dlq replay"))
            await check_database(pool)
        except (ConfigError, TransientError) as error:
            pool = None
            say(f"Not checked: whether the organisations exist, and what was accepted already. {error}")
        yield Prospects(topic, door, pool, frozenset(catalog.topics))


@dataclass(slots=True)
class LetterReplay:
    """Sends letters back to the topics that this configuration reads."""

    kafka: KafkaSettings
    prospects: Prospects
    sender: ManualProducer | None
    counted: ReplayCounts = field(default_factory=ReplayCounts)
    _place_by_original: dict[bytes, str] = field(default_factory=dict)
    _checked_topics: set[str] = field(default_factory=set)

    async def take(self, letters: AsyncIterator[Letter]) -> None:
        """Send the letters that may be sent, in batches."""
        some: list[Letter] = []
        async for letter in letters:
            some.append(letter)
            if len(some) == _BATCH:
                await self._send(some)
                some = []
        await self._send(some)

    def end(self, choice: LetterFilter, *, every: bool) -> ExitCode:
        """Print the remaining messages, and return the exit code."""
        if every and self.counted.met == 0:
            say("No dead letter." if choice.is_any else "No dead letter is like that.")
        if self.counted.older:
            older = numbered(self.counted.older, "letter")
            say(f"Not sent: {older} of originals that have a newer one, or that came meanwhile.")
        return self.counted.code

    async def _send(self, letters: Sequence[Letter]) -> None:
        topics = frozenset((self.kafka.failures_topic, self.kafka.commands_topic, self.kafka.heartbeats_topic))
        topics |= self.prospects.foreign_topics
        records: list[tuple[Letter, Outgoing]] = []
        for letter in letters:
            self.counted.met += 1
            record = original(letter, topics)
            before = self._place_by_original.setdefault(identity(letter), letter.place)
            if isinstance(record, str):
                self._refuse(letter, record)
            elif before != letter.place:
                say(f"{letter.place} is not replayed: it is of the same original as {before}.")
            else:
                records.append((letter, record))
        prospects = await self.prospects.of([record for _, record in records])
        ready: list[tuple[Letter, Outgoing, FailureId | None]] = []
        for (letter, record), prospect in zip(records, prospects, strict=True):
            if isinstance(prospect, Sendable):
                ready.append((letter, record, prospect.failure_id))
            else:
                self._report(letter, prospect)
        await self._deliver(ready)

    def _report(self, letter: Letter, prospect: StillRefused | AcceptedAlready) -> None:
        """Print why a letter is not sent."""
        match prospect:
            case StillRefused(why=why, may_differ=may_differ):
                self._refuse(letter, f"{why}. --force sends it all the same" if may_differ else why)
            case AcceptedAlready(failure_id=failure_id, there=there, same_content=same):
                told = {"accepted_already": letter.place, "failure_id": str(failure_id), "status": there.status.value}
                print_json(told if same else told | {"other_content": True})
            case _:
                assert_never(prospect)

    def _refuse(self, letter: Letter, why: str) -> None:
        say(f"{letter.place} is not replayed: {why}.")
        self.counted.worse(ExitCode.NO)

    async def _deliver(self, ready: Sequence[tuple[Letter, Outgoing, FailureId | None]]) -> None:
        for topic in {record.topic for _, record, _ in ready} - self._checked_topics:
            await require_topic(self.kafka, topic)
            self._checked_topics.add(topic)
        if self.sender is None:
            for letter, record, failure_id in ready:
                known = {"failure_id": str(failure_id)} if failure_id is not None else {}
                print_json({"would_replay": letter.place, "topic": record.topic} | known)
            return
        outcomes = await self.sender.send([record for _, record, _ in ready])
        for (letter, _, _), outcome in zip(ready, outcomes, strict=True):
            match outcome:
                case Acknowledged(topic=topic, partition=partition, offset=offset):
                    print_json({"replayed": letter.place, "topic": topic, "partition": partition, "offset": offset})
                case NotAcknowledged(reason=reason):
                    say(f"{letter.place} was not acknowledged: {reason}. It may be there all the same.")
                    self.counted.worse(ExitCode.OUTSIDE)
                case _:
                    assert_never(outcome)


async def _read_at(
    letters: DeadLetters, places: Sequence[LetterPosition], again: LetterReplay
) -> AsyncIterator[Letter]:
    for place in places:
        found = await letters.at(place.partition, place.offset)
        if found is None:
            say(f"No dead letter at {place}: `shw dlq list` shows what there is.")
            again.counted.worse(ExitCode.NO)
        else:
            yield found


async def _read_newest(letters: DeadLetters, choice: LetterFilter, again: LetterReplay) -> AsyncIterator[Letter]:
    """Yield the newest letter of each original, which has its current state, if it matches the filter."""
    newest: dict[bytes, tuple[int, int, str]] = {}
    async for letter in letters.every():
        now = (letter.replayed, letter.record.timestamp_ms, letter.place)
        newest[identity(letter)] = max(now, newest.get(identity(letter), now))
    async for letter in letters.every():
        is_newest = newest.get(identity(letter), (0, 0, ""))[2] == letter.place
        if choice.holds(letter):
            if is_newest:
                yield letter
            else:
                again.counted.older += 1
