"""A deterministic simulation: the consumer's own code, unchanged, on virtual time between a model broker and a store.

Every process is `consumer.service.app.run` on a loop of its own. What is put in its place is only what touches the
outside: clocks, dice, the statements of `consumer/store`, the Kafka client, the strategies.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import random
from types import ModuleType
from typing import Any, Final, TypeVar
from unittest.mock import patch

from prometheus_client import CollectorRegistry

import consumer.service.app
from consumer.catalog import parse_catalog
from consumer.errors import ConfigError, TransientError
from consumer.flow_control.dependencies import Dependencies
from consumer.flow_control.slots import HealSlots
from consumer.ingest import liveness
from consumer.kafka.group import group_answers
from consumer.kafka.reader import Listener, open_reader
from consumer.kafka.writer import open_writer
from consumer.model import OrgId, OwnerId, Partition
from consumer.pipeline.bulk import BulkRunner
from consumer.service import loops, memory
from consumer.service.memory import calm_collector, return_freed_memory
from consumer.service.runner_watches import open_watches
from consumer.service.startup_checks import allow_open_files, check_broker, check_client, check_database
from consumer.settings import HealSettings, IntakeSettings, ResumeSettings, Settings
from consumer.store.pool import open_pool
from schemas.names import StrategyName
from tests.support.simulation.broker import ModelBroker, ModelReader, ModelWriter, open_model_reader
from tests.support.simulation.loop import Timeline, VirtualLoop, Watch
from tests.support.simulation.orders import Mail, Supervisor, model_of_transactions
from tests.support.simulation.statements import STATEMENTS, Line, Weather
from tests.support.simulation.store import ModelStore
from tests.support.simulation.world import Acts, World

Resource = TypeVar("Resource")

SELDOM: Final = timedelta(seconds=10)
"""How often a loop looks at itself, whose only end is to be seen from outside."""
SETTINGS: Final = Settings(
    intake=IntakeSettings(max_rows=4, max_wait=timedelta(seconds=2)),
    heal=HealSettings(slots=4, lease=timedelta(seconds=6), waiter_retry=timedelta(seconds=30)),
    resume=ResumeSettings(interval=timedelta(seconds=3), batch=20, per_organisation=5),
)
CATALOG: Final = parse_catalog("""
version: 1
sources: [{source: '*', organisations: '*'}]
runners: {engine: {kind: airflow, api: 'http://127.0.0.1:1'}}
workflows:
- name: orders.run
  runner: engine
  attempts: 4
  backoff: PT2S
  backoff_cap: PT20S
  ladders: {api_timeout: [auto-retry, dependency-replacement]}
  rungs: {auto-retry: {attempts: 2}}
- name: orders.asked
  attempts: 4
  backoff: PT2S
  backoff_cap: PT20S
  ladders: {api_timeout: [auto-retry, dependency-replacement]}
  rungs: {auto-retry: {attempts: 2}}
  approval: {strategies: [auto-retry], valid_for: PT20S, asks: 2, on_expiry: deny}
- name: '*'
  attempts: 4
  backoff: PT2S
  backoff_cap: PT20S
  ladders: {api_timeout: [auto-retry, dependency-replacement]}
  rungs: {auto-retry: {attempts: 2}}
""")
RUNGS: Final = (StrategyName.AUTO_RETRY, StrategyName.DEPENDENCY_REPLACEMENT)
QUIET_WITHIN: Final = 1200.0
"""Seconds after the last fault within which everything has to have ended: leases, windows and back-offs, many times."""


@dataclass(slots=True, kw_only=True, eq=False)
class Machine:
    """One replica: its loop, its clocks, and whether it is alive, stopped, or gone."""

    number: int
    skew: timedelta
    offset: float
    lives: int = 0
    loop: VirtualLoop | None = None
    task: "asyncio.Task[None] | None" = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: bool = False
    alive: bool = False
    back_after: float = 5.0
    mail: Mail = field(default_factory=Mail)
    """Commands on their way to it, whatever becomes of its lives."""
    dependencies: Dependencies | None = None
    """What its present life knows of the dependencies of its heals."""
    heals: HealSlots | None = None
    """The heals of its present life that it has begun, or that are not settled yet."""

    @property
    def owner(self) -> OwnerId:
        """The name of its present life."""
        return OwnerId(f"m{self.number}.{self.lives}")

    def due(self) -> float | None:
        """Give when it has something to do; a stopped one does nothing, and time passes it by."""
        return self.loop.due() if self.loop is not None and not self.stopped else None


class Journal:
    """The processes' own log, kept: it tells what happened when a promise is broken."""

    def __init__(self, timeline: Timeline, speaker: Callable[[], str]) -> None:
        self._timeline = timeline
        self._speaker = speaker
        self.lines: list[str] = []
        self.crashes: list[str] = []

    def note(self, event: str, **fields: object) -> None:
        """Write a line."""
        told = " ".join(f"{name}={str(value)[:90]}" for name, value in fields.items())
        self.lines.append(f"{self._timeline.now:9.3f} {self._speaker():5} {event} {told}")

    debug = info = warning = error = note

    def exception(self, event: str, **fields: object) -> None:
        """Write a line, and why; a bug of ours is kept apart."""
        self.note(event, **fields, why=repr(sys.exc_info()[1]))
        if event != "strategy_crashed":
            self.crashes.append(self.lines[-1])


class Simulation:
    """Machines, a broker, a store and a world on one timeline, and the order in which they act."""

    def __init__(self, seed: int, machines: int, partitions: int, budgets: Mapping[OrgId, int | None]) -> None:
        self.timeline = timeline = Timeline(seed)
        self.store = ModelStore(lambda: timeline.now, timeline.dice, budgets)
        topic = SETTINGS.kafka.failures_topic
        self.broker = ModelBroker(timeline=timeline, partitions=tuple(Partition(topic, n) for n in range(partitions)))
        self.world = World(timeline=timeline, store=self.store)
        self.weather = Weather()
        self.supervisor = Supervisor()
        self.watch = Watch(timeline)
        self.current: Machine | None = None
        self.journal = Journal(timeline, lambda: self.current.owner if self.current else "")
        self.machines = [
            Machine(
                number=number,
                skew=timedelta(seconds=timeline.between(-3, 3)),
                offset=timeline.between(0, 1e6),
            )
            for number in range(machines)
        ]
        self.on_transaction: Callable[[], None] = lambda: None

    # the machines

    def start(self, machine: Machine) -> None:
        """Begin a new life."""
        if machine.alive:
            return
        machine.lives += 1
        machine.alive, machine.stopped, machine.stop = True, False, asyncio.Event()
        machine.loop = VirtualLoop(lambda: self.timeline.now)  # type: ignore[abstract]  # the rest is never asked for
        strategies = {name: Acts(world=self.world, owner=machine.owner, name=name) for name in RUNGS}
        life = consumer.service.app.run(SETTINGS, machine.stop, strategies=strategies, registry=CollectorRegistry())
        machine.task = machine.loop.create_task(life)

    def crash(self, machine: Machine) -> None:
        """End a life at once: nothing of it says anything any more."""
        if machine.alive and machine.loop is not None and machine.task is not None:
            machine.alive = machine.stopped = False
            self._bury(machine, machine.loop, machine.task)
            machine.loop = None

    def _bury(self, machine: Machine, loop: VirtualLoop, task: "asyncio.Task[None]") -> None:
        # The coroutines have to be unwound somehow; what they say in dying goes nowhere.
        task.cancel()
        self._unwind(machine, loop, task)
        # Whatever a test has put beside it too: a later test would have to.
        left = [one for one in loop.tasks if not one.done() and one is not task]
        for one in left:
            one.cancel()
        for one in left:
            self._unwind(machine, loop, one)
        if not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - it was killed
        elif not task.cancelled():
            task.exception()

    def _unwind(self, machine: Machine, loop: VirtualLoop, task: "asyncio.Task[Any]") -> None:
        for _ in range(1000):
            if task.done() or loop.due() != self.timeline.now:
                break
            self._turn(machine, loop)

    def say_stop(self, machine: Machine, back_after: float) -> None:
        """Ask a machine to stop cleanly; so long after it has ended it is started anew."""
        if machine.alive and machine.loop is not None:
            machine.back_after = back_after
            machine.loop.call_soon(machine.stop.set)

    def _turn(self, machine: Machine, loop: VirtualLoop) -> None:
        self.current, self.watch.skew, self.watch.offset = machine, machine.skew, machine.offset
        self.watch.looks = 0
        try:
            loop.turn()
        finally:
            self.current = None

    def _act(self, machine: Machine) -> None:
        loop, task = machine.loop, machine.task
        if loop is None or task is None:
            return
        self._turn(machine, loop)
        if loop.faults:
            raise AssertionError(f"{machine.owner}: {loop.faults}")
        if task.done():
            machine.alive, machine.loop = False, None
            self._look_at_death(machine, task)

    def _look_at_death(self, machine: Machine, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is None and machine.stop.is_set():
            self.timeline.after(machine.back_after, lambda: self.start(machine))
            return
        if error is None or not all(isinstance(one, TransientError | ConfigError) for one in _leaves(error)):
            raise AssertionError(f"{machine.owner} died of a fault of its own: {error!r}") from error
        # Without its database a process does not even begin: its supervisor tries again.
        self.journal.note("died", machine=machine.owner, why=repr(error))
        self.timeline.after(5, lambda: self.start(machine))

    # time

    def run_until(self, until: float, over: Callable[[], bool] = lambda: False) -> bool:
        """Let everything happen in its order until a time, or until it is over; gives whether it is."""
        checked = self.timeline.now
        while True:
            at, machine = self._next(until)
            self.timeline.advance(min(at, until))
            if self.timeline.now >= until:
                return over()
            if machine is not None:
                self._act(machine)
            else:
                self.timeline.happen()
            for broken in (*self.world.broken, *self.journal.crashes):
                raise AssertionError(broken)
            if self.timeline.now - checked >= 1:
                checked = self.timeline.now
                self.broker.tick()
                if over():
                    return True

    def _next(self, until: float) -> tuple[float, Machine | None]:
        """Give when something is to be done next, and by which machine; None: by the world outside."""
        outside = self.timeline.due()
        at, who = (until if outside is None else outside), None
        for machine in self.machines:
            due = machine.due()
            if due is not None and due < at:
                at, who = due, machine
        return at, who

    def close(self) -> None:
        """End all lives."""
        for machine in self.machines:
            self.crash(machine)

    # in the place of what touches the outside

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put the models in the place of clocks, dice, statements and clients, in every module of the product."""
        places = self._places()
        put_back: list[tuple[ModuleType, str, Any]] = []
        try:
            for module in [m for name, m in sys.modules.items() if name.partition(".")[0] == "consumer"]:
                for name, value in list(vars(module).items()):
                    model = self.journal if name == "log" and hasattr(value, "warning") else places.get(id(value))
                    if model is not None:
                        put_back.append((module, name, value))
                        setattr(module, name, model)
            # Else no scenario is large enough for two settlements at once.
            with patch("consumer.pipeline.settle.BATCH_TARGET", 2), patch.object(BulkRunner, "run", self._obeying()):
                yield
        finally:
            for module, name, value in reversed(put_back):
                setattr(module, name, value)

    def _places(self) -> dict[int, Any]:
        clocks = {id(time): self.watch, id(datetime): self.watch.datetime, id(random): self.timeline.dice.random}
        start: dict[int, Any] = {
            id(consumer.service.app.new_owner): lambda: self._now_running().owner,
            id(consumer.service.catalog_file.read_catalog): lambda _: CATALOG,
            id(open_pool): self._open_pool,
            id(check_broker): _answers,
            id(check_database): _answers,
            id(check_client): _nothing,
            id(allow_open_files): _nothing,
            id(calm_collector): _nothing,  # slow, and the test's process is not ours
            id(return_freed_memory): _nothing,
            id(open_watches): lambda *_: _given(_no_watches),
            id(open_reader): self._open_reader,
            id(open_writer): lambda *_: _given(ModelWriter(self.broker)),
            id(group_answers): self._group_answers,
            id(Dependencies): self._dependencies,
            id(HealSlots): self._heal_slots,
            id(loops.TICK): SELDOM,
            id(memory.TRIM_EVERY): SELDOM,
            id(liveness.LOOK_EVERY): SELDOM,
        }
        models = {id(real): model for real, model in STATEMENTS.items()}
        return {**clocks, **start, **models, **model_of_transactions(self.supervisor)}

    def _obeying(self) -> Callable[[BulkRunner, asyncio.Event], Awaitable[None]]:
        async def obey(runner: BulkRunner, stop: asyncio.Event) -> None:
            await self.supervisor.obey(runner, self._now_running().mail, stop)

        return obey

    def send(self, machine: Machine, record: bytes, after: float) -> None:
        """Let a command come to a machine, after so long."""
        self.supervisor.on_the_way += 1

        def arrives() -> None:
            self.supervisor.on_the_way -= 1
            machine.mail.waiting.append(record)

        self.timeline.after(after, arrives)

    def _now_running(self) -> Machine:
        assert self.current is not None
        return self.current

    def _dependencies(self, first: int) -> Dependencies:
        machine = self._now_running()
        machine.dependencies = Dependencies(first)
        return machine.dependencies

    def _heal_slots(self, slots: int, *, resume_share: float, organisation_share: float) -> HealSlots:
        machine = self._now_running()
        machine.heals = HealSlots(slots, resume_share=resume_share, organisation_share=organisation_share)
        return machine.heals

    def _open_pool(self, *_: object, **__: object) -> AbstractAsyncContextManager[Line]:
        return _given(
            Line(
                timeline=self.timeline,
                weather=self.weather,
                store=self.store,
                on_transaction=lambda: self.on_transaction(),  # noqa: PLW0108 - it is set later
            )
        )

    async def _group_answers(self, _: object) -> bool:
        return not self.broker.is_down

    def _open_reader(self, _: object, __: object, listener: Listener) -> AbstractAsyncContextManager[ModelReader]:
        machine = self._now_running()
        life = machine.lives
        return open_model_reader(self.broker, listener, lambda: machine.alive and machine.lives == life)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]


@asynccontextmanager
async def _given(value: Resource) -> AsyncIterator[Resource]:
    yield value


def _no_watches(_: object) -> None:
    """Watch no engine: there is none here."""


async def _answers(*_: object, **__: object) -> None:
    return None


def _nothing(*_: object) -> None:
    return None
