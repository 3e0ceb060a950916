"""Which plans need a person's yes, what their hash covers, and what silence comes to."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumer.catalog import Catalog, parse_catalog
from consumer.model import Ask, Failure, Heal, MicroAud, Plan, Refuse
from consumer.model.approval import Approval, ApprovalState
from consumer.plan.approval import fingerprint_key
from consumer.plan.planner import FleetState, Planner
from schemas.names import Code, Effect, FailureType, StrategyName
from tests.support.healing import NOW, diagnosis, failure
from tests.support.pipeline import call, catalog
from tests.support.worlds.scripted import Scripted

GET = call("http://127.0.0.1:9/x")
MARKED = "{strategies: [auto-retry]}"


async def _never(*_: object) -> Any:  # noqa: ANN401 - it is not called
    raise AssertionError


def rung(**changes: Any) -> Scripted:  # noqa: ANN401 - of a test
    return Scripted(heals=_never, kind=Effect.KEYED, **({"cost": MicroAud(50_000)} | changes))


def planned(
    failed: Failure,
    approval: str | None = MARKED,
    known: frozenset[str] = frozenset(),
    of: Scripted | None = None,
    kind: FailureType = FailureType.API_TIMEOUT,
    port: int = 9,
    **policy: str,
) -> Plan:
    marks = {} if approval is None else {"approval": approval}
    given: Catalog = parse_catalog(catalog(port, **(marks | policy)))
    planner = Planner(rungs={StrategyName.AUTO_RETRY: of or rung()}, catalog=given)
    found = replace(diagnosis(), failure_type=kind)
    return planner.plan(failed, found, NOW, FleetState(known_fingerprints=known))


def asked(*given: Any, **more: Any) -> Ask:  # noqa: ANN401 - as `planned`
    plan = planned(*given, **more)
    assert isinstance(plan, Ask)
    return plan


def hash_of(*given: Any, **more: Any) -> str:  # noqa: ANN401 - as `planned`
    return asked(*given, **more).request.plan_hash


KEY = fingerprint_key(failure(GET), StrategyName.AUTO_RETRY)
LADDER = "{billing_sync_issue: [auto-retry]}"


@pytest.mark.parametrize(
    ("approval", "more", "asks"),
    [
        pytest.param(None, {}, False, id="nothing is marked"),
        pytest.param("{}", {}, False, id="an empty block"),
        pytest.param(MARKED, {}, True, id="its strategy"),
        pytest.param("{strategies: [schema-autofix]}", {}, False, id="another strategy"),
        pytest.param('{above_aud: "0.04"}', {}, True, id="dearer"),
        pytest.param('{above_aud: "0.05"}', {}, False, id="not dearer"),
        pytest.param("{money: true}", {"kind": FailureType.BILLING_SYNC_ISSUE, "ladders": LADDER}, True, id="money"),
        pytest.param("{money: true}", {}, False, id="no money"),
        pytest.param("{first: true}", {}, True, id="the first of its fingerprint"),
        pytest.param("{first: true}", {"known": frozenset({KEY})}, False, id="a known fingerprint"),
        pytest.param("{lossy: true}", {}, False, id="edits are asked for later"),
    ],
)
def test_what_the_catalog_marks_is_asked_for(approval: str | None, more: dict[str, Any], asks: bool) -> None:
    assert isinstance(planned(failure(GET), approval, **more), Ask if asks else Heal)


def approved(plan: Ask, **changes: Any) -> Approval:  # noqa: ANN401 - of a test
    request = plan.request
    given: dict[str, Any] = {
        "state": ApprovalState.APPROVED, "step": 0, "strategy": "auto-retry", "plan_hash": request.plan_hash,
        "base_hash": request.base_hash, "until": NOW + timedelta(hours=1), "asked": 1,
    }  # fmt: skip
    return Approval(**(given | changes))


def test_an_approved_plan_acts_under_its_approval() -> None:
    approval = approved(asked(failure(GET)))
    plan = planned(replace(failure(GET), approval=approval))
    assert isinstance(plan, Heal)
    assert plan.approval == approval


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": ApprovalState.ASKED}, id="nobody answered"),
        pytest.param({"state": ApprovalState.EXPIRED}, id="expired unanswered"),
        pytest.param({"until": NOW}, id="expired after the yes"),
        pytest.param({"step": 1}, id="for a later step"),
        pytest.param({"step": -1}, id="for an earlier step: used"),
        pytest.param({"base_hash": "0" * 64}, id="for another plan"),
    ],
)
def test_nothing_else_permits_it(changes: dict[str, Any]) -> None:
    approval = approved(asked(failure(GET)), **changes)
    assert isinstance(planned(replace(failure(GET), approval=approval)), Ask)


def test_the_hash_covers_what_would_be_done_and_not_the_catalogs_version() -> None:
    first = hash_of(failure(GET))
    assert hash_of(failure(GET)) == first
    others = {
        "payload": hash_of(failure(GET | {"payload": {"a": 1}})),
        "order": hash_of(failure(call("http://127.0.0.1:9/y"))),
        "price": hash_of(failure(GET), of=rung(cost=MicroAud(40_000))),
        "scope": hash_of(failure(GET | {"scope": "another"})),
        "effect": hash_of(failure(GET), of=Scripted(heals=_never, kind=Effect.NONE, cost=MicroAud(50_000))),
        "hosts": hash_of(failure(GET), port=10),
        "entry": hash_of(failure(GET), attempts="2"),
    }
    assert first not in others.values()
    assert len(set(others.values())) == len(others)
    text = catalog(9, approval=MARKED)
    elsewhere = parse_catalog(text + "- name: never.matched\n  hosts: []\n")
    planner = Planner(rungs={StrategyName.AUTO_RETRY: rung()}, catalog=elsewhere)
    plan = planner.plan(failure(GET), diagnosis(), NOW)
    assert isinstance(plan, Ask)
    assert plan.catalog_version != asked(failure(GET)).catalog_version
    assert plan.request.plan_hash == first


def test_the_hash_covers_what_is_hidden_of_the_plan_as_it_is_shown() -> None:
    random = "vN3xQ8rT2mK9sW5pL7yH4jF6bC1zD0gE"
    contexts = [call("http://127.0.0.1:9/x", headers={"X-Note": value}) for value in (random, random[::-1])]
    requests = [asked(failure(context)).request for context in contexts]
    assert requests[0].plan["order"] == requests[1].plan["order"]
    assert random not in str(requests[0].plan)
    assert requests[0].plan_hash != requests[1].plan_hash


@pytest.mark.parametrize(
    ("on_expiry", "code", "for_person"), [("hold", Code.UNANSWERED, True), ("deny", Code.DENIED, False)]
)
def test_silence_after_the_last_question_never_acts(on_expiry: str, code: Code, for_person: bool) -> None:
    rules = f"{{strategies: [auto-retry], asks: 3, on_expiry: {on_expiry}}}"
    silent = approved(asked(failure(GET), rules), state=ApprovalState.EXPIRED, asked=3)
    plan = planned(replace(failure(GET), approval=silent), rules)
    assert isinstance(plan, Refuse)
    assert (plan.code, plan.for_person) == (code, for_person)
    assert "3 times" in plan.reason
    again = planned(replace(failure(GET), approval=replace(silent, asked=2)), rules)
    assert isinstance(again, Ask)
    assert again.request.asked == 3


def test_a_strategy_that_was_denied_is_passed_over_with_the_reason() -> None:
    denied = approved(asked(failure(GET)), state=ApprovalState.DENIED, denied={"auto-retry": "denied by ann: no"})
    plan = planned(replace(failure(GET), approval=denied))
    assert isinstance(plan, Refuse)
    assert (plan.code, plan.reason) == (Code.DENIED, "denied by ann: no")
