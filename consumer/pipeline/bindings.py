"""Keeps bindings of dependencies: this process's copy for its plans, and the probes of whatever is replaced.

While a dependency is replaced nothing is sent to it but the health call that the catalog declares, by one replica at a
time. Its answer goes to the binding's state machine, which renews the lease, sends a share back, or ends the binding.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol, runtime_checkable

import structlog

from consumer.catalog import Catalogs, WorkflowPolicy
from consumer.catalog.dependencies import Dependency
from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import wait_for_event
from consumer.heal.by_cause import ByCause
from consumer.heal.calls.request import origin
from consumer.heal.dependency_replacement.illness import Strikes
from consumer.heal.dependency_replacement.machine import first_probed, share_of
from consumer.heal.dependency_replacement.session import Decide, Named, candidate_origin
from consumer.heal.strategy import Strategies, Strategy
from consumer.metrics import Metrics
from consumer.model import Message, OrgId, OwnerId
from consumer.model.binding import NO_BINDINGS, REPLACED, Binding, BindingKey, Bindings, binding_scope
from consumer.pipeline.publish import Publisher
from consumer.results.bindings import binding_message
from consumer.results.events import Outlet
from consumer.store import bindings as store
from consumer.store.pool import Pool
from consumer.store.waiters import wake_for_room
from schemas.dependency_binding import BindingState
from schemas.names import StrategyName

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(milliseconds=200)
PROBES_AT_ONCE: Final = 16
PROBE_SPARE: Final = timedelta(seconds=2)
"""Beyond the timeout of a health call: after that another replica may probe."""
LONGEST_PROBE: Final = timedelta(seconds=10)
"""The longest timeout that a health call may have."""
WOKEN_AT_ONCE: Final = 4096
"""Failures of one gate that are due once a binding changes."""


@dataclass(slots=True, kw_only=True)
class BindingRecords:
    """The bindings of the fleet, in the database; and this process's copy of them."""

    pool: Pool
    catalogs: Catalogs
    outlet: Outlet
    metrics: Metrics
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when failures are due by a change."""
    untold: bool = False
    """Changes are in the outbox, and wait for a sweep."""
    _copy: dict[BindingKey, Binding] = field(default_factory=dict)

    @property
    def current(self) -> Bindings:
        """The copy, for plans."""
        return self._copy or NO_BINDINGS

    async def refresh(self) -> None:
        """Read all bindings anew, where the catalog declares any dependency, and wake whom no change has woken."""
        if any(policy.replaceable for policy in self.catalogs.current.workflows):
            self._copy = dict(await store.load_bindings(self.pool))
            # A change wakes all that wait by then. Whoever plans by a copy from before it comes to wait later.
            trials = await store.trials_over(self.pool)
            over: dict[str, int] = {binding_scope(*key): WOKEN_AT_ONCE for key in trials}
            if over and await wake_for_room(self.pool, over):
                self.wake.set()
            bound = sum(one.state is not BindingState.FIRST for one in self._copy.values())
            self.metrics.bindings_held.set(bound)

    async def find(self, org_id: OrgId, dependency: str) -> tuple[Binding | None, datetime]:
        """Return a binding as it stands, and the database's time."""
        binding, now = await store.find_binding(self.pool, org_id, dependency)
        self._note((org_id, dependency), binding)
        return binding, now

    async def change(self, of: Named, decide: Decide) -> Binding | None:
        """Change a binding by a rule, and publish it; raises TransientError."""
        key = (of.org_id, of.dependency)

        def follow(
            before: Binding | None, after: Binding, now: datetime
        ) -> tuple[Sequence[Message], Mapping[str, int]]:
            told = before is None or after.version != before.version
            message = binding_message(after, share_of(after, of.times), now, outlet=self.outlet)
            return ((message,) if told else ()), self._gates(before, after, of)

        before, after, woken = await store.change_binding(
            self.pool, key, of.siblings, decide, follow, of.times.probe_every
        )
        self._note(key, after)
        self.untold = True
        if after is not None and (before is None or before.state is not after.state):
            self.metrics.binding_changes[after.state].inc()
            log.info(
                "binding_changed",
                org_id=str(of.org_id),
                dependency=of.dependency,
                state=after.state,
                candidate=after.candidate,
                woken=woken,
            )
        if woken:
            self.wake.set()
        return after

    async def take_probe(self, of: Named, prober: str) -> bool:
        """Take the right to ask the first; False where somebody asks it just now."""
        return await store.take_probe(self.pool, (of.org_id, of.dependency), prober, LONGEST_PROBE + PROBE_SPARE)

    async def end_probe(self, of: Named, prober: str) -> None:
        """Give that right back."""
        await store.end_probe(self.pool, (of.org_id, of.dependency), prober, of.times.probe_every)

    async def strikes(self, org_id: OrgId, origins: Sequence[str]) -> Mapping[str, Strikes]:
        """Return the strikes at some places."""
        found = await store.place_strikes(self.pool, org_id, origins)
        return {
            place: Strikes(own=found[place].own, is_open=found[place].is_open, others=found[place].others)
            if place in found
            else Strikes()
            for place in origins
        }

    def _note(self, key: BindingKey, binding: Binding | None) -> None:
        if binding is not None:
            self._copy[key] = binding

    def _gates(self, before: Binding | None, after: Binding, of: Named) -> dict[str, int]:
        """Return what failures wait for that a change frees: the trial, and the breakers of the places."""
        was = None if before is None else (before.state, before.candidate, before.idle_until)
        if was == (after.state, after.candidate, after.idle_until) or after.state is BindingState.CANARY:
            return {}
        places = [*self._places(after, of), *(self._places(before, of) if before is not None else ())]
        keys = [f"dependency:{of.org_id}:{place}" for place in places]
        return dict.fromkeys((binding_scope(of.org_id, of.dependency), *keys), WOKEN_AT_ONCE)

    def _places(self, binding: Binding, of: Named) -> list[str]:
        policy = self.catalogs.current.policy(binding.workflow_name)
        dependency = policy.replaceable.get(of.dependency) if policy is not None else None
        if dependency is None:
            return []
        candidate = dependency.candidate(binding.candidate)
        return [origin(dependency.url)] + ([candidate_origin(candidate)] if candidate is not None else [])


@runtime_checkable
class AsksFirst(Strategy, Protocol):
    """The strategy, as far as it looks at the first."""

    async def is_well(self, org_id: OrgId, dependency: Dependency, policy: WorkflowPolicy) -> bool:
        """Return whether the declared health call finds the first well."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyWatch:
    """Probes the first of each binding, one replica at a time, until all is as it was."""

    records: BindingRecords
    asks: AsksFirst
    me: OwnerId
    publisher: Publisher

    async def run(self, ended: asyncio.Event) -> None:
        """Probe what is due until ended; while the database is away, go on later."""
        while not ended.is_set():
            try:
                await self.once()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("dependency_watch_failed", error=str(error)[:300])
            await wait_for_event(ended, LOOK_EVERY)

    async def once(self) -> None:
        """Publish what has changed, and make the probes that are due now."""
        if self.records.untold:
            self.records.untold = False
            await self.publisher.sweep_once()
        if not any(one.state is not BindingState.FIRST for one in self.records.current.values()):
            return
        due = await store.pick_probes(self.records.pool, self.me, LONGEST_PROBE + PROBE_SPARE, PROBES_AT_ONCE)
        async with asyncio.TaskGroup() as probes:
            for binding in due:
                probes.create_task(self._probe(binding))

    async def _probe(self, binding: Binding) -> None:
        key = (binding.org_id, binding.dependency)
        policy = self.records.catalogs.current.policy(binding.workflow_name)
        dependency = policy.replaceable.get(binding.dependency) if policy is not None else None
        if policy is None or dependency is None:
            # Its declaration is gone: nobody plans by it, and it lapses with its lease.
            await store.end_probe(self.records.pool, key, self.me, LONGEST_PROBE)
            return
        try:
            well = await self.asks.is_well(binding.org_id, dependency, policy)
            well = well and not await self._is_struck(binding, dependency)
            self.records.metrics.binding_probes[well].inc()
            await self._apply(binding, dependency, policy, well=well)
            await store.end_probe(self.records.pool, key, self.me, dependency.binding.probe_every)
        except (TransientError, RefusedByDatabase) as error:  # the next one is due once this one's time is over
            log.warning("dependency_watch_failed", error=str(error)[:300])
        except Exception:  # a strategy's bug in one probe must not stop the process
            log.exception("dependency_probe_crashed", dependency=binding.dependency)

    async def _is_struck(self, binding: Binding, dependency: Dependency) -> bool:
        """Return whether calls fail at the first that a share of them goes back to."""
        if binding.state in REPLACED:
            return False
        place = origin(dependency.url)
        return (await self.records.strikes(binding.org_id, (place,)))[place].own > 0

    async def _apply(self, probed: Binding, dependency: Dependency, policy: WorkflowPolicy, *, well: bool) -> None:
        times = dependency.binding

        def decide(before: Binding | None, _: int, now: datetime) -> Binding | None:
            return None if before is None else first_probed(before, well=well, times=times, now=now)

        named = Named(org_id=probed.org_id, dependency=probed.dependency, times=times, siblings=policy.dependencies)
        await self.records.change(named, decide)


def dependency_watch(
    records: BindingRecords | None, strategies: Strategies, me: OwnerId, publisher: Publisher
) -> DependencyWatch | None:
    """Return the watch of a process that can replace dependencies."""
    replacing = strategies.get(StrategyName.DEPENDENCY_REPLACEMENT)
    if isinstance(replacing, ByCause):
        replacing = replacing.others
    if records is None or not isinstance(replacing, AsksFirst):
        return None
    return DependencyWatch(records=records, asks=replacing, me=me, publisher=publisher)


def current_bindings(records: BindingRecords | None) -> Callable[[], Bindings]:
    """Return what tells a plan of bindings."""
    return (lambda: NO_BINDINGS) if records is None else (lambda: records.current)
