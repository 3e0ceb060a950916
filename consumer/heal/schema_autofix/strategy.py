"""The schema-autofix strategy: planning (refusal, intent, estimate), and the steps of a heal in their order."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from consumer.catalog import WorkflowPolicy
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.refusals import missing_context
from consumer.heal.runs.again import Begun, may_begin_again
from consumer.heal.runs.first_look import check_run_first
from consumer.heal.runs.ordering import claim_effect
from consumer.heal.runs.rerun import order_key, rerun_step, run_ref
from consumer.heal.runs.run_watch import FailedAgain, Proven, WatchResult
from consumer.heal.runs.watching import (
    LONGEST_SUSPENSION,
    Ordered,
    WatchState,
    look_once,
    outcome_if_unseen,
    outcome_of_watch,
    restore,
    watch_on,
)
from consumer.heal.schema_autofix import rules
from consumer.heal.schema_autofix.payload_repair import RepairedPayload, repair_payload
from consumer.heal.schema_autofix.session import RepairSession, RepairTools, RepairWorkers
from consumer.heal.schema_check.check import SchemaCheck, lone_schema_check, too_large
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.model import (
    Diagnosis,
    Failure,
    Healed,
    Intent,
    JsonObject,
    MicroAud,
    Outcome,
    Refused,
    Scope,
)
from consumer.runners.contract import Payload, RerunStep, Runners, RunState
from schemas.context import RunContext, run_of
from schemas.names import Code, Effect, StrategyName

_FREE = MicroAud(0)


class SchemaAutofix:
    """Repairs the payload that a step refused, and has the run's engine rerun that step with it.

    Sleep and the clocks are injected: `monotonic` returns seconds, `now` an aware time.
    """

    fields = rules.FIELDS
    oracles = ("run",)

    def __init__(
        self,
        runners: Runners,
        workers: RepairWorkers,
        redact: Redact,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        schemas: SchemaCheck | None = None,
    ) -> None:
        self._tools = RepairTools(
            runners=runners,
            workers=workers,
            schemas=schemas or lone_schema_check(),
            redact=redact,
            sleep=sleep,
            monotonic=monotonic,
            now=now,
        )

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states that it reads."""
        return (WatchState,)

    @property
    def longest_suspension(self) -> timedelta:
        """Time after which a run at which nobody could look is left in doubt."""
        return LONGEST_SUSPENSION

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.SCHEMA_AUTOFIX

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent or unusable context fields; none where redaction is the cause: `refusal` reports that."""
        return () if rules.redacted_part(failure) else rules.missing(failure.context)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why the payload must not be repaired, or its step must not be rerun; None where both are allowed."""
        return rules.redacted_part(failure) or rules.hopeless(diagnosis) or self._order_refusal(failure, policy)

    def _order_refusal(self, failure: Failure, policy: WorkflowPolicy) -> str | None:
        order = _order(failure)
        if order is None:
            return "context.run: does not say which step of which run is to be run again"
        schema = rules.schema_for(failure, order.run.step or "", policy)
        if schema is None:
            return (
                f"no schema for the payload of step {order.run.step!r}: declare it in the catalog under "
                "schema_autofix.schemas, or send context.schema"
            )
        if too_large(schema):
            return "context.schema is too large: send a schema below 256 KiB"
        runner = self._tools.runners.of(policy)
        if runner is None:
            return f"the catalog's entry {policy.name!r} names no runner: nothing can run the step again"
        return runner.refusal(order, policy)

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:  # noqa: ARG002 - the contract's
        """Return a price of zero: attempts of this strategy are free."""
        return _FREE

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent to rerun the step: its scope is the run, on which no other heal may act meanwhile."""
        order, runner = _order(failure), self._tools.runners.of(policy)
        if order is None or runner is None:
            raise TypeError("only a failure with a usable run, and a runner for it, is planned")
        effect = claim_effect(runner.effect(order))
        schema = rules.schema_for(failure, order.run.step or "", policy)
        return Intent(
            scope=Scope(f"{failure.org_id}:run:{order.run.run_id}"),
            effect=effect,
            window=rules.window(policy.schema_autofix),
            idempotency_key=order_key(failure, "rerun") if effect is Effect.KEYED else None,
            reads_back=True,
            dependency=runner.dependency(),
            fault_digest=rules.fault_digest(order.run, failure.context.get("payload"), schema),
        )

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Repair the payload, prove the repair, look at the run, rerun its step, and watch until it is proven."""
        session = self._session(task, gate)
        if isinstance(session, Refused):
            return session
        mended = await repair_payload(session)
        if not isinstance(mended, RepairedPayload):
            return mended
        before = await check_run_first(session)
        if not isinstance(before, RunState):
            return before
        if why := self._rule(session):
            return Refused(code=Code.NEEDS_PERSON, reason=why, details=session.details)
        outcome = await rerun_step(session, Payload(document=mended.document), before, mended.proofs)
        return replace(outcome, drift=mended.drift) if isinstance(outcome, Healed) else outcome

    def _rule(self, session: RepairSession) -> str | None:
        """Return why the step must not be begun again, or None: with another input, for it refused the one it had."""
        step = session.run.step or ""
        return may_begin_again(step, session.policy.rule_of(step), Begun.REFUSED_INPUT)

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Watch the run on; once that is over, repair the payload again, for what is told of the repair."""
        state, session = _state_of(kept), self._session(task, gate)
        if isinstance(session, Refused):
            return outcome_if_unseen(task, state, session.reason)
        ordered = restore(session, state)
        sight, later = await watch_on(session, ordered)
        return later or await self._end(session, ordered, sight)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """Look at the run once more: what was ordered of an engine cannot be taken back."""
        state, session = _state_of(kept), self._session(task, gate)
        decided = "a person has decided meanwhile, and the order cannot be taken back"
        if isinstance(session, Refused):
            return outcome_if_unseen(task, state, decided)
        ordered = restore(session, state)
        sight = await look_once(session, ordered)
        if isinstance(sight, Proven | FailedAgain):
            return await self._end(session, ordered, sight)
        return outcome_if_unseen(task, state, f"{decided}: {sight.why}")

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """Return that nobody knows how the run went on."""
        return outcome_if_unseen(task, _state_of(kept), "how the run went on could not be seen in time")

    async def _end(self, session: RepairSession, ordered: Ordered, sight: WatchResult) -> Outcome:
        # A schema that has changed meanwhile takes the proofs of the repair away, and not that of the run.
        mended = await repair_payload(session)
        proofs, drift = (mended.proofs, mended.drift) if isinstance(mended, RepairedPayload) else ((), ())
        outcome = outcome_of_watch(session, sight, proofs, in_doubt=ordered.in_doubt)
        return replace(outcome, drift=drift) if isinstance(outcome, Healed) else outcome

    async def changes_refusal(self, failure: Failure, changes: JsonObject, policy: WorkflowPolicy) -> str | None:
        """Return why an edited payload cannot be sent: it has to follow its schema as it is."""
        if changes.keys() != {"payload"}:
            return 'only another payload can be given: {"payload": ...}'
        order = _order(failure)
        schema = None if order is None else rules.schema_for(failure, order.run.step or "", policy)
        if schema is None:
            return "no schema for the payload: nothing tells whether it may be sent"
        found, detail = await self._tools.schemas.valid(schema, changes["payload"], failure.org_id)
        return None if found == "passed" else f"the payload does not follow its schema: {detail}"

    def _session(self, task: Task, gate: EffectGate) -> RepairSession | Refused:
        failure, policy = task.failure, task.policy
        if missing := self.needs(failure):
            return missing_context(missing)
        if forbidden := rules.redacted_part(failure) or self._order_refusal(failure, policy):
            return Refused(code=Code.REFUSED, reason=forbidden)
        order, runner = _order(failure), self._tools.runners.of(policy)
        schema = None if order is None else rules.schema_for(failure, order.run.step or "", policy)
        if order is None or runner is None or schema is None:
            raise TypeError("what is not forbidden is complete")
        return RepairSession(
            tools=self._tools,
            run_tools=self._tools,
            task=task,
            gate=gate,
            pause=self._tools.sleep,
            runner=runner,
            run=order.run,
            order_effect=runner.effect(order),
            call_limit=policy.schema_autofix.timeout,
            watch_limit=policy.schema_autofix.verify,
            payload=failure.context["payload"],
            schema=schema,
            key=order_key(failure, "rerun"),
        )


def _order(failure: Failure) -> RerunStep | None:
    """Build the order to rerun the step, still with the original payload; None without a usable run and step."""
    run = run_of(failure.context)
    if not isinstance(run, RunContext) or run.step is None:
        return None
    return RerunStep(run=run_ref(failure, run), payload=Payload(document=failure.context.get("payload")))


def _state_of(kept: Kept) -> WatchState:
    if not isinstance(kept.state, WatchState):
        raise TypeError(f"not a state of schema-autofix: {type(kept.state).__name__}")
    return kept.state
