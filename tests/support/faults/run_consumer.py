"""A consumer that sends itself a signal at a named boundary: what a crash or a stop at that very moment does.

`ACT_AT` is one of `BOUNDARIES`, or `*` for any of them with the probability `ACT_CHANCE` (drawn from
`ACT_SEED`) until the file `ACT_CALM` is there.
`ACT_PATH` and `ACT_NTH` choose an effect by the beginning of its request's path, and a boundary by its number.
`ACT_WINDOW` is the claim's window in seconds, in place of the strategy's own. Each signal is noted in `ACT_FAULTS`
before it is sent. What waits for ten seconds in production waits for one here, unless there is `ACT_PATIENT`.
`ACT_SUSPENDS` is the wait in seconds above which a strategy suspends its heal.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, ParamSpec, TypeVar
from unittest.mock import patch
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from consumer import logs
from consumer.catalog import Catalogs, DeclaredAction, WorkflowPolicy
from consumer.generators.configured import CurrentGenerators
from consumer.heal.auto_regenerate.strategy import AutoRegenerate
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.billing_sync.strategy import BillingSync
from consumer.heal.deep_agent.strategy import DeepAgent
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.route_repair.strategy import RouteRepair
from consumer.heal.schema_autofix.strategy import SchemaAutofix
from consumer.heal.strategy import EffectGate, LastingStrategy, Strategies, Strategy, Task
from consumer.kafka.reader import Reader
from consumer.kafka.writer import Writer
from consumer.media.worker_pool import media_worker_pool
from consumer.media_store.configured import CurrentMediaStores
from consumer.metrics import Metrics
from consumer.model import ActionName, Diagnosis, Failure, Intent, MicroAud, Outcome, Partition, Record
from consumer.model.call import CallResult, OutboundRequest
from consumer.model.definition_watch import DefinitionWatch
from consumer.outbound.calls import OutboundCalls, open_calls
from consumer.pipeline import intake, resume, settle, suspend
from consumer.pipeline.definitions import DefinitionRecords, RollsBack
from consumer.pipeline.heartbeats import Heartbeats
from consumer.pipeline.publish import Publisher
from consumer.pipeline.stalls import StallRounds
from consumer.plan.rung import Rung, TakesActions
from consumer.redact import redact_json
from consumer.repair.worker_pool import repair_worker_pool
from consumer.results.events import Outlet
from consumer.runners.configured import ConfiguredRunners
from consumer.service.app import run
from consumer.service.catalog_file import read_catalog
from consumer.service.strategies import stored_definitions
from consumer.settings import Settings, read_settings
from consumer.store import definition_watches, definitions, due, leases, live_runs
from consumer.store import intake as stored_intake
from consumer.store import settle as stored_settle
from consumer.store.agent_budget import StoredTokenBudgets
from consumer.store.billing_events import StoredBillingBook
from consumer.store.definitions import StoredRegistry
from consumer.store.made_assets import StoredMadeAssets
from consumer.store.pool import Connection, Pool, open_pool, transaction
from consumer.store.rewrite_rules import StoredRules
from consumer.store.rewrites import StoredRewrites
from consumer.store.suspended import GoneOn, SuspendResult
from schemas.names import Effect, StrategyName
from tests.support.worlds.jobs import HttpJobs, Orders

P = ParamSpec("P")
R = TypeVar("R")

SOON: Final = timedelta(seconds=1)
IN_EFFECT: Final = 0.1
"""Seconds after an effect began: its target takes longer."""

AFTER: Final[Mapping[str, tuple[object, str]]] = {
    "polled": (Reader, "poll"),
    "in intake": (stored_intake, "admit"),
    "intake": (intake, "take_in"),
    "picked": (due, "pick"),
    "in start": (due, "admit"),
    "start": (due, "start"),
    "taken over": (leases, "read_inherited"),  # of its own commit, or later where that commit's answer was lost
    "in settle": (stored_settle, "settle_holds"),
    "settle": (settle, "settle"),
    "published": (Writer, "send"),
}
"""The function that has just done it, where it is called; in a transaction: its last statement, before the COMMIT."""
EFFECTS: Final = ("asked", "before", "during", "after")
"""Of one effect: its beginning asked for, then allowed, then under way; and the end of its heal, not yet settled.

Of a call that is marked as an effect also `answered`: its answer is there, and nothing came of it yet.
"""
BOUNDARIES: Final = (*AFTER, *EFFECTS, "committing", "committed")
AFTER_OF_JOBS: Final[Mapping[str, tuple[object, str]]] = {
    "suspended": (suspend, "suspend"),
    "gone on": (resume, "take_due"),
}
"""Of heals that last, where `ACT_JOBS` names the server that does their jobs; `ACT_EFFECT` is how it takes an order."""
AFTER_OF_DEFINITIONS: Final[Mapping[str, tuple[object, str]]] = {
    "opened": (definition_watches, "open_watch"),
    "put": (StoredRegistry, "put"),
    "changed": (definition_watches, "change_watch"),
}
"""Of a definition that is put in force or taken back: watch opened, the registry given a version, watch changed.

`in put` is before the COMMIT of what the registry is given.
"""
AFTER_OF_HEARTBEATS: Final[Mapping[str, tuple[object, str]]] = {
    "beats kept": (live_runs, "keep_beats"),
    "silence looked at": (StallRounds, "_look"),
    "in telling": (live_runs, "put"),
    "stall told": (live_runs, "tell_stall"),
}
"""Of runs that fall silent. `beats polled` is before anything of a poll is kept; the offsets are `committing` too."""


@dataclass(slots=True, kw_only=True)
class Act:
    """When to send which signal to oneself."""

    at: str = os.environ.get("ACT_AT", "")
    number: signal.Signals = signal.Signals[os.environ.get("ACT_SIGNAL", "SIGKILL")]
    path: str = os.environ.get("ACT_PATH", "/")
    nth: int = int(os.environ.get("ACT_NTH", "1"))
    window: float = float(os.environ.get("ACT_WINDOW", "0"))
    chance: float = float(os.environ.get("ACT_CHANCE", "0"))
    calm: str = os.environ.get("ACT_CALM", "")
    dice: Random = field(default_factory=lambda: Random(os.environ.get("ACT_SEED", "0")))
    faults: str = os.environ.get("ACT_FAULTS", "")
    crossed: int = 0

    def cross(self, boundary: str, failure: Failure | None = None) -> None:
        if self.at == "*" and self.dice.random() < self.chance and not Path(self.calm).exists():
            self.act(boundary, self.dice.choice((signal.SIGKILL, signal.SIGSTOP)))
        if boundary != self.at or (failure is not None and not _path(failure).startswith(self.path)):
            return
        self.crossed += 1
        if self.crossed == self.nth:
            self.act(boundary, self.number)

    def act(self, boundary: str, number: signal.Signals) -> None:
        if self.faults:
            with Path(self.faults).open("a") as noted:
                noted.write(f"{number.name} {boundary}\n")
        os.kill(os.getpid(), number)


def _path(failure: Failure) -> str:
    request, asset = failure.context.get("request"), failure.context.get("asset")
    if "workflow" in failure.context:
        return f"/workflows/{failure.workflow_name}"
    if isinstance(asset, dict):
        return f"/assets/{asset['id']}"
    return urlsplit(str(request["url"])).path if isinstance(request, dict) else ""


_TAG: Final[ContextVar[tuple[tuple[str, str], ...]]] = ContextVar("tag", default=())


@dataclass(frozen=True, slots=True)
class Tagging:
    """Calls whose target is told which claim makes them, and until when that claim may."""

    inner: OutboundCalls

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        return self.inner.refusal(request, policy)

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        tagged = replace(request, headers=(*request.headers, *_TAG.get()))
        return await self.inner.send(tagged, policy, within=within, max_bytes=max_bytes)


@dataclass(frozen=True, slots=True)
class ActingGate:
    gate: EffectGate
    act: Act
    failure: Failure

    async def begin(self) -> None:
        self.act.cross("asked", self.failure)
        await self.gate.begin()
        self.act.cross("before", self.failure)
        if self.act.at in ("during", "*"):
            asyncio.get_running_loop().call_later(IN_EFFECT, self.act.cross, "during", self.failure)

    async def keep(self, state: HealState) -> None:
        self.act.cross("keeping", self.failure)
        await self.gate.keep(state)
        self.act.cross("kept", self.failure)

    def unsent(self) -> None:
        self.gate.unsent()

    def charge(self, amount: MicroAud) -> None:
        self.gate.charge(amount)

    def cover(self, amount: MicroAud) -> None:
        self.gate.cover(amount)

    def remaining(self) -> timedelta:
        return self.gate.remaining()


@dataclass(frozen=True, slots=True)
class Acting:
    """A strategy with the boundaries of its effects watched."""

    inner: LastingStrategy
    act: Act = field(default_factory=Act)

    @property
    def name(self) -> StrategyName:
        return self.inner.name

    @property
    def fields(self) -> tuple[str, ...]:
        return self.inner.fields

    @property
    def oracles(self) -> tuple[str, ...]:
        return self.inner.oracles

    @property
    def states(self) -> tuple[type[HealState], ...]:
        return self.inner.states

    @property
    def longest_suspension(self) -> timedelta:
        return self.inner.longest_suspension

    def needs(self, failure: Failure) -> tuple[str, ...]:
        return self.inner.needs(failure)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        return self.inner.refusal(failure, diagnosis, policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        intent = self.inner.intent(failure, policy)
        return replace(intent, window=timedelta(seconds=self.act.window)) if self.act.window else intent

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:
        return self.inner.estimate(failure, policy)

    def of_action(self, name: ActionName, action: DeclaredAction) -> Rung:
        if not isinstance(self.inner, TakesActions):
            raise TypeError(f"{self.name} carries no action out")
        return self.inner.of_action(name, action)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        _tag(task, gate)
        outcome = await self.inner.heal(task, ActingGate(gate, self.act, task.failure))
        self.act.cross("after", task.failure)
        return outcome

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        _tag(task, gate)
        self.act.cross("going on", task.failure)
        ended = await self.inner.go_on(task, ActingGate(gate, self.act, task.failure), kept)
        self.act.cross("looked", task.failure)
        return ended

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        return await self.inner.cancel(task, gate, kept)

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        return self.inner.too_long(task, kept)


@dataclass(frozen=True, slots=True)
class ActingRewrite(Acting):
    """The strategy that rewrites: it takes back what was put in force, too."""

    async def roll_back(self, watch: DefinitionWatch, policy: WorkflowPolicy) -> DefinitionWatch | str:
        self.act.cross("rolling back")
        if not isinstance(self.inner, RollsBack):
            raise TypeError(f"{self.name} takes no definition back")
        return await self.inner.roll_back(watch, policy)


def _tag(task: Task, gate: EffectGate) -> None:
    """Let the targets of a heal's calls know which claim makes them, and until when it may."""
    deadline = time.monotonic() + gate.remaining().total_seconds()
    tag = {"failure": task.failure.id, "attempt": task.attempt_id, "process": os.getpid(), "deadline": deadline}
    _TAG.set(tuple((f"x-{name}", str(value)) for name, value in tag.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingOrders(Orders):
    """A strategy whose jobs last, with the boundaries of its orders, looks and kept states watched."""

    act: Act

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        return await Orders.heal(self, task, ActingGate(gate, self.act, task.failure))

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        self.act.cross("going on", task.failure)
        ended = await Orders.go_on(self, task, ActingGate(gate, self.act, task.failure), kept)
        self.act.cross("looked", task.failure)
        return ended


def acting_orders(act: Act) -> Strategies:
    """Give the strategy whose jobs `ACT_JOBS` does."""
    return {
        StrategyName.AUTO_RETRY: ActingOrders(
            jobs=HttpJobs(os.environ["ACT_JOBS"]),
            kind=Effect(os.environ["ACT_EFFECT"]),
            every=SOON,
            window=timedelta(seconds=act.window or 30),
            act=act,
        )
    }


@asynccontextmanager
async def acting_strategies(settings: Settings, act: Act) -> AsyncIterator[Strategies]:
    """Give the installed strategies with their boundaries watched, and the calls of the first tagged."""
    catalog = read_catalog(settings.catalog)
    async with (
        open_calls(catalog.secrets, connections=settings.heal.slots) as calls,
        repair_worker_pool() as room,
        media_worker_pool() as media,
        open_pool(settings.postgres) as pool,
    ):
        catalogs = Catalogs(catalog)
        regenerate = AutoRegenerate(
            generators=CurrentGenerators(catalogs, calls),
            media=media,
            stores=CurrentMediaStores(catalogs, calls),
            made=StoredMadeAssets(pool),
            redact=redact_json,
        )
        runners = ConfiguredRunners(catalog.runners, calls)
        watches = DefinitionRecords(pool=pool, outlet=Outlet.of(settings.kafka), metrics=Metrics(CollectorRegistry()))
        agent = DeepAgent(
            calls=calls,
            ledger=StoredTokenBudgets(pool),
            rewrites=StoredRewrites(pool),
            redact=redact_json,
            runners=runners,
            definitions=stored_definitions(pool, runners, watches),
            learnt=StoredRules(pool),
        )
        autofix = SchemaAutofix(runners, room, redact_json)
        billing = BillingSync(AutoRetry(calls, redact_json).tools, StoredBillingBook(pool))
        strategies: dict[StrategyName, Strategy] = {
            StrategyName.AUTO_RETRY: Acting(AutoRetry(Tagging(calls), redact_json), act),
            StrategyName.AUTO_REGENERATE: Acting(regenerate, act),
            StrategyName.SCHEMA_AUTOFIX: Acting(autofix, act),
            StrategyName.ROUTE_REPAIR: Acting(RouteRepair(runners, calls, redact_json), act),
            StrategyName.DEPENDENCY_REPLACEMENT: Acting(billing, act),
        }
        if any(entry.agent is not None for entry in catalog.workflows):
            strategies[StrategyName.WORKFLOW_REWRITE] = ActingRewrite(agent, act)
        yield strategies


def absorbing(act: Act) -> Callable[[Heartbeats, Sequence[Record]], None]:
    """Cross a boundary once the beats of a poll are in memory."""
    absorb = Heartbeats.absorb

    def and_then(heartbeats: Heartbeats, records: Sequence[Record]) -> None:
        absorb(heartbeats, records)
        act.cross("beats polled")

    return and_then


def then(
    done: Callable[P, Awaitable[R]], act: Act, boundary: str, *, always: bool = False
) -> Callable[P, Awaitable[R]]:
    """Cross a boundary once something is done; what found nothing to do crosses none, unless `always`."""

    async def and_then(*args: P.args, **kwargs: P.kwargs) -> R:
        result = await done(*args, **kwargs)
        if always or boundary.startswith("in ") or _did(result):
            act.cross(boundary)
        return result

    return and_then


def _did(result: object) -> bool:
    match result:
        case due.Picked():
            return bool(result.failures)
        case GoneOn():
            return bool(result.inherited)
        case SuspendResult():
            return bool(result.mine)
        case _:
            return bool(result)


def committing(act: Act) -> Callable[..., Awaitable[bool]]:
    """Cross a boundary before offsets are committed, and after."""
    commit = Reader.commit

    async def and_then(reader: Reader, offsets: Mapping[Partition, int], within: timedelta) -> bool:
        act.cross("committing")
        taken = await commit(reader, offsets, within)
        act.cross("committed")
        return taken

    return and_then


def committing_put(act: Act) -> Callable[[Pool], AbstractAsyncContextManager[Connection]]:
    """Cross a boundary before what the registry is given is committed."""

    @asynccontextmanager
    async def around(pool: Pool) -> AsyncIterator[Connection]:
        async with transaction(pool) as connection:
            yield connection
            act.cross("in put")

    return around


def answering(act: Act) -> Callable[..., Awaitable[CallResult]]:
    """Cross a boundary once the answer to an effect is there."""
    send = OutboundCalls.send

    async def and_then(calls: OutboundCalls, request: OutboundRequest, *args: Any, **more: Any) -> CallResult:  # noqa: ANN401
        result = await send(calls, request, *args, **more)
        if request.effect:
            act.cross("answered")
        return result

    return and_then


@asynccontextmanager
async def impatient() -> AsyncIterator[None]:
    """Let what is left over be looked for after a second, and a second settlement be worth it for two heals."""
    with (
        patch("consumer.pipeline.settle.BATCH_TARGET", 2),
        patch.object(Publisher.sweep_once, "__defaults__", (SOON,)),
        patch("consumer.service.loops.SWEEP_EVERY", SOON / 2),
        patch("consumer.pipeline.resume.ORPHANED_AFTER", SOON),
    ):
        yield


def watched(act: Act) -> ExitStack:
    """Watch every boundary that lies between the stages."""
    stack = ExitStack()
    for boundary, (home, name) in ({**AFTER, **AFTER_OF_JOBS, **AFTER_OF_DEFINITIONS}).items():
        stack.enter_context(patch.object(home, name, then(getattr(home, name), act, boundary)))
    for boundary, (home, name) in AFTER_OF_HEARTBEATS.items():
        stack.enter_context(patch.object(home, name, then(getattr(home, name), act, boundary, always=True)))
    stack.enter_context(patch.object(Heartbeats, "absorb", absorbing(act)))
    stack.enter_context(patch.object(Reader, "commit", committing(act)))
    stack.enter_context(patch.object(OutboundCalls, "send", answering(act)))
    stack.enter_context(patch.object(definitions, "transaction", committing_put(act)))
    return stack


async def main() -> None:
    settings, act = read_settings(), Act()
    logs.configure("debug")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with watched(act):
        async with AsyncExitStack() as stack:
            if not os.environ.get("ACT_PATIENT"):
                await stack.enter_async_context(impatient())
            if (above := os.environ.get("ACT_SUSPENDS")) is not None:
                for looking in ("calls.read_back", "runs.watching"):
                    wait = timedelta(seconds=float(above))
                    stack.enter_context(patch(f"consumer.heal.{looking}.SUSPEND_ABOVE", wait))
            if "ACT_JOBS" in os.environ:
                strategies = acting_orders(act)
            else:
                strategies = await stack.enter_async_context(acting_strategies(settings, act))
            await run(settings, stop, strategies=strategies)


if __name__ == "__main__":
    asyncio.run(main())
