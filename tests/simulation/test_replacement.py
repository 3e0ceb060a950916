"""dependency-replacement in virtual time: long outages under load, and random catalogs and outages; with mutants."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from itertools import pairwise
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.catalog import parse_catalog
from consumer.heal.dependency_replacement import candidates as candidate_rules
from consumer.heal.dependency_replacement import strategy as strategy_module
from consumer.model import Diagnosis, Evidence, Failure, OrgId
from consumer.plan import planner as planner_module
from schemas.dependency_binding import BindingState
from schemas.names import Disposition, FailureType
from tests.support.healing import ORG, failure
from tests.support.simulation.replacement import Ground, Sent

FIRST = "first.example"
ORGS = (ORG, OrgId(UUID("00000000-0000-4000-8000-000000000001")))
DIAGNOSIS = Diagnosis(
    failure_type=FailureType.API_TIMEOUT,
    disposition=Disposition.RETRY_NOW,
    evidence=(Evidence(rule="r", source="reason", text="timed out", weight=1.0),),
)
LEASE = 60.0
STAY = 10
"""Failures whose calls may not go elsewhere: they come while the first is replaced, and wait for it."""


def catalog(candidates: list[dict[str, Any]], rules: list[dict[str, Any]], **more: Any) -> str:  # noqa: ANN401 - JSON
    """JSON is YAML."""
    declared = {
        "url": f"https://{FIRST}/v1",
        "health": {"url": f"https://{FIRST}/health"},
        "contract": {"answer": {"type": "object", "required": ["text"]}},
        "rules": rules,
        "candidates": [
            {"name": f"c{n}", "url": f"https://c{n}.example/v1", "probe": {"url": f"https://c{n}.example/health"}} | one
            for n, one in enumerate(candidates)
        ],
    } | more
    policy = {"name": "*", "dependencies": ["translate"], "attempts": 3, "auto_retry": {"tries": 1}}
    return json.dumps({"version": 1, "workflows": [policy], "dependencies": {"translate": declared}})


def failed(n: int, org: OrgId = ORG, effect: str = "none") -> Failure:
    request = {"method": "POST", "url": f"https://{FIRST}/v1/run?n={n}", "body": {"n": n}, "effect": effect}
    request |= {"idempotency_key": f"k{n}"} if effect == "keyed" else {}
    made = failure({"request": request}, reason="timed out")
    return Failure(
        id=made.id.__class__(str(uuid5(org, f"f{n}"))),  # type: ignore[arg-type]
        org_id=org,
        workflow_name=f"w{org.hex[:4]}.{n}",
        failure_reason=made.failure_reason,
        context=made.context,
        detected_at=made.detected_at,
        source=None,
        inserted_as="service",
        digest=made.digest,
        redactions=(),
    )


def outages(*spans: tuple[float, float]) -> Callable[[float], bool]:
    return lambda at: any(begin <= at < end for begin, end in spans)


def at_first(ground: Ground) -> list[Sent]:
    return [one for one in ground.sent if one.place == FIRST]


def overlapping(sent: list[Sent]) -> list[tuple[Sent, Sent]]:
    ordered = sorted(sent, key=lambda one: one.begin)
    return [(a, b) for a, b in pairwise(ordered) if b.begin < a.end]


def played(mutant: AbstractContextManager[Any] | None = None) -> Ground:
    """500 failures of one dependency that dies for 3 s, and again for 60 s."""
    ground = Ground(catalog=parse_catalog(catalog([{}, {}], [])), ill={FIRST: outages((0, 3), (100, 160))})
    spans = ((0.0, 2.9), (100.0, 159.9))
    coming = [
        (begin + (end - begin) * n / 249, failed(number * 250 + n), DIAGNOSIS)
        for number, (begin, end) in enumerate(spans)
        for n in range(250)
    ]
    coming += [(110.0 + 4 * n, failed(500 + n, effect="keyed"), DIAGNOSIS) for n in range(STAY)]
    with mutant or nullcontext():
        asyncio.run(ground.play(260, *coming))
    return ground


def broken(ground: Ground) -> Iterator[str]:
    """What of the promises does not hold."""
    if len(ground.healed) != 500 + STAY:
        yield f"{len(ground.healed)} are healed; {list(ground.given_up.items())[:3]}"
    ill = [one for one in at_first(ground) if one.was_ill]
    if others := [one for one in ill if one.path != "/health"]:
        yield f"{len(others)} other requests to the dead one"
    if overlapping([one for one in at_first(ground) if one.path == "/health"]):
        yield "two probes at once"
    states = [(at, one.state) for at, one in ground.history]
    switched = [state for _, state in states if state in (BindingState.CANARY, BindingState.FIRST)]
    if switched != [BindingState.CANARY, BindingState.FIRST] * 2:
        yield f"switched otherwise: {states}"
        return
    for (begin, end), bound in zip(((0, 3), (100, 160)), (0, 1), strict=True):
        whole = [at for at, state in states if state is BindingState.WHOLE][bound]
        back = [at for at, state in states if state is BindingState.FIRST][bound]
        if not end <= back <= end + LEASE:
            yield f"back at {back}, after an outage that ended at {end}"
        moving = {name: at for name, at in ground.arrived.items() if int(name.rpartition(".")[2]) < 500}
        later = [name for name, at in moving.items() if whole < at < end and at >= begin]
        slow = [name for name in later if ground.healed.get(name, 1e9) - ground.arrived[name] > 0.1]
        if not later or slow:
            yield f"{len(slow)} of {len(later)} failures took longer than their own call"


def test_five_hundred_failures_of_a_dependency_that_dies_for_three_and_for_sixty_seconds() -> None:
    ground = played()
    assert list(broken(ground)) == []
    probes = [one for one in at_first(ground) if one.path == "/health" and one.was_ill]
    assert len(probes) <= 63


MUTANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "auto-retry does not follow the binding": lambda: patch.object(planner_module, "bound_reason", lambda *_: None),
    "the replacement is no first rung": lambda: patch.object(planner_module, "in_course", lambda ladder, _: ladder),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_that_is_broken_is_found(name: str) -> None:
    assert list(broken(played(MUTANTS[name]())))


# ---- random catalogs and outages

WORDS = st.sets(st.sampled_from(("au", "eu", "us")), max_size=2).map(sorted)
PROMISES = st.sets(st.sampled_from(("no-training", "no-retention")), max_size=2).map(sorted)
PRICES = st.none() | st.integers(0, 4).map(lambda cents: str(Decimal(cents) / 100))
WHOSE = st.sampled_from(("*", [str(ORGS[0])], [str(ORGS[1])]))
SPANS = st.lists(st.tuples(st.floats(0, 40), st.floats(1, 60)), max_size=3).map(
    lambda pairs: outages(*((begin, begin + span) for begin, span in pairs))
)
CANDIDATE = st.fixed_dictionaries(
    {"regions": WORDS, "data_policy": PROMISES, "price_aud": PRICES, "organisations": WHOSE}
)
RULE = st.fixed_dictionaries(
    {"organisations": WHOSE, "regions": st.none() | WORDS, "data_policy": PROMISES, "max_price_aud": PRICES}
)


def applies(declared: dict[str, Any], org: OrgId) -> bool:
    return declared["organisations"] == "*" or str(org) in declared["organisations"]


def may_see(candidate: dict[str, Any], rules: list[dict[str, Any]], org: OrgId) -> bool:
    """Written anew from what the catalog's words mean."""
    if not applies(candidate, org):
        return False
    for rule in (one for one in rules if applies(one, org)):
        regions, price, cap = rule["regions"], candidate["price_aud"], rule["max_price_aud"]
        if regions is not None and not (candidate["regions"] and set(candidate["regions"]) <= set(regions)):
            return False
        if not set(rule["data_policy"]) <= set(candidate["data_policy"]):
            return False
        if cap is not None and (price is None or Decimal(price) > Decimal(cap)):
            return False
    return True


def random_ground(
    candidates: list[dict[str, Any]],
    rules: list[dict[str, Any]],
    ill: list[Callable[[float], bool]],
    lies: set[int],
    prefer: str,
) -> Ground:
    places = {f"c{n}.example": ill[n + 1] for n in range(len(candidates))} | {FIRST: ill[0]}
    ground = Ground(
        catalog=parse_catalog(catalog(candidates, rules, prefer=prefer)),
        ill=places,
        lies=frozenset(f"c{n}.example" for n in lies),
    )
    coming = [(n * 2.0, failed(n, ORGS[n % 2], ("none", "unsafe")[n % 5 == 4]), DIAGNOSIS) for n in range(30)]
    asyncio.run(ground.play(90, *coming))
    return ground


RANDOM = (
    st.lists(CANDIDATE, min_size=1, max_size=4),
    st.lists(RULE, max_size=3),
    st.lists(SPANS, min_size=5, max_size=5),
    st.sets(st.integers(0, 3)),
    st.sampled_from(("order", "price", "latency", "health")),
)


@settings(max_examples=40, derandomize=True)
@given(*RANDOM)
def test_over_random_catalogs_and_outages_no_byte_breaks_a_rule_and_no_lie_is_a_success(
    candidates: list[dict[str, Any]],
    rules: list[dict[str, Any]],
    ill: list[Callable[[float], bool]],
    lies: set[int],
    prefer: str,
) -> None:
    ground = random_ground(candidates, rules, ill, lies, prefer)
    for one in ground.sent:
        if one.place != FIRST:
            assert may_see(candidates[int(one.place[1])], rules, one.org_id), one
    for n in lies & set(range(len(candidates))):
        # Whoever lies never gets all calls: what was healed was healed by others.
        assert not [one for _, one in ground.history if one.candidate == f"c{n}" and one.state is BindingState.WHOLE]
    for org in ORGS:
        looks = [one for one in at_first(ground) if one.org_id == org and one.path == "/health"]
        assert not overlapping(looks)


def test_a_rule_that_nobody_asks_is_found() -> None:
    """The oracle of the test above, on a strategy that has forgotten the rules."""
    kept = {"regions": ["au"], "data_policy": [], "price_aud": None, "organisations": "*"}
    rules = [{"organisations": "*", "regions": ["eu"], "data_policy": [], "max_price_aud": None}]
    with (
        patch.object(candidate_rules, "broken_rule", lambda *_: None),
        patch.object(strategy_module, "broken_rule", lambda *_: None),
    ):
        ground = random_ground([kept], rules, [outages((0, 60)), *[outages()] * 4], set(), "order")
    assert [one for one in ground.sent if one.place == "c0.example"]
