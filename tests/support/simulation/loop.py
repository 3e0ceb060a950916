"""Virtual time: an event loop for each simulated process, and one order in which everything happens."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count
from random import Random
from typing import Any, Final
from weakref import WeakKeyDictionary

EPOCH: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The wall clock when a simulation begins."""
TURN: Final = 1e-6
"""Seconds that one turn of a loop takes."""
LOOK: Final = 1e-8
"""Seconds that one look at a clock takes."""
AT_ONCE: Final = 500
"""Callbacks that one turn may take."""
SPINS: Final = 20_000
"""Turns of a loop, or looks at a clock, in one instant: only who is busy waiting needs as many."""


class Spinning(AssertionError):
    """A process turns and turns, and time does not pass."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """One process's event loop: it turns when it is told to, and its time is the simulation's."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = count()
        self.faults: list[dict[str, Any]] = []
        self.tasks: WeakKeyDictionary[asyncio.Task[Any], None] = WeakKeyDictionary()  # in the order of their beginning

    def due(self) -> float | None:
        """Give the time of what is to be done next; None when nothing is."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if self._ready:
            return self._now()
        return self._timers[0][0] if self._timers else None

    def turn(self) -> None:
        """Do what is ready now, and what becomes ready by it, in order; a loop that never rests gives way."""
        while self._timers and self._timers[0][0] <= self._now():
            self._ready.append(heapq.heappop(self._timers)[2])
        asyncio._set_running_loop(self)  # noqa: SLF001 - made for event loops, which this is
        try:
            for _ in range(AT_ONCE):
                if not self._ready:
                    break
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()  # noqa: SLF001 - as every loop does
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001

    def time(self) -> float:
        return self._now()

    def call_soon(  # type: ignore[override]  # the typeshed's is generic
        self,
        callback: Any,  # noqa: ANN401 - asyncio's own signature
        *args: Any,  # noqa: ANN401
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Any,  # noqa: ANN401 - asyncio's own signature
        *args: Any,  # noqa: ANN401
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Any,  # noqa: ANN401 - asyncio's own signature
        *args: Any,  # noqa: ANN401
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._number), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Be told of a cancelled timer: it is passed over when its time comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Any,  # noqa: ANN401 - asyncio's own signature
        *,
        name: object = None,
        context: Context | None = None,
    ) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=str(name) if name else None, context=context)
        self.tasks[task] = None
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(context)


class Timeline:
    """The simulation's clock, its dice, and what outside the processes is going to happen."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.dice = Random(seed)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._turns = 0

    def after(self, span: float, happens: Callable[[], None]) -> None:
        """Let something happen once so much time has passed."""
        heapq.heappush(self._queue, (self.now + span, next(self._number), happens))

    def between(self, low: float, high: float) -> float:
        """Roll a span."""
        return self.dice.uniform(low, high)

    def chance(self, share: float) -> bool:
        """Roll whether something happens."""
        return self.dice.random() < share

    def due(self) -> float | None:
        """Give the time of what happens next outside the processes."""
        return self._queue[0][0] if self._queue else None

    def happen(self) -> None:
        """Let the next thing happen."""
        heapq.heappop(self._queue)[2]()

    def advance(self, to: float) -> None:
        """Let time pass, a little at least: no turn of a loop is free. Raise Spinning when it hardly does."""
        self._turns = 0 if to > self.now + TURN else self._turns + 1
        self.now = max(self.now + TURN, to)
        if self._turns > SPINS:
            raise Spinning(f"at {self.now:.3f} s a process turns, and waits for nothing")


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class Watch:
    """The clocks of the process that runs now, in place of the modules `time` and `datetime`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.skew = timedelta(0)
        """How far the present process's wall clock is off."""
        self.offset = 0.0
        """Where its monotonic clock began."""
        self.looks = 0
        """How often it has been looked at in this turn."""
        watch = self

        class Now(datetime, metaclass=_AnyDatetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one
                return watch.wall().astimezone(tz)

        self.datetime = Now

    def wall(self) -> datetime:
        """Give the wall clock as the process reads it."""
        return EPOCH + timedelta(seconds=self._timeline.now) + self.skew

    def monotonic(self) -> float:
        """Stand in for `time.monotonic`; who looks again and again waits for time to pass, and does not let it."""
        self.looks += 1
        if self.looks > SPINS:
            raise Spinning(f"at {self._timeline.now:.3f} s a process blocks its loop")
        self._timeline.now += LOOK
        return self._timeline.now + self.offset

    def time(self) -> float:
        """Stand in for `time.time`."""
        return self.wall().timestamp()

    perf_counter = monotonic
