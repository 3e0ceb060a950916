"""What moves, told to all who watch: one look at the database a second for all of them, and none while nobody does.

A topic is some organisations, or one failure. The id of its moments is the digest of what is seen, the same in every
process: who comes back with one (`Last-Event-ID`) hears what followed, whatever replica answers, and who comes back
with one that is not kept any more is told to read anew. So nothing is missed without a word.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

import structlog

from consumer.api.moments import Moments
from consumer.errors import TransientError
from consumer.event_loop import wait_for_event
from consumer.model import FailureId, OrgId
from consumer.store.live import SeenState

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(seconds=1)
SOONEST: Final = timedelta(milliseconds=250)
"""Between two looks, however many come to watch something new."""
PER_VIEWER: Final = timedelta(milliseconds=4)
"""By which looks are further apart for each who watches: all together are told 250 times a second at most."""
REST: Final = 20
"""How much longer than a look took the next one waits: looking takes a twentieth of one connection at most."""
WITHOUT_DATABASE: Final = timedelta(seconds=5)
AT_ONCE: Final = 20
"""Viewers that are woken at once."""
PACE: Final = 0.02
"""Seconds between two such groups: whoever heals beside has the event loop in between."""
HEARTBEAT: Final = timedelta(seconds=15)
"""After which a comment is sent: a proxy keeps the connection, and a viewer who has gone is noticed."""
_BEAT: Final = b":\n\n"

Look: TypeAlias = Callable[[Sequence[OrgId], Sequence[FailureId]], Awaitable[Mapping[OrgId | FailureId, SeenState]]]


class Crowded(Exception):
    """As many watch as may: in all, of an organisation, or from an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What is watched: organisations, or one failure of them."""

    organisations: tuple[OrgId, ...]
    failure_id: FailureId | None = None

    @property
    def parts(self) -> tuple[OrgId | FailureId, ...]:
        """What is looked at."""
        return self.organisations if self.failure_id is None else (self.failure_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How many may watch."""

    most: int
    of_organisation: int
    of_address: int


@dataclass(eq=False, slots=True, kw_only=True)
class Viewer:
    """Somebody who watches a topic."""

    topic: Topic
    moments: Moments
    address: str
    until: float
    last: str | None
    """The newest moment of which it knows."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield what this viewer has to be told, until its time is over."""
        while True:
            self.moved.clear()
            self.last, told = self.moments.since(self.last)
            for event in told:
                yield event
            left = self.until - time.monotonic()
            if left <= 0:
                return
            within = min(HEARTBEAT, timedelta(seconds=left))
            if not await wait_for_event(self.moved, within) and within == HEARTBEAT:
                yield _BEAT


@dataclass(slots=True, kw_only=True)
class LiveViews:
    """All who watch, and the one task that looks for them."""

    look: Look
    limits: StreamLimits
    _viewers: dict[Viewer, None] = field(default_factory=dict)
    _moments: dict[Topic, Moments] = field(default_factory=dict)
    _looking: asyncio.Task[None] | None = None
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _is_closed: bool = False

    def __len__(self) -> int:
        """Return how many watch."""
        return len(self._viewers)

    @contextmanager
    def watch(self, topic: Topic, *, address: str, until: float, last: str | None) -> Iterator[Viewer]:
        """Have somebody watch a topic until the end of the block; Crowded where too many do."""
        self._check_room(topic, address)
        if (moments := self._moments.get(topic)) is None:
            moments = self._moments[topic] = Moments()
            self._wanted.set()
        viewer = Viewer(topic=topic, moments=moments, address=address, until=until, last=last)
        self._viewers[viewer] = None
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking(), name="live views")
        try:
            yield viewer
        finally:
            del self._viewers[viewer]
            if all(other.topic != topic for other in self._viewers):
                self._moments.pop(topic, None)

    def close(self) -> None:
        """Have every viewer's answer end: the process stops."""
        self._is_closed = True
        self._end_all()
        if self._looking is not None:
            self._looking.cancel()

    def _check_room(self, topic: Topic, address: str) -> None:
        by_organisation = Counter(org_id for viewer in self._viewers for org_id in viewer.topic.organisations)
        if (
            self._is_closed
            or len(self._viewers) >= self.limits.most
            or sum(viewer.address == address for viewer in self._viewers) >= self.limits.of_address
            or any(by_organisation[org_id] >= self.limits.of_organisation for org_id in topic.organisations)
        ):
            raise Crowded

    async def _keep_looking(self) -> None:
        """Look once a second for as long as somebody watches; at once for a topic that is new."""
        try:
            while self._viewers:
                self._wanted.clear()
                began = time.monotonic()
                pause = await self._look_once()
                took = timedelta(seconds=time.monotonic() - began)
                await self._rest(max(pause, took * REST))
        finally:
            if self._viewers and not self._is_closed:  # a mistake of the code: whoever watches asks again
                self._end_all()

    async def _look_once(self) -> timedelta:
        parts = {part for topic in self._moments for part in topic.parts}
        failures = {topic.failure_id for topic in self._moments if topic.failure_id is not None}
        organisations = sorted({OrgId(part) for part in parts - failures})
        try:
            found = await self.look(organisations, sorted(failures))
        except (TransientError, TimeoutError) as error:
            log.info("live_view_waits", error=type(error).__name__)
            return WITHOUT_DATABASE
        moved = {
            topic
            for topic, moments in tuple(self._moments.items())
            if parts.issuperset(topic.parts) and moments.add(found[part] for part in topic.parts if part in found)
        }
        await self._tell([viewer for viewer in self._viewers if viewer.topic in moved])
        return max(LOOK_EVERY, PER_VIEWER * len(self._viewers))

    async def _rest(self, pause: timedelta) -> None:
        """Wait for the next look; a topic that is new has one a quarter of a second after the last."""
        await asyncio.sleep(SOONEST.total_seconds())
        await wait_for_event(self._wanted, pause - SOONEST)

    async def _tell(self, viewers: Sequence[Viewer]) -> None:
        for start in range(0, len(viewers), AT_ONCE):
            for viewer in viewers[start : start + AT_ONCE]:
                viewer.moved.set()
            await asyncio.sleep(PACE)

    def _end_all(self) -> None:
        for viewer in self._viewers:
            viewer.until = 0.0
            viewer.moved.set()
