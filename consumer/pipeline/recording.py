"""Metrics and logs for the outcomes of batches and heals; it decides nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from consumer.catalog import Catalog, Catalogs
from consumer.metrics import ApprovalEvent, EventOutcome, Metrics, RewriteAuthor
from consumer.model import (
    Ask,
    Diagnosed,
    Heal,
    PassedOver,
    Refuse,
    Settlement,
    Wait,
    in_aud,
    original_position,
    strategy_of,
)
from consumer.model.approval import AskedPlan
from consumer.model.batch import Batch, Received
from consumer.model.settlement import AskedStep
from consumer.plan.rung import Rung
from consumer.results.asked import ask_of
from consumer.results.settlement import result_of_refusal
from consumer.store.drift import RepairCount
from schemas.names import Code, Result, Status, StrategyName

log = structlog.get_logger(__name__)

MEMBER: Final = "member"
"""Source label of a row that a signed-in member inserted."""
OTHER: Final = "other"
"""Label for every undeclared value, so that no event creates a new time series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Reports durable batches and heals to operators."""

    metrics: Metrics
    catalogs: Catalogs
    rungs: Mapping[StrategyName, Rung]

    def batch(self, batch: Batch, received: Received, *, retaking: bool = False) -> None:
        """Count a durable batch, and log what is wrong with it."""
        metrics = self.metrics
        conflicting = set(received.conflicting)
        strangers = len(received.letters) - len(batch.letters)
        again = len(batch.accepted) - len(received.new) - len(received.aside) - strangers + batch.repeated
        if received.aside and not retaking:
            metrics.events[EventOutcome.SET_ASIDE].inc(len(received.aside))
            orgs = {str(d.failure.org_id) for d, _ in batch.accepted if d.failure.id in received.aside}
            log.warning("organisation_locked", organisations=sorted(orgs)[:10], set_aside=len(received.aside))
        metrics.events[EventOutcome.ACCEPTED].inc(len(received.new))
        metrics.events[EventOutcome.CONFLICTING].inc(len(conflicting))
        metrics.events[EventOutcome.SAME_RUN].inc(len(received.same_run) + batch.rolled_up)
        metrics.events[EventOutcome.NO_FAILURE].inc(batch.no_failures)
        metrics.events[EventOutcome.DUPLICATE].inc(max(0, again - len(conflicting) - len(received.same_run)))
        self._record_letters(received)
        for outcome in replays(batch, received):
            metrics.replays[outcome].inc()
        for failure_id in conflicting:
            log.warning("event_id_used_twice", failure_id=str(failure_id))
        for diagnosed, _ in batch.accepted:
            if diagnosed.failure.id in received.new:
                self._record_new(diagnosed, batch.now)

    def _record_letters(self, received: Received) -> None:
        for letter in received.letters:
            self.metrics.events[EventOutcome.DEAD_LETTER].inc()
            self.metrics.dead_letters[letter.reason].inc()
            where = letter.record
            log.warning(
                "dead_letter",
                reason=letter.reason,
                partition=where.partition,
                offset=where.offset,
                replayed=original_position(where)[1],
            )

    def _record_new(self, diagnosed: Diagnosed, now: datetime) -> None:
        diagnosis, plan = diagnosed.diagnosis, diagnosed.plan
        if diagnosed.failure.mended:
            self.metrics.mended_events.inc()
            log.warning("event_text_mended", failure_id=str(diagnosed.failure.id), characters=diagnosed.failure.mended)
        self.metrics.count_diagnosis(diagnosis.failure_type, diagnosis.disposition)
        self.missing_context(diagnosed)
        if diagnosed.is_preliminary:
            return  # counted with its end
        if isinstance(plan, Refuse):
            result = result_of_refusal(plan.code)
            self.metrics.attempts[diagnosis.failure_type, plan.strategy, result, plan.code].inc()
        elif isinstance(plan, Ask):
            self.asked(ask_of(diagnosed.failure, plan.request, now))
        elif isinstance(plan, Wait):
            self.metrics.attempts[diagnosis.failure_type, plan.strategy, Result.FAILED, Code.RETRY_LATER].inc()

    def missing_context(self, diagnosed: Diagnosed) -> None:
        """Count the context fields that a failure lacked, by the source that should have sent them; once a failure."""
        count_missing(diagnosed, self.catalogs.current, self.rungs, self.metrics)

    def unclaimed(self, step: Settlement | AskedStep) -> None:
        """Count the end of a step whose plan did not act."""
        if isinstance(step, Settlement):
            self.attempt(step)
        else:
            self.asked(step.asked)

    def asked(self, asked: AskedPlan) -> None:
        """Count and log a plan that is asked for."""
        self.metrics.approvals[ApprovalEvent.ASKED].inc()
        edits = asked.request.plan.get("edits")
        if asked.request.strategy is StrategyName.WORKFLOW_REWRITE and isinstance(edits, dict):
            self.metrics.rewrites[RewriteAuthor.RULE if "rule" in edits else RewriteAuthor.AGENT].inc()
        log.info(
            "approval_asked",
            failure_id=str(asked.failure_id),
            org_id=str(asked.org_id),
            strategy=asked.request.strategy,
            plan_hash=asked.request.plan_hash,
            step=asked.step,
            asked=asked.request.asked,
        )

    def attempt(self, settlement: Settlement) -> None:
        """Count a finished attempt."""
        if settlement.asked is not None:
            self.asked(settlement.asked)
        attempt = settlement.attempt
        self.metrics.attempts[settlement.diagnosis.failure_type, attempt.strategy, attempt.result, attempt.code].inc()

    def heal(self, settlement: Settlement) -> None:
        """Count, time and log a heal whose settlement is durable."""
        attempt, failure = settlement.attempt, settlement.failure
        self.attempt(settlement)
        seconds = (attempt.finished_at - attempt.attempted_at).total_seconds()
        self.metrics.heal_seconds[attempt.strategy, attempt.result].observe(max(0.0, seconds))
        if settlement.next.status is Status.RESOLVED:
            since = failure.age(attempt.finished_at).total_seconds()
            self.metrics.time_to_heal_seconds[settlement.diagnosis.failure_type].observe(since)
        self._credits(settlement)
        log.info(
            "heal_settled",
            failure_id=str(failure.id),
            attempt_id=str(attempt.id),
            org_id=str(failure.org_id),
            strategy=attempt.strategy,
            result=attempt.result,
            code=attempt.code,
            status=settlement.next.status,
            step=attempt.step,
        )

    def _credits(self, settlement: Settlement) -> None:
        attempt, strategy = settlement.attempt, settlement.attempt.strategy
        if attempt.held:
            self.metrics.credits_held[strategy].inc(attempt.held / 1_000_000)
        if not attempt.spent:
            return
        self.metrics.credits_spent[strategy].inc(attempt.spent / 1_000_000)
        beyond = attempt.spent - attempt.held
        if beyond > 0:
            self.metrics.credits_beyond_hold[strategy].inc(beyond / 1_000_000)
            log.error(
                "credits_beyond_hold",
                failure_id=str(settlement.failure.id),
                attempt_id=str(attempt.id),
                org_id=str(settlement.failure.org_id),
                strategy=strategy,
                held_aud=in_aud(attempt.held),
                spent_aud=in_aud(attempt.spent),
            )

    def drift(self, found: RepairCount) -> None:
        """Count and log a producer that keeps sending payloads that have to be repaired."""
        self.metrics.drift_findings.inc()
        log.warning(
            "producer_drifted",
            finding=str(found.id),
            org_id=str(found.org_id),
            source=found.source,
            workflow_name=found.workflow_name,
            fix=found.drift.fix,
        )


def replays(batch: Batch, received: Received) -> Iterator[EventOutcome]:
    """Yield the outcome of each record of a durable batch that `shw dlq replay` had sent again."""
    strangers = {id(letter.record) for letter in received.letters}
    for diagnosed, record in batch.accepted:
        if original_position(record)[1] and id(record) not in strangers:
            if diagnosed.failure.id in received.aside:
                yield EventOutcome.SET_ASIDE
            else:
                yield EventOutcome.ACCEPTED if diagnosed.failure.id in received.new else EventOutcome.DUPLICATE
    for letter in received.letters:
        if original_position(letter.record)[1]:
            yield EventOutcome.DEAD_LETTER


def count_missing(diagnosed: Diagnosed, catalog: Catalog, rungs: Mapping[StrategyName, Rung], metrics: Metrics) -> None:
    """Count the missing fields because of which rungs of a new failure's ladder were passed over."""
    lacking = [one for one in _skipped_rungs(diagnosed) if one.missing]
    if not lacking:
        return
    failure = diagnosed.failure
    source = MEMBER if failure.source is None else catalog.speaks_as(failure.source, failure.org_id) or OTHER
    for one in lacking:
        strategy = one.strategy if isinstance(one, Refuse) else strategy_of(one.rung)
        rung = rungs.get(strategy)
        fields = rung.fields if rung is not None else ()
        for field in {declared_field(path, fields) for path in one.missing}:
            metrics.missing_context[source, strategy, field].inc()


def _skipped_rungs(diagnosed: Diagnosed) -> tuple[PassedOver | Refuse, ...]:
    match diagnosed.plan:
        case Heal(passed_over=passed_over):
            return passed_over
        case Refuse(passed_over=passed_over) as plan:
            return (plan, *passed_over)
        case _:
            return ()


def declared_field(path: str, declared: Sequence[str]) -> str:
    """Return the declared field that a path is, or lies below: few enough values for a metric label."""
    return next((f for f in declared if path == f or path.startswith((f"{f}.", f"{f}["))), OTHER)
