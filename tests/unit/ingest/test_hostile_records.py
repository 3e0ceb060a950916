"""Records that were made to cost much: every stage takes time in proportion to their size, whatever is in them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from consumer.catalog import WorkflowPolicy, parse_catalog
from consumer.diagnose.diagnosis import diagnose
from consumer.heal.auto_retry import AutoRetry
from consumer.ingest.decode import AdmissionRules, decode
from consumer.model import Failure, Record
from consumer.model.call import CallResult, OutboundRequest
from consumer.plan.planner import Planner
from consumer.redact import REDACTED, redact_json
from consumer.redact.pointers import MAX_PATHS
from schemas.names import StrategyName
from tests.support.adversarial_records import BUILDERS, hostile_event
from tests.support.pipeline import catalog

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
CATALOG: Final = parse_catalog(catalog())
DOOR: Final = AdmissionRules(catalog=CATALOG, max_event_bytes=2**20)
SMALL: Final = 4_000
TIMES: Final = 12
"""Quadratic time would be 144 times as long."""
SLACK: Final = 5
AGAIN: Final = 3
QUICK: Final = 0.002
"""Seconds below which a difference is noise."""


class NoCalls:
    def refusal(self, _: OutboundRequest, __: WorkflowPolicy) -> str | None:
        return None

    async def send(self, *_: Any, **__: Any) -> CallResult:  # noqa: ANN401 - never made
        raise AssertionError


PLANNER: Final = Planner(rungs={StrategyName.AUTO_RETRY: AutoRetry(NoCalls(), redact_json)}, catalog=CATALOG)


def read(value: bytes) -> Failure | None:
    at = int(NOW.timestamp() * 1000)
    record = Record(topic="t", partition=0, offset=1, timestamp_ms=at, key=None, value=value, headers=())
    decoded = decode(record, DOOR, NOW)
    return decoded if isinstance(decoded, Failure) else None


def spent(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def stages(value: bytes) -> dict[str, float]:
    times = {"decode": spent(lambda: read(value))}
    failure = read(value)
    if failure is not None:
        diagnosis = diagnose(failure.failure_reason, failure.context)
        # Without the cache: a reason and an error that are met for the first time.
        times["diagnose"] = spent(lambda: diagnose(failure.failure_reason + "\x01", failure.context))
        times["plan"] = spent(lambda: PLANNER.plan(failure, diagnosis, NOW))
    return times


@pytest.mark.parametrize("name", BUILDERS)
def test_every_stage_takes_time_in_proportion_to_the_size(name: str) -> None:
    small, large = (hostile_event(BUILDERS[name](size)) for size in (SMALL, TIMES * SMALL))
    few, many = stages(small), stages(large)
    longer = max(1.0, len(large) / len(small))

    def slow() -> list[str]:
        return [stage for stage, took in many.items() if took > SLACK * longer * max(few.get(stage, 0.0), QUICK)]

    for _ in range(AGAIN):
        if slow():  # what took long once, such as a collection of the whole heap, is looked at again
            many = {stage: min(took, many[stage]) for stage, took in stages(large).items()}
    assert not slow(), (few, many)


def test_names_that_collide_after_redaction_are_numbered_on() -> None:
    clean, paths = redact_json({f"password=a{number}": number for number in range(2000)})
    assert isinstance(clean, dict)
    name = next(iter(clean))
    assert list(clean) == [name, *(f"{name} {number}" for number in range(2, 2001))]
    assert paths == (f"/{name}",)


def test_a_number_that_is_taken_is_passed_over() -> None:
    name = f"password={REDACTED}"
    clean, _ = redact_json({"password=a1": 1, f"{name} 2": 2, "password=b2": 3, "password=c3": 4})
    assert isinstance(clean, dict)
    assert len(clean) == 4


def test_of_very_many_redactions_only_the_outermost_members_are_told() -> None:
    few: dict[str, Any] = {"request": {"token": ["abc"] * MAX_PATHS}, "step": 1}
    assert len(redact_json(few)[1]) == MAX_PATHS
    many: dict[str, Any] = {"request": {"token": ["abc"] * (MAX_PATHS + 1)}, "a/b": {"password": "x"}, "step": 1}
    assert redact_json(many)[1] == ("/request", "/a~1b")


def test_of_very_many_members_only_the_value_itself_is_told() -> None:
    assert redact_json({f"password{number}": "v" for number in range(MAX_PATHS + 1)})[1] == ("",)


def test_pointers_are_no_longer_than_what_they_point_into() -> None:
    deep: Any = ["password=a1"] * 1000
    for _ in range(50):
        deep = {"n" * 1000: deep}
    clean, paths = redact_json({"deep": deep, "token": "abc"})
    assert paths == ("/deep", "/token")
    assert clean != {}


def test_a_call_of_which_too_much_is_redacted_is_not_sent() -> None:
    context: dict[str, Any] = {f"password{number}": "v" for number in range(MAX_PATHS + 1)}
    context |= {"request": {"method": "GET", "url": "http://127.0.0.1:9/"}}
    failure = read(hostile_event({"context": context}))
    assert failure is not None
    assert failure.redactions == ("/context",)
