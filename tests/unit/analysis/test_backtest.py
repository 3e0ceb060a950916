"""What the present rules would change, counted: nothing more, nothing less, and one broken failure hides no other."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from consumer.analysis.backtest import Comparison, Conclusion, decide
from consumer.catalog import parse_catalog
from consumer.heal.auto_retry import AutoRetry
from consumer.model import AttemptId, Diagnosed, Failure, Heal, MicroAud, Refuse
from consumer.model.agent_diagnosis import AgentDiagnosis, DiagnosisAnswer
from consumer.outbound.calls import open_calls
from consumer.plan.planner import Planner
from consumer.redact import redact_json
from schemas.names import Code, DiagnosisAnswerKind, FailureType, StrategyName
from tests.support.healing import NOW, ORG, UNPLANNED, diagnosis, failure
from tests.support.pipeline import call, catalog

GET = failure(call("http://127.0.0.1:8080/x"))
SAME = Conclusion("api_timeout", "retry_if_idempotent", "auto-retry")
OTHER = Conclusion("unknown", "needs_person", "workflow-rewrite")
HEAL = Heal(strategy=StrategyName.AUTO_RETRY, intent=UNPLANNED, hold=MicroAud(50_000), catalog_version="v")
REFUSE = Refuse(strategy=StrategyName.AUTO_RETRY, code=Code.REFUSED, reason="no", catalog_version="v")


def _now(plan: Heal | Refuse, failed: Failure = GET) -> Diagnosed:
    return Diagnosed(failure=failed, diagnosis=diagnosis(), plan=plan)


@pytest.fixture
async def planner() -> AsyncIterator[Planner]:
    async with open_calls({}) as calls:
        rungs = {StrategyName.AUTO_RETRY: AutoRetry(calls, redact_json)}
        yield Planner(rungs=rungs, catalog=parse_catalog(catalog(8080, max_age="PT1H")))


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        pytest.param(SAME, 0, id="as it was"),
        pytest.param(SAME._replace(strategy=""), 0, id="no attempt yet"),
        pytest.param(SAME._replace(strategy="schema-autofix"), 1, id="another strategy"),
        pytest.param(SAME._replace(disposition="retry_now"), 1, id="another disposition"),
        pytest.param(SAME._replace(failure_type="unknown", strategy=""), 1, id="another type, no attempt yet"),
    ],
)
def test_a_change_is_what_was_decided_otherwise(before: Conclusion, changed: int) -> None:
    found = Comparison()
    found.add(before, _now(HEAL), acted=True)
    assert (len(found.changes), found.same) == (changed, 1 - changed)


def test_what_a_model_has_said_of_a_failure_that_no_rule_knows_is_no_change(planner: Planner) -> None:
    strange = replace(GET, failure_reason="the gate was left ajar", context={})
    answer = DiagnosisAnswer(kind=DiagnosisAnswerKind.DIFFERS, failure_type=FailureType.WORKFLOW_STALL)
    asked = replace(strange, agent_diagnosis=AgentDiagnosis(asks=1, answer=answer))
    assert decide(planner, strange, NOW).diagnosis.failure_type is FailureType.UNKNOWN
    assert decide(planner, asked, NOW).diagnosis.failure_type is FailureType.WORKFLOW_STALL


def test_what_would_be_acted_on_is_counted_with_its_credits() -> None:
    found = Comparison()
    first = replace(GET, id=failure({"n": 1}).id)
    found.add(OTHER, _now(HEAL, first), acted=False)
    found.add(OTHER, _now(HEAL), acted=False)
    found.add(OTHER, _now(HEAL), acted=True)
    found.add(SAME, _now(REFUSE), acted=True)
    found.add(SAME, _now(replace(REFUSE, code=Code.CRASHED)), acted=False)
    assert found.summary() == {
        "failures": 5,
        "same": 2,
        "changed": 3,
        "refused": 2,
        "crashed": 1,
        "acted_on_more": 2,
        "acted_on_fewer": 1,
        "credits_held_more_aud": "0.1",
    }
    [(before, now, change)] = found.ordered()
    assert (before, now) == (OTHER, SAME)
    assert (change.count, change.acted_before, change.acted_now, change.credits) == (3, 1, 3, 100_000)
    assert change.example == first.id


def test_changes_come_with_the_most_frequent_first() -> None:
    found = Comparison()
    for before in (OTHER, SAME._replace(disposition="never"), OTHER):
        found.add(before, _now(HEAL), acted=False)
    assert [change.count for _, _, change in found.ordered()] == [2, 1]


async def test_a_failure_is_planned_as_if_it_came_in_for_the_first_time_and_then(planner: Planner) -> None:
    worn = replace(
        GET, attempts=9, lifetime_attempts=99, step=12, effect_in_doubt=True, healed_by_attempt=AttemptId(ORG)
    )
    assert isinstance(decide(planner, worn, NOW).plan, Heal)
    late = decide(planner, worn, NOW + timedelta(hours=2)).plan
    assert isinstance(late, Refuse)
    assert "max_age" in late.reason


async def test_a_failure_on_which_planning_breaks_is_counted_and_stops_nothing(planner: Planner) -> None:
    class Broken(AutoRetry):
        def needs(self, failure: Failure) -> tuple[str, ...]:
            raise ZeroDivisionError(failure.id)

    broken = replace(planner, rungs={StrategyName.AUTO_RETRY: Broken.__new__(Broken)})
    plan = decide(broken, GET, NOW).plan
    assert isinstance(plan, Refuse)
    assert plan.code is Code.CRASHED
    found = Comparison()
    found.add(SAME, decide(broken, GET, NOW), acted=False)
    assert found.crashed == 1
