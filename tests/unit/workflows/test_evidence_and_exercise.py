"""What a patch leads around, what no run shows, and what a whole failure's evidence may not refuse."""

from typing import Any, Final

import pytest

from consumer.heal.deep_agent.rules import evidence_of
from consumer.workflows.definition import Definition
from consumer.workflows.findings import FailureEvidence, PatchFinding, PatchRule
from consumer.workflows.patch import parse_patch
from consumer.workflows.proof import ProvenPatch, prove
from consumer.workflows.runs import RecordedRun
from tests.support.healing import failure
from tests.support.workflows.broken import BrokenWorkflow, load_cases
from tests.support.workflows.orders import ANSWERS, DEFINITION, SERVICE, definition, failing_run, good_run, limits

MEND: Final = {"op": "add", "path": "/steps/2/retries", "value": 2}
BIG: Final = {"left": "${quote.output.kind}", "op": "equals", "right": "gift"}
BRANCH: Final[list[dict[str, Any]]] = [
    {"stepId": "ask", "engineType": SERVICE, "action": "approve", "dependencies": ["quote"], "when": BIG}
    | {"approval": "risk"},
    {"stepId": "gift", "engineType": SERVICE, "action": "tell", "dependencies": ["ask"], "required": False}
    | {"parameters": {"text": "Thank you", "receipt": "${workflow.input.sku}"}},
]


def put(path: str, value: object) -> dict[str, object]:
    return {"op": "add", "path": path, "value": value}


def branched() -> Definition:
    """Return the definition with a branch that no recorded run takes."""
    return definition(steps=[*DEFINITION["steps"], *BRANCH])


def rules(*operations: object, before: Definition | None = None, good: RecordedRun | None = None) -> set[PatchRule]:
    proof = prove(
        before or branched(),
        parse_patch([MEND, *operations]),
        evidence=FailureEvidence(texts=("busy",)),
        failing=failing_run(),
        good=[good or good_run()],
        limits=limits(),
    )
    return set() if isinstance(proof, ProvenPatch) else {finding.rule for finding in proof}


def test_a_branch_that_no_run_takes_is_left_as_it_is() -> None:
    assert rules() == set()
    for operation in (
        put("/steps/6/parameters/receipt", "${workflow.input.account}"),
        put("/steps/6/parameters/text", "Order done"),
        put("/steps/6/required", True),
        put("/steps/6/timeoutSeconds", 1),
        {"op": "move", "from": "/steps/6/parameters/receipt", "path": "/steps/6/parameters/note"},
    ):
        assert rules(operation) == {PatchRule.EXERCISED}, operation
    assert rules(put("/steps/6/retries", 1)) == set()


def test_a_new_compensation_that_no_run_carries_out_is_refused() -> None:
    undone = definition(steps=[*DEFINITION["steps"][:2], {**DEFINITION["steps"][2]}, *DEFINITION["steps"][3:]])
    bare = undone.as_json()
    steps: Any = bare["steps"]
    undo = steps[2].pop("compensation")
    before = Definition.from_json(bare)
    assert rules(before=before) == set()
    assert rules(put("/steps/2/compensation", undo), before=before) == {PatchRule.EXERCISED}


def test_an_approval_is_not_led_around_by_a_join() -> None:
    steps = [{**step} for step in DEFINITION["steps"]]
    steps[1]["when"] = {"left": "${quote.output.kind}", "op": "none_of", "right": ["gift"]}
    before = definition(steps=steps)
    assert rules(before=before) == set()
    for join in ("taken", "any"):
        around = [put("/steps/2/dependencies/-", "quote"), put("/steps/2/join", join)]
        assert {PatchRule.APPROVAL, PatchRule.INVARIANT} <= rules(*around, before=before), join


def test_an_agent_is_not_taken_away_and_a_new_step_needs_none() -> None:
    assert rules({"op": "remove", "path": "/steps/2/agentName"}) == {PatchRule.PRIVILEGE}
    added = {
        "stepId": "again",
        "engineType": SERVICE,
        "action": "quote",
        "parameters": {"sku": "${workflow.input.sku}"},
    }
    assert rules(put("/steps/-", added)) == set()


def test_a_time_limit_is_not_taken_away_and_is_kept_by_the_replay() -> None:
    steps = [{**step} for step in DEFINITION["steps"]]
    steps[0]["timeoutSeconds"] = 30
    before = definition(steps=steps)
    assert rules({"op": "remove", "path": "/steps/0/timeoutSeconds"}, before=before) == {PatchRule.LIMIT}
    assert rules(put("/budget/maxSeconds", 30)) == set()
    assert rules(put("/budget/maxSeconds", 2)) == {PatchRule.GOOD_RUN, PatchRule.FAILING_RUN}


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.id)
def test_a_competent_patch_passes_by_the_evidence_of_a_whole_failure(case: BrokenWorkflow) -> None:
    run = case.failing.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    whole = failure({"workflow": {"failing_run": run}}, reason=case.evidence.texts[0])
    proof = case.judge(case.competent, evidence=evidence_of(whole))
    assert isinstance(proof, ProvenPatch), proof


ACCOUNT: Final = "acct-main-4711"


def mapped(reference: str, *, declared: bool, reason: str) -> tuple[PatchFinding, ...]:
    """Return what is found against a charge's account that is referred to anew, where the reason says the account."""
    steps = [{**step, "parameters": {**step.get("parameters", {})}} for step in DEFINITION["steps"]]
    steps[2]["parameters"]["account"] = "${workflow.input.acount}"
    given = {"sku": "s-1", "account": ACCOUNT, "tier": ACCOUNT}
    answers = [
        *ANSWERS[:2],
        {**ANSWERS[2], "parameters": {**ANSWERS[2]["parameters"], "account": ACCOUNT}},
        *ANSWERS[3:],
    ]
    whole = failure({"workflow": {"failing_run": {"id": "f", "input": given, "answers": answers}}}, reason=reason)
    inputs = {"account": {"place": "id"}, "tier": {}} if declared else {}
    proof = prove(
        definition(steps=steps),
        parse_patch([put("/steps/2/parameters/account", reference)]),
        evidence=evidence_of(whole),
        failing=RecordedRun.model_validate({"id": "f", "input": given, "answers": answers}),
        good=[RecordedRun.model_validate({"id": "g", "input": given, "answers": answers})],
        limits=limits(inputs=inputs),
    )
    return () if isinstance(proof, ProvenPatch) else proof


@pytest.mark.parametrize(
    ("reference", "declared", "reason", "against"),
    [
        ("${workflow.input.account}", True, "account null is unknown", None),
        ("${workflow.input.account}", True, f"account null is unknown, the event has {ACCOUNT}", None),
        ("${workflow.input.account}", False, "account null is unknown", None),
        ("${workflow.input.account}", False, f"account null: use {ACCOUNT}", PatchRule.TAINT),
        ("${workflow.input.tier}", True, f"account null: use {ACCOUNT}", PatchRule.TAINT),
        (ACCOUNT, True, "account null is unknown", PatchRule.TAINT),
    ],
)
def test_a_reference_brings_in_what_is_declared_for_its_place(
    reference: str, declared: bool, reason: str, against: PatchRule | None
) -> None:
    found = {finding.rule for finding in mapped(reference, declared=declared, reason=reason)}
    assert (against in found) if against else found == set()


def test_a_constant_of_good_runs_is_no_copy_and_an_input_of_theirs_is() -> None:
    steps = [{**step, "parameters": {**step.get("parameters", {})}} for step in DEFINITION["steps"]]
    steps[4]["parameters"]["note"] = "ordinary-kpt"
    before = definition(steps=steps)

    def against(note: str, run: RecordedRun, good: RecordedRun) -> set[PatchRule]:
        told = FailureEvidence(texts=(f"the note must be {note}",))
        patch = parse_patch([put("/steps/4/parameters/note", note)])
        proof = prove(before, patch, evidence=told, failing=run, good=[good], limits=limits())
        return set() if isinstance(proof, ProvenPatch) else {finding.rule for finding in proof}

    answers = [*ANSWERS[:4], {**ANSWERS[4], "parameters": {"text": "Order done", "note": "ordinary-kept"}}]
    run = good_run(answers=answers)
    assert against("ordinary-kept", replace_id(run), run) == set()
    from_input = good_run(answers=answers, input={"sku": "s-1", "account": "acct-main", "tier": "ordinary-kept"})
    assert against("ordinary-kept", replace_id(run), from_input) == {PatchRule.TAINT}


def replace_id(run: RecordedRun) -> RecordedRun:
    return run.model_copy(update={"id": "failing", "effects": None, "outputs": None})
