"""The strategy for billing out of step: plans by the account, then reads, applies, and compares until both agree."""

from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.catalog.billing import StripeAccount, account_of
from consumer.heal.billing_sync.book import BillingBook
from consumer.heal.billing_sync.described import DescribedWire
from consumer.heal.billing_sync.ending import conclude, stopped, tell
from consumer.heal.billing_sync.reading import read_events, seconds
from consumer.heal.billing_sync.reconciling import compare_sums
from consumer.heal.billing_sync.report import edits_of, of_state
from consumer.heal.billing_sync.session import BillingSession, CannotGoOn, WindowOver
from consumer.heal.billing_sync.state import SyncState
from consumer.heal.billing_sync.stripe import StripeWire
from consumer.heal.calls.request import origin
from consumer.heal.calls.session import CallTools
from consumer.heal.kept import SUSPEND_ABOVE, HealState, Kept, Suspended
from consumer.heal.refusals import hopeless
from consumer.heal.strategy import EffectGate, Task
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
from consumer.model.billing_event import MarkState
from consumer.model.digest import digest
from schemas.names import Code, Effect, StrategyName

WINDOW: Final = timedelta(minutes=5)
_LONGEST_SUSPENSION: Final = timedelta(days=2)
CHECKS: Final = 3
"""How often sums that differ are read again before they count."""
MOST_READINGS: Final = 20
"""Whole readings of which each finds more: then events go missing faster than they are applied."""
_UNDECLARED: Final = (
    "the catalog's entry {name!r} has no billing account for this organisation: declare it under `billing`"
)


class BillingSync:
    """Brings a billing account of the platform into step with its processor, to the last minor unit."""

    fields: tuple[str, ...] = ()
    oracles = ("sums", "second reading")

    def __init__(self, tools: CallTools, book: BillingBook) -> None:
        self._tools = tools
        self._book = book

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.DEPENDENCY_REPLACEMENT

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states that it reads."""
        return (SyncState,)

    @property
    def longest_suspension(self) -> timedelta:
        """Time after which an account that cannot be read is left to a person."""
        return _LONGEST_SUSPENSION

    def needs(self, failure: Failure) -> tuple[str, ...]:  # noqa: ARG002 - as every rung
        """Return none: the catalog says all that it reads, and an event cannot widen it."""
        return ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why an account must not be brought into step, or None."""
        if reason := hopeless(diagnosis):
            return reason
        if account_of(policy.accounts, failure.org_id) is None:
            return _UNDECLARED.format(name=policy.name)
        return None

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:  # noqa: ARG002 - as every rung
        """Return nothing: its calls go to the account's own sides."""
        return MicroAud(0)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent: its scope is the account, and each of its effects has its event's id for a key."""
        found = account_of(policy.accounts, failure.org_id)
        if found is None:
            raise TypeError("only a failure with a declared account is planned")
        name, account = found
        places = {origin(one.url) for one in account.platform.templates}
        where = origin(account.address)
        return Intent(
            scope=Scope(f"{failure.org_id}:billing:{digest([name, account.address])[:32]}"),
            effect=Effect.KEYED,
            window=WINDOW,
            reads_back=True,
            dependency=where,
            others=tuple(sorted(places - {where})),
        )

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Read what was not delivered, apply it, and compare the sums of both sides."""
        if (over := self._tools.budget.wait_to_begin(task.failure)) is not None:
            return RetryLater(after=over[0], reason=over[1])
        began = SyncState(began=seconds(self._tools.now()))
        return await self._run(self._session(task, gate, began))

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Go on from the cursor; what was applied is in the book."""
        session = self._session(task, gate, _state_of(kept))
        if isinstance(session, BillingSession):
            session.has_kept = True
        return await self._run(session)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """End: a person has decided. What was applied is as the processor has it, and stays."""
        session = self._session(task, gate, _state_of(kept))
        said = "a person has decided meanwhile: nothing more is applied"
        if isinstance(session, Refused):
            return NotHealed(code=Code.DENIED, reason=said)
        await tell(session, None)
        return session.not_healed(Code.DENIED, said)

    def too_long(self, task: Task, kept: Kept) -> Outcome:  # noqa: ARG002 - as every lasting strategy
        """Return that the account could not be read to its end."""
        state = _state_of(kept)
        reason = f"the account was not read to its end in {_LONGEST_SUSPENSION.days} days"
        return NotHealed(code=Code.NOT_HEALED, reason=reason, details={"billing": {"readings": state.readings}})

    async def _run(self, session: BillingSession | Refused) -> Outcome | Suspended:
        if isinstance(session, Refused):
            return session
        try:
            return await _bring_into_step(session)
        except WindowOver:
            return Suspended(state=session.state, look_again=timedelta(0), reason="the account is read further")
        except CannotGoOn as why:
            return await stopped(session, why)

    def _session(self, task: Task, gate: EffectGate, state: SyncState) -> BillingSession | Refused:
        failure, policy = task.failure, task.policy
        if (found := account_of(policy.accounts, failure.org_id)) is None:
            return Refused(code=Code.REFUSED, reason=_UNDECLARED.format(name=policy.name))
        name, account = found
        org_id = failure.org_id
        wire = StripeWire(account, org_id) if isinstance(account, StripeAccount) else DescribedWire(account, org_id)
        return BillingSession(
            task=task,
            gate=gate,
            pause=self._tools.sleep,
            tools=self._tools,
            name=name,
            account=account,
            wire=wire,
            book=self._book,
            state=state,
        )


async def _bring_into_step(session: BillingSession) -> Outcome | Suspended:
    """Read until a whole reading finds nothing more, then compare; differences are read again before they count."""
    while True:
        await read_events(session)
        state = session.state
        if state.fresh and state.readings < MOST_READINGS:
            await session.keep(fresh=0, unreadable=0)
            continue
        if not state.released and await _is_released_now(session):
            await session.keep(released=True, fresh=0, unreadable=0)
            continue
        sums = await compare_sums(session)
        if sums.is_equal or state.checks >= CHECKS:
            return conclude(session, await tell(session, sums), sums)
        await session.keep(checks=state.checks + 1, fresh=0, unreadable=0)
        if session.account.settle > SUSPEND_ABOVE:
            reason = "the sums differ, and are read again: either side may write beside"
            return Suspended(state=session.state, look_again=session.account.settle, reason=reason)
        await session.sleep(session.account.settle)


async def _is_released_now(session: BillingSession) -> bool:
    """Return whether a person has said yes to exactly the events that are held."""
    approval = session.task.plan.approval
    if approval is None or approval.edits is None:
        return False
    held = of_state(await session.marks(), MarkState.HELD)
    return bool(held) and digest(edits_of(session.name, held)) == approval.edits


def _state_of(kept: Kept) -> SyncState:
    if not isinstance(kept.state, SyncState):
        raise TypeError(f"not a state of billing: {type(kept.state).__name__}")
    return kept.state
