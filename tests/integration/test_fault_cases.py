"""Cases of faults that others found, and more of their kinds: auto-retry on a real server, `shw check-event`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from consumer.model import Healed, NotHealed, Outcome, RetryLater, Unknown
from schemas.names import Code
from tests.support.fault_cases import cases, checked, retried
from tests.support.worlds.http_world import Seen

_LONGEST_WAIT: Final = 10.0


def _is_unverified(outcome: Outcome) -> None:
    assert isinstance(outcome, NotHealed), outcome
    assert outcome.code is Code.UNVERIFIED


def _is_healed(outcome: Outcome) -> None:
    assert isinstance(outcome, Healed), outcome


def _is_not_healed(outcome: Outcome) -> None:
    assert isinstance(outcome, NotHealed | Unknown), outcome


def _is_a_moment(outcome: Outcome) -> None:
    assert isinstance(outcome, Healed | RetryLater), outcome


_HELD: Final[dict[str, Callable[[Outcome], None]]] = {
    "failure-inside-a-2xx-counts-as-healed": _is_unverified,
    "json-asked-for-and-none-came-counts-as-healed": _is_not_healed,
    "multiple-of-by-binary-fractions": _is_healed,
    "transient-status-not-repeated": _is_healed,
    "body-describing-header-kept-on-a-rebuilt-body": _is_healed,
    "retry-after-as-a-moment": _is_a_moment,
}
_DESCRIBING: Final = (
    "content-encoding", "content-md5", "digest", "content-digest", "repr-digest", "transfer-encoding",
    "x-amz-content-sha256", "content-range",
)  # fmt: skip


def _describes_the_body(seen: Seen) -> list[str]:
    return [name for name in _DESCRIBING if name in seen.headers]


@pytest.mark.parametrize("case", cases("auto-retry"))
async def test_a_case_of_the_repeated_call_holds(case: dict[str, Any]) -> None:
    outcome, seen, slept = await retried(case)
    if "always" in str(case["input"].get("replies")):
        assert isinstance(outcome, NotHealed | RetryLater)
        assert outcome.dependency_unhealthy
        return
    _HELD[case["kind"]](outcome)
    assert all(seconds <= _LONGEST_WAIT for seconds in slept)
    assert not [name for one in seen for name in _describes_the_body(one)]
    if case["kind"] == "transient-status-not-repeated":
        assert len(seen) == len(case["input"]["replies"])


@pytest.mark.parametrize("case", cases("shw check-event"))
def test_a_case_of_an_event_holds(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = checked(case, tmp_path / "catalog.yaml", monkeypatch, capsys)
    (printed,) = found.get("events", [found])
    if case["kind"] == "event-attributes-silently-ignored":
        poison = printed.get("poison")
        # Read with its attributes, by which a second delivery is the same failure; or a dead letter that names them.
        names = ("attribute", "specversion", "the headers hold")
        assert printed["failure_id"] if poison is None else any(one in poison["message"] for one in names), printed
        return
    assert printed["accepted"], printed
    assert printed["plan"]["decision"] == "refuse", printed["plan"]
