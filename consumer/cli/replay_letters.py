"""`shw dlq replay`: dead letters go back to where they came from, each original once, and only once its cause is gone.

A letter stays in its topic, and one that is refused again becomes another letter of the same original. So before
anything is sent it is asked what would become of it: the service's own `decode` reads it by the present catalog, and
the database says whether its organisation exists, and whether it was accepted already. `--force` asks nothing.
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

_AT_ONCE: Final = 50
"""Letters that are asked about, and sent, together."""
_MAY_DIFFER: Final = frozenset(
    (PoisonReason.SOURCE_NOT_ALLOWED, PoisonReason.TOO_LARGE, PoisonReason.UNKNOWN_VERSION, PoisonReason.UNSTORABLE)
)
"""Reasons that do not lie in a record's bytes alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How letters are sent."""

    force: bool = False
    """Ask neither catalog nor database."""
    dry_run: bool = False
    """Say what would be done, and do nothing."""
    catalog: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """Nothing stands against sending it; the failure that it would be, where that is known."""

    failure_id: FailureId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRefused:
    """It would become a dead letter again."""

    why: str
    may_differ: bool = True
    """Whether the running service may see it otherwise: its catalog, its limits, its version or its database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAlready:
    """It was sent again before, and accepted: there is nothing left to do."""

    failure_id: FailureId
    there: StoredFailure
    same_content: bool


Prospect: TypeAlias = Sendable | StillRefused | AcceptedAlready


def replay_letters(places: Sequence[LetterPosition], choice: LetterFilter, manner: ReplayOptions) -> ExitCode:
    """Send the letters at these places, or without places every original of the choice by its newest letter."""
    return asyncio.run(_replay(places, choice, manner))


def still_refused(letter: DeadLetter) -> StillRefused:
    """Say that a cause still holds."""
    match letter.reason:
        case PoisonReason.SOURCE_NOT_ALLOWED:
            said = "the source is still not in the catalog"
        case PoisonReason.TOO_LARGE:
            said = "it is still too large"
        case _:
            said = f"it would be refused again ({letter.reason})"
    return StillRefused(why=f"{said}: {letter.message}", may_differ=letter.reason in _MAY_DIFFER)


def identity(letter: Letter) -> bytes:
    """Name the original of a letter: all letters of it have the same, and no other letter has."""
    first = letter.first
    if first is None or letter.marks is None:
        return letter.place.encode()
    place = f"{first.topic}:{first.partition}:{first.offset}:{first.timestamp_ms}:{letter.marks.shw_dlq_sha256}"
    return hashlib.sha256(place.encode()).digest()[:16]


async def _replay(places: Sequence[LetterPosition], choice: LetterFilter, manner: ReplayOptions) -> ExitCode:
    settings = read_settings()
    async with AsyncExitStack() as stack:
        prospects = await stack.enter_async_context(_prospects(settings, manner))
        letters = await stack.enter_async_context(open_dead_letters(settings.kafka))
        sender = None if manner.dry_run else await stack.enter_async_context(open_sender(settings.kafka))
        again = LetterReplay(settings.kafka, prospects, sender)
        if places:
            await again.take(_at(letters, tuple(dict.fromkeys(places)), again))
        else:
            await again.take(_newest(letters, choice, again))
        return again.end(choice, every=not places)


@dataclass(slots=True, kw_only=True)
class ReplayCounts:
    """What became of the letters that were met."""

    met: int = 0
    older: int = 0
    code: ExitCode = ExitCode.OK

    def worse(self, code: ExitCode) -> None:
        """Remember the worst end."""
        self.code = max(self.code, code)


@dataclass(frozen=True, slots=True)
class Prospects:
    """Foretells what would become of a record; without a door it foretells nothing."""

    failures_topic: str
    door: AdmissionRules | None
    pool: Pool | None

    async def of(self, records: Sequence[Outgoing]) -> list[Prospect]:
        """Say of each record what would become of it, in their order."""
        read = [self._decoded(record) for record in records]
        failures = [one for one in read if isinstance(one, Failure)]
        if self.pool is None or not failures:
            return [_foretold(one) for one in read]
        here = await organisations_there(self.pool, {one.org_id for one in failures})
        stored = await failures_there(self.pool, {one.id for one in failures})
        return [
            _by_database(one, one.org_id in here, stored) if isinstance(one, Failure) else _foretold(one)
            for one in read
        ]

    def _decoded(self, record: Outgoing) -> Failure | DeadLetter | None:
        if self.door is None or record.topic != self.failures_topic:
            return None  # nothing reads the other topics yet
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
        return decode(sent, self.door, now)


def _foretold(read: Failure | DeadLetter | None) -> Prospect:
    match read:
        case DeadLetter():
            return still_refused(read)
        case Failure():
            return Sendable(failure_id=read.id)
        case None:
            return Sendable()
        case _:
            assert_never(read)


def _by_database(failure: Failure, is_here: bool, stored: dict[FailureId, StoredFailure]) -> Prospect:
    there = stored.get(failure.id)
    if there is not None:
        return AcceptedAlready(failure_id=failure.id, there=there, same_content=there.digest == failure.digest)
    if not is_here:
        return StillRefused(why=f"organisation {failure.org_id} still does not exist")
    return Sendable(failure_id=failure.id)


@asynccontextmanager
async def _prospects(settings: Settings, manner: ReplayOptions) -> AsyncIterator[Prospects]:
    topic = settings.kafka.failures_topic
    if manner.force:
        yield Prospects(topic, None, None)
        return
    catalog = read_catalog(manner.catalog or settings.catalog)
    door = AdmissionRules(catalog=catalog, max_event_bytes=settings.intake.max_event_bytes)
    async with AsyncExitStack() as stack:
        pool = None
        try:
            pool = await stack.enter_async_context(open_pool(settings.postgres, application="shw dlq replay"))
            await check_database(pool)
        except (ConfigError, TransientError) as error:
            pool = None
            say(f"Not checked: whether the organisations exist, and what was accepted already. {error}")
        yield Prospects(topic, door, pool)


@dataclass(slots=True)
class LetterReplay:
    """Sends letters back to the topics that this configuration reads."""

    kafka: KafkaSettings
    prospects: Prospects
    sender: ManualProducer | None
    counted: ReplayCounts = field(default_factory=ReplayCounts)
    _sent: dict[bytes, str] = field(default_factory=dict)
    _there: set[str] = field(default_factory=set)

    async def take(self, letters: AsyncIterator[Letter]) -> None:
        """Send what may be sent, some letters at a time."""
        some: list[Letter] = []
        async for letter in letters:
            some.append(letter)
            if len(some) == _AT_ONCE:
                await self._send(some)
                some = []
        await self._send(some)

    def end(self, choice: LetterFilter, *, every: bool) -> ExitCode:
        """Tell what is left to be told."""
        if every and self.counted.met == 0:
            say("No dead letter." if choice.is_any else "No dead letter is like that.")
        if self.counted.older:
            older = numbered(self.counted.older, "letter")
            say(f"Not sent: {older} of originals that have a newer one, or that came meanwhile.")
        return self.counted.code

    async def _send(self, letters: Sequence[Letter]) -> None:
        topics = frozenset((self.kafka.failures_topic, self.kafka.commands_topic, self.kafka.heartbeats_topic))
        records: list[tuple[Letter, Outgoing]] = []
        for letter in letters:
            self.counted.met += 1
            record = original(letter, topics)
            before = self._sent.setdefault(identity(letter), letter.place)
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
                self._tell(letter, prospect)
        await self._deliver(ready)

    def _tell(self, letter: Letter, prospect: StillRefused | AcceptedAlready) -> None:
        """Say why a letter is not sent."""
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
        for topic in {record.topic for _, record, _ in ready} - self._there:
            await require_topic(self.kafka, topic)
            self._there.add(topic)
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


async def _at(letters: DeadLetters, places: Sequence[LetterPosition], again: LetterReplay) -> AsyncIterator[Letter]:
    for place in places:
        found = await letters.at(place.partition, place.offset)
        if found is None:
            say(f"No dead letter at {place}: `shw dlq list` shows what there is.")
            again.counted.worse(ExitCode.NO)
        else:
            yield found


async def _newest(letters: DeadLetters, choice: LetterFilter, again: LetterReplay) -> AsyncIterator[Letter]:
    """Give of each original its newest letter, which says where it stands, if it is chosen."""
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
