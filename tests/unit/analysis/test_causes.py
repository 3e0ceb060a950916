"""Failures by their masked reason: counted rightly while there is room, and within it when there is not."""

from datetime import UTC, datetime, timedelta

from consumer.analysis.causes import Causes

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _add(causes: Causes, reason: str, org: int = 1, workflow: str = "w", kind: str | None = "unknown") -> None:
    at = NOW + timedelta(seconds=causes.total)
    causes.add(reason, org=org, workflow=workflow, failure_type=kind, at=at)


def test_failures_of_one_cause_are_one_line_however_many_organisations_have_it() -> None:
    causes = Causes()
    _add(causes, "no seat for guest 'Ann' in row 4", org=1, workflow="a")
    _add(causes, "the lamp is out")
    _add(causes, "no seat for guest 'Bo' in row 17", org=2, workflow="b", kind=None)
    _add(causes, "no seat for guest 'Cy' in row 5", org=2, workflow="c", kind="api_timeout")
    most, least = causes.most(10)
    assert (most.count, most.organisations, most.workflows) == (3, 2, 3)
    assert most.failure_types == ("api_timeout", "unknown")
    assert (most.first, most.last) == (NOW, NOW + timedelta(seconds=3))
    assert most.mask == "no seat for guest # in row #"
    assert (least.count, least.mask) == (1, "the lamp is out")
    assert [one.count for one in causes.most(1)] == [3]


def test_a_storm_of_ever_new_reasons_takes_no_more_room_and_hides_no_frequent_one() -> None:
    causes = Causes(groups=20, names=50)
    word = "abcdefghij".replace
    for n in range(2000):
        _add(causes, word("a", "x" * (n % 40)) + " " + "y" * (n // 40), org=n, workflow=f"w{n}")
        _add(causes, f"again {n}", org=n)
    found = list(causes.most(100))
    assert len(found) <= 20
    assert (found[0].mask, found[0].count) == ("again #", 2000)
    assert causes.dropped + sum(one.count for one in found) == causes.total == 4000
    assert sum(one.organisations + one.workflows for one in found) <= 51


def test_a_secret_is_no_part_of_a_cause() -> None:
    causes = Causes()
    _add(causes, "login failed: password=hunter-secret")
    [found] = causes.most(1)
    assert "hunter" not in found.mask
