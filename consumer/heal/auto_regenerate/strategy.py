"""The auto-regenerate strategy: planning (refusal, intent, estimate), and the steps of a heal in their order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.generators.contract import Generator, Generators
from consumer.heal.auto_regenerate import rules
from consumer.heal.auto_regenerate.jobs import cancel_job, watch_job
from consumer.heal.auto_regenerate.look import check_store, look_first
from consumer.heal.auto_regenerate.making import go_on_making, make
from consumer.heal.auto_regenerate.placing import go_on_placing
from consumer.heal.auto_regenerate.ports import AssetStores, MadeAssets, MediaWorkers
from consumer.heal.auto_regenerate.relink import relink
from consumer.heal.auto_regenerate.session import RegenerateSession, RegenerateTools
from consumer.heal.auto_regenerate.state import MakeState, Stage, details_of
from consumer.heal.digest import digest
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.refusals import missing_context
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.media.installed import missing_libraries
from consumer.model import (
    Diagnosis,
    Failure,
    Intent,
    MicroAud,
    NotHealed,
    Outcome,
    Refused,
    RetryLater,
    Scope,
)
from schemas.asset import AssetContext
from schemas.context import asset_of
from schemas.names import Code, Effect, StrategyName

_LONGEST_SUSPENSION = timedelta(hours=8)
"""Above the longest job that a catalog may allow: no process was there to look."""
_LOOK_AGAIN = timedelta(seconds=30)
_GO_ON: Final[Mapping[Stage, Callable[[RegenerateSession, MakeState], Awaitable[Outcome | Suspended]]]] = {
    "waits": watch_job,
    "stored": go_on_placing,
    "placed": go_on_placing,
}
"""How a heal goes on after its stage; after all others with the next call."""


class AutoRegenerate:
    """Makes an image or a voice again, stores it, and points its address at it. Sleep and the clock are injected."""

    fields = rules.FIELDS
    oracles = ("asset",)

    def __init__(
        self,
        *,
        generators: Generators,
        media: MediaWorkers,
        stores: AssetStores,
        made: MadeAssets,
        redact: Redact,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tools = RegenerateTools(
            generators=generators,
            media=media,
            stores=stores,
            made=made,
            redact=redact,
            sleep=sleep,
            now=now,
        )

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.AUTO_REGENERATE

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states that it reads."""
        return (MakeState,)

    @property
    def longest_suspension(self) -> timedelta:
        """Time after which a job at which nobody could look is counted as paid, and lost."""
        return _LONGEST_SUSPENSION

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent or unusable context fields; none where redaction is the cause: `refusal` reports that."""
        return () if rules.redacted_part(failure) else rules.missing(failure.context)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why the asset must not be made again, or None."""
        return (
            rules.redacted_part(failure) or rules.hopeless(failure, diagnosis) or self._making_refusal(failure, policy)
        )

    def _making_refusal(self, failure: Failure, policy: WorkflowPolicy) -> str | None:
        asset = asset_of(failure.context)
        if not isinstance(asset, AssetContext):
            return "context.asset: does not say what is to be made"
        if missing := missing_libraries():
            return missing
        if not policy.generators:
            return f"the catalog's entry {policy.name!r} names no generators: nothing can make it"
        if refused := self._place_refusal(failure, asset, policy):
            return refused
        return None if self._usable(failure, asset, policy) else self._unusable(failure, asset, policy)

    def _place_refusal(self, failure: Failure, asset: AssetContext, policy: WorkflowPolicy) -> str | None:
        store = self._tools.stores.of(policy)
        if store is None:
            return f"the catalog's entry {policy.name!r} names no media_store: what is made could not be kept"
        ref = rules.ref_of(failure, asset)
        if refused := store.refusal(ref, policy):
            return refused
        if asset.url is None or rules.is_same_address(asset.url, store.served_at(ref)):
            return None
        return (
            "context.asset.url: not where the media store of the catalog serves this asset: what would be put there "
            "would not be seen here"
        )

    def _usable(self, failure: Failure, asset: AssetContext, policy: WorkflowPolicy) -> tuple[Generator, ...]:
        """Return the generators that can make it; the one that the event names first, where the catalog lists it."""
        order = rules.order_of(failure, asset)
        able = [one for one in self._tools.generators.of(policy) if one.refusal(order, policy) is None]
        priced = [one for one in able if one.most(order) is not None] or able
        return tuple(sorted(priced, key=lambda one: one.name != asset.generator))

    def _unusable(self, failure: Failure, asset: AssetContext, policy: WorkflowPolicy) -> str:
        order, generators = rules.order_of(failure, asset), self._tools.generators.of(policy)
        return "; ".join(f"{one.name}: {one.refusal(order, policy)}" for one in generators)[:600]

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:
        """Return the most that its calls may cost; None where no generator that can make it has a price."""
        asset = asset_of(failure.context)
        if not isinstance(asset, AssetContext):
            return None
        return rules.held(self._usable(failure, asset, policy), rules.order_of(failure, asset), policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent to make it: its scope is the asset's address, on which no other heal may act meanwhile.

        It counts as keyed also where the generator has no key: each call is kept on the claim before it begins, and
        what it makes is known by the content address of its order.
        """
        asset, store = asset_of(failure.context), self._tools.stores.of(policy)
        if not isinstance(asset, AssetContext) or store is None:
            raise TypeError("only a failure with a usable asset, and a store for it, is planned")
        usable, order = self._usable(failure, asset, policy), rules.order_of(failure, asset)
        address = store.served_at(rules.ref_of(failure, asset))
        own = usable[0].dependency() if len(usable) == 1 else None
        return Intent(
            scope=Scope(f"{failure.org_id}:asset:{digest(address)}"),
            effect=Effect.KEYED,
            window=rules.window(usable, policy),
            idempotency_key=rules.key_of(rules.generation_of(order, usable[0]), failure.lifetime_attempts),
            reads_back=True,
            dependency=own,
            others=tuple(origin for origin in store.origins().each if origin != own),
            fault_digest=rules.fault_digest(order, address),
            pays_from=rules.budget_of(order),
        )

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Look whether it is there, relink what was made before, else make it, put it there, and read it back."""
        session = self._session(task, gate)
        if isinstance(session, Refused):
            return session
        looked = await look_first(session) or await check_store(session)
        return looked or await relink(session) or await make(session)

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Go on from where it stood: whatever came meanwhile is looked at before anything more is paid."""
        state, session = _state_of(kept), self._session(task, gate)
        if isinstance(session, Refused):
            return _lost(task, kept, session.reason)
        session.restore(state, kept)
        seen = await look_first(session) if state.stage != "placed" else None
        if isinstance(seen, RetryLater):
            # What was paid would be forgotten.
            return Suspended(state=state, look_again=max(seen.after, _LOOK_AGAIN), reason=seen.reason)
        if seen is not None:
            return _with_loss(seen, session, state, kept)
        return await _GO_ON.get(state.stage, go_on_making)(session, state)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """Take a job back: a person has decided against it. What was paid is settled."""
        state, session = _state_of(kept), self._session(task, gate)
        if isinstance(session, Refused):
            return _lost(task, kept, session.reason, Code.DENIED)
        session.restore(state, kept)
        said = "a person has decided meanwhile: nothing more is made"
        generator = session.generator(state.generator)
        if state.stage == "waits" and state.job_id is not None and generator is not None:
            said = f"{said}; its job: {await cancel_job(session, generator, state.job_id)}"
            session.lose(generator.most(session.order) or 0)
        elif state.stage == "calls" and kept.begun and generator is not None:
            session.lose(generator.most(session.order) or 0)
        return session.failed(Code.DENIED, said)

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """Return that it was not made in time; what a call or a job may have cost counts as paid."""
        return _lost(task, kept, "it was not made in time")

    def _session(self, task: Task, gate: EffectGate) -> RegenerateSession | Refused:
        failure, policy = task.failure, task.policy
        if missing := self.needs(failure):
            return missing_context(missing)
        if forbidden := rules.redacted_part(failure) or self._making_refusal(failure, policy):
            return Refused(code=Code.REFUSED, reason=forbidden)
        asset, store = asset_of(failure.context), self._tools.stores.of(policy)
        if not isinstance(asset, AssetContext) or store is None:
            raise TypeError("what is not forbidden is complete")
        return RegenerateSession(
            tools=self._tools,
            task=task,
            gate=gate,
            pause=self._tools.sleep,
            asset=asset,
            ref=rules.ref_of(failure, asset),
            store=store,
            order=rules.order_of(failure, asset),
            expected=rules.expectation_of(asset, policy),
            usable=self._usable(failure, asset, policy),
        )


def _state_of(kept: Kept) -> MakeState:
    if not isinstance(kept.state, MakeState):
        raise TypeError(f"not a state of auto-regenerate: {type(kept.state).__name__}")
    return kept.state


def _with_loss(ended: Outcome, session: RegenerateSession, state: MakeState, kept: Kept) -> Outcome:
    """Settle an asset that is there by now although a call, or a job, had been under way: it counts as paid."""
    generator = session.generator(state.generator)
    under_way = state.stage == "waits" or (state.stage == "calls" and kept.begun)
    if not under_way or generator is None:
        return ended
    session.lose(generator.most(session.order) or 0)
    session.note(generator, "lost", "it was there before its answer came; it counts as paid")
    match ended:
        case NotHealed():
            return session.failed(ended.code, ended.reason)
        case Refused():
            return session.refused(ended.reason)
        case _:
            return session.healed(getattr(ended, "proofs", ()))


def _lost(task: Task, kept: Kept, why: str, code: Code = Code.NOT_HEALED) -> NotHealed:
    """Return the end of a heal that cannot go on: a call or job that may be under way counts with all that is held.

    What was paid before is told already, with the state.
    """
    state = _state_of(kept)
    paid = max(state.spent + state.in_doubt, kept.charged)
    under_way = state.stage in ("calls", "waits")
    spent = max(0, task.plan.hold - paid) if under_way else 0
    return NotHealed(code=code, reason=why, details=details_of(state), spent=MicroAud(spent))
