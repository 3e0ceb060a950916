"""Each rule refuses a patch that it alone refuses: with the rule turned off, exactly that patch passes."""

from typing import Any, Final

import pytest

from consumer.workflows.checks import CHECKS, check
from consumer.workflows.findings import PatchRule
from consumer.workflows.patch import apply_patch, parse_patch
from consumer.workflows.proof import ProvenPatch, prove
from consumer.workflows.replay import replay
from tests.support.workflows.orders import definition, evidence, failing_run, good_run, limits

COMPETENT: Final = [{"op": "add", "path": "/steps/2/retries", "value": 2}]


def put(path: str, value: object) -> dict[str, object]:
    return {"op": "add", "path": path, "value": value}


def drop(path: str) -> dict[str, object]:
    return {"op": "remove", "path": path}


def tell(name: str, **more: object) -> dict[str, object]:
    step = {"stepId": name, "engineType": "internal_service", "action": "tell", "dependencies": ["quote"]}
    return step | {"parameters": {"hint": "x"}, "required": False} | more


def when(op: str, right: object, left: str = "${quote.output.kind}") -> dict[str, object]:
    return {"left": left, "op": op, "right": right}


ONLY: Final[dict[PatchRule, tuple[list[dict[str, Any]], dict[str, Any]]]] = {
    PatchRule.SCHEMA: ([put("/steps/4/parameters/text", True), drop("/steps/4/parameters/note")], {}),
    PatchRule.ACYCLIC: ([put("/steps/0/dependencies", ["quote"])], {}),
    PatchRule.REACHABLE: ([put("/steps/4/when", when("one_of", []))], {}),
    PatchRule.TERMINATING: (
        [put("/steps/0/repeat", {"until": when("present", None)})],
        {},
    ),
    PatchRule.JOINS: (
        [
            put("/steps/-", tell("gift", when=when("equals", "gift"))),
            put("/steps/-", tell("both", dependencies=["gift", "log"])),
        ],
        {},
    ),
    PatchRule.REFERENCES: ([put("/steps/4/parameters/hint", "${approve.output.net}")], {}),
    PatchRule.ENGINE: ([put("/steps/3/engineType", "gemini_image")], {}),
    PatchRule.HOST: ([put("/steps/4/parameters/hint", "https://other.test.org/x")], {}),
    PatchRule.CREDENTIAL: ([put("/steps/4/parameters/hint", "secret://PAY")], {}),
    PatchRule.PRIVILEGE: (
        [put("/steps/-", {"stepId": "gone", "engineType": "internal_service", "action": "delete_account"})],
        {},
    ),
    PatchRule.LIMIT: ([put("/steps/4/retries", 6)], {}),
    PatchRule.COST: ([put("/steps/2/retries", 5)], {}),
    PatchRule.ASSERTION: ([drop("/steps/2/assertion")], {}),
    PatchRule.APPROVAL: ([put("/steps/1/approval", "anyone")], {}),
    PatchRule.COMPENSATION: ([drop("/steps/2/compensation")], {}),
    PatchRule.REQUIRED: ([put("/steps/3/required", False)], {}),
    PatchRule.INVARIANT: ([drop("/invariants/1")], {}),
    PatchRule.LITERAL: ([put("/steps/4/parameters/text", "Well done")], {}),
    PatchRule.TAINT: ([put("/steps/4/parameters/hint", "acct-evil-77")], {}),
}


def rules(patch: list[dict[str, Any]], without: tuple[PatchRule, ...] = (), **members: object) -> set[PatchRule]:
    found = check(definition(**members), parse_patch(patch), evidence(), limits(), without=without)
    return {finding.rule for finding in found}


def test_every_check_has_a_patch() -> None:
    assert ONLY.keys() == CHECKS.keys()


@pytest.mark.parametrize("rule", CHECKS, ids=str)
def test_a_rule_refuses_what_no_other_rule_refuses(rule: PatchRule) -> None:
    patch, members = ONLY[rule]
    assert rules(patch, **members) == {rule}
    assert rules(patch, (rule,), **members) == set()


def test_a_competent_patch_passes_and_is_proven() -> None:
    assert rules(COMPETENT) == set()
    proof = prove(
        definition(),
        parse_patch(COMPETENT),
        evidence=evidence(),
        failing=failing_run(),
        good=[good_run()],
        limits=limits(),
    )
    assert isinstance(proof, ProvenPatch), proof
    assert proof.definition.by_id["charge"].retries == 2


def test_only_replay_refuses_what_changes_a_good_run_or_does_not_mend_the_failing_one() -> None:
    changed = [put("/outputs/receipt", "${charge.output.amount}"), *COMPETENT]
    assert rules(changed) == set()
    after = apply_patch(definition(), parse_patch(changed))
    assert [one.rule for one in replay(after, failing=failing_run(), good=[good_run()], limits=limits())] == [
        PatchRule.GOOD_RUN
    ]
    idle = [put("/steps/3/retries", 1)]
    assert rules(idle) == set()
    after = apply_patch(definition(), parse_patch(idle))
    assert [one.rule for one in replay(after, failing=failing_run(), good=[good_run()], limits=limits())] == [
        PatchRule.FAILING_RUN
    ]
