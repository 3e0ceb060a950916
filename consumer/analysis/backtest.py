"""Backtest: what the present rules, ladder and catalog would decide of past failures. Pure, and bounded in memory."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from consumer.diagnose.agent_evidence import diagnosis_of
from consumer.model import NO_PROGRESS, Diagnosed, Failure, FailureId, Heal, JsonObject, MicroAud, Refuse, in_aud
from consumer.plan.planner import Planner
from schemas.names import Code

NOTHING: Final = MicroAud(0)


class Conclusion(NamedTuple):
    """Verdict on a failure: its diagnosis and its strategy; the strategy is "" before the first attempt."""

    failure_type: str
    disposition: str
    strategy: str


@dataclass(slots=True)
class Change:
    """Failures with the same verdict before and the same, different verdict now."""

    example: FailureId
    """The newest of these failures."""
    count: int = 0
    acted_before: int = 0
    acted_now: int = 0
    credits: MicroAud = NOTHING
    """Credits held for failures that would be acted on now and were not before."""


def decide(planner: Planner, failure: Failure, now: datetime) -> Diagnosed:
    """Diagnose and plan a failure as if it first came in at that time. Has no side effects.

    A model that was asked of it is not asked again: its answer stands where no rule of today knows the type.
    """
    fresh = replace(
        failure,
        step=0,
        attempts=0,
        lifetime_attempts=0,
        effect_in_doubt=False,
        healed_by_attempt=None,
        ladder_progress=NO_PROGRESS,
    )
    try:
        diagnosis = diagnosis_of(fresh)
        plan = planner.plan(fresh, diagnosis, now)
    except Exception as error:  # noqa: BLE001 - as in the pipeline: one crash shall not hide what all others come to
        return planner.unplannable(fresh, f"planning it broke ({type(error).__name__})")
    return Diagnosed(failure=fresh, diagnosis=diagnosis, plan=plan)


class Comparison:
    """Counts the differences between past and present verdicts, one failure after the other."""

    def __init__(self) -> None:
        self.changes: dict[tuple[Conclusion, Conclusion], Change] = {}
        self.failures = 0
        self.same = 0
        self.refused = 0
        self.crashed = 0
        self.more = 0
        """Failures that would be acted on now and were not before."""
        self.fewer = 0
        """Failures that were acted on before and would not be now."""
        self.credits = NOTHING

    def add(self, before: Conclusion, now: Diagnosed, *, acted: bool) -> None:
        """Compare one failure; `acted` means that an attempt acted on it before, and not only refused it."""
        plan, diagnosis = now.plan, now.diagnosis
        after = Conclusion(diagnosis.failure_type.value, diagnosis.disposition.value, plan.strategy.value)
        newly = plan.hold if isinstance(plan, Heal) and not acted else None
        self.failures += 1
        self.refused += isinstance(plan, Refuse)
        self.crashed += isinstance(plan, Refuse) and plan.code is Code.CRASHED
        self.more += newly is not None
        self.fewer += acted and not isinstance(plan, Heal)
        self.credits = MicroAud(self.credits + (newly or 0))
        if before == after or (not before.strategy and before[:2] == after[:2]):
            self.same += 1
            return
        change = self.changes.setdefault((before, after), Change(example=now.failure.id))
        change.count += 1
        change.acted_before += acted
        change.acted_now += isinstance(plan, Heal)
        change.credits = MicroAud(change.credits + (newly or 0))

    def ordered(self) -> list[tuple[Conclusion, Conclusion, Change]]:
        """Return the changes, the most frequent first."""
        found = [(before, after, change) for (before, after), change in self.changes.items()]
        return sorted(found, key=lambda one: (-one[2].count, one[0], one[1]))

    def summary(self) -> JsonObject:
        """Return the totals as JSON."""
        return {
            "failures": self.failures,
            "same": self.same,
            "changed": self.failures - self.same,
            "refused": self.refused,
            "crashed": self.crashed,
            "acted_on_more": self.more,
            "acted_on_fewer": self.fewer,
            "credits_held_more_aud": in_aud(self.credits),
        }
