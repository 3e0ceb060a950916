"""What every peer does with one record before and after the database: the consumer's own pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRebalanceListener

from benchmarks.contenders.noop import STRATEGIES, healed
from benchmarks.harness.job import Job
from benchmarks.harness.load import catalog
from consumer.catalog import WorkflowPolicy
from consumer.diagnose.diagnosis import diagnose
from consumer.ingest.decode import AdmissionRules, decode
from consumer.model import Claim, DeadLetter, Diagnosed, Heal, Record, Settlement, attempt_id
from consumer.plan.planner import Planner
from consumer.results.events import Outlet
from consumer.results.settlement import FinishedHeal, settle_heal


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """Decoding, diagnosing, planning and the message, for one run."""

    door: AdmissionRules
    planner: Planner
    outlet: Outlet

    def read(self, one: Any) -> tuple[Diagnosed, Heal]:  # noqa: ANN401 - the client has no types
        """Read a record of the load; it holds nothing that is refused."""
        now = datetime.now(UTC)
        record = Record(
            topic=one.topic,
            partition=one.partition,
            offset=one.offset,
            timestamp_ms=one.timestamp,
            key=one.key,
            value=one.value,
            headers=one.headers,
        )
        failure = decode(record, self.door, now)
        if isinstance(failure, DeadLetter):
            raise TypeError(f"the load holds a bad event: {failure.message}")
        diagnosis = diagnose(failure.failure_reason, failure.context)
        plan = self.planner.plan(failure, diagnosis, now)
        if not isinstance(plan, Heal):
            raise TypeError(f"the load holds an event that is not to be healed now: {plan}")
        return Diagnosed(failure=failure, diagnosis=diagnosis, plan=plan), plan

    def heal(self, diagnosed: Diagnosed, plan: Heal) -> Settlement:
        """Do nothing, successfully, and say what that writes."""
        started = datetime.now(UTC)
        failure = diagnosed.failure
        claim = Claim(attempt_id=attempt_id(failure.id, 0), step=0, held=plan.hold, deadline=0.0)
        ended = FinishedHeal(
            failure=failure,
            diagnosis=diagnosed.diagnosis,
            strategy=plan.strategy,
            plan=plan,
            claim=claim,
            outcome=healed(),
            attempted_at=started,
            finished_at=datetime.now(UTC),
        )
        policy = self.planner.catalog.policy(failure.workflow_name) or WorkflowPolicy(name="*")
        return settle_heal(ended, policy, 0.5, self.outlet)


def healing(job: Job) -> Healing:
    """Set it up for a run."""
    declared = catalog()
    return Healing(
        door=AdmissionRules(catalog=declared, max_event_bytes=1024 * 1024),
        planner=Planner(rungs=STRATEGIES, catalog=declared),
        outlet=Outlet(results_topic=job.results, dlq_topic=job.dlq, max_bytes=900_000),
    )


class Assigned(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Notes when the group gave this member its first partitions: there the clock starts."""

    def __init__(self, clock: Any) -> None:  # noqa: ANN401 - time.time
        self._clock = clock
        self.at: float | None = None

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Do nothing: the run ends with the only member there is."""

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Note the time."""
        if assigned and self.at is None:
            self.at = self._clock()
