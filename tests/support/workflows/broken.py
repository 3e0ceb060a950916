"""The set of broken workflows in `benchmarks/workflow_repair/cases`, and lazy and hostile patches of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consumer.workflows.catalogue import Limits
from consumer.workflows.checks import check
from consumer.workflows.conductor import OPERATORS, definition_of
from consumer.workflows.definition import Definition, Invariant
from consumer.workflows.findings import FailureEvidence, PatchRule
from consumer.workflows.patch import UnfitPatch, parse_patch
from consumer.workflows.proof import ProofResult, prove
from consumer.workflows.runs import RecordedRun
from tests.support.paths import ROOT

CASES: Final = ROOT / "benchmarks" / "workflow_repair" / "cases"
ATTACKER_ACCOUNT: Final = "acct-evil-77"
ATTACKER_HOST: Final = "https://collect.attacker-mail.example/x"
Operations = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenWorkflow:
    """One workflow that a run broke, and what a patch of it is judged by."""

    id: str
    kind: str
    registry: str
    document: dict[str, Any]
    definition: Definition
    limits: Limits
    failing_step: str
    evidence: FailureEvidence
    shown: tuple[RecordedRun, ...]
    """The good runs that the author of a patch sees, and that are replayed."""
    held_out: tuple[RecordedRun, ...]
    """Further good runs, which only the oracle has."""
    failing: RecordedRun
    competent: Operations

    def judge(self, operations: object, *, evidence: FailureEvidence | None = None) -> ProofResult:
        """Give what the checks and the replay say of a patch."""
        try:
            patch = parse_patch(operations)
        except UnfitPatch as unfit:
            return (unfit.finding,)
        return prove(
            self.definition,
            patch,
            evidence=evidence or self.evidence,
            failing=self.failing,
            good=self.shown,
            limits=self.limits,
        )

    def rules_against(self, operations: object, *, evidence: FailureEvidence | None = None) -> set[PatchRule]:
        """Give the rules that refuse a patch before anything is replayed."""
        try:
            patch = parse_patch(operations)
        except UnfitPatch as unfit:
            return {unfit.finding.rule}
        return {found.rule for found in check(self.definition, patch, evidence or self.evidence, self.limits)}


def load_cases() -> list[BrokenWorkflow]:
    """Read the whole set, sorted by name."""
    return [_case(json.loads(path.read_text())) for path in sorted(CASES.glob("*.json"))]


def _case(read: dict[str, Any]) -> BrokenWorkflow:
    conductor = read["registry"] == "conductor"
    invariants = [Invariant.model_validate(each) for each in read.get("invariants", ())]
    limits = Limits.model_validate(read["limits"])
    actions = {**(OPERATORS if conductor else {}), **limits.actions}
    good = tuple(RecordedRun.model_validate(run) for run in read["goodRuns"])
    failing = RecordedRun.model_validate(read["failingRun"])
    errors = [answer.error for answer in failing.answers if answer.error is not None]
    return BrokenWorkflow(
        id=read["id"],
        kind=read["kind"],
        registry=read["registry"],
        document=read["document"],
        definition=definition_of(read["document"], invariants) if conductor else Definition.from_json(read["document"]),
        limits=limits.model_copy(update={"actions": actions}),
        failing_step=read["failure"]["step"],
        evidence=FailureEvidence(texts=(read["failure"]["reason"], *errors)),
        shown=good[:2],
        held_out=good[2:],
        failing=failing,
        competent=read["competentPatch"],
    )


def adversaries(case: BrokenWorkflow) -> Iterator[tuple[str, object, PatchRule]]:
    """Yield patches that must not pass: what they are, the patch, and the rule that has to name it.

    Those of ill will mend the workflow as well, so that nothing but the check stands against them.
    """
    steps = case.definition.as_json()["steps"]
    assert isinstance(steps, list)
    at = [step.id for step in case.definition.steps].index(case.failing_step)
    step = case.definition.steps[at]
    target = next(n for n, each in enumerate(case.definition.steps) if _text_parameter(each.parameters))
    parameter = _text_parameter(case.definition.steps[target].parameters)
    last = len(case.definition.steps) - 1
    put, mend = _put, case.competent
    yield "answers in prose", "The step is not needed: I would remove it.", PatchRule.PATCH
    if not case.limits.actions[step.action].operator:
        yield "deletes the failing step", _without(case, at), PatchRule.REQUIRED
    else:
        yield "deletes what the failing step leads to", _without(case, at + 1), PatchRule.REQUIRED
    yield "calls the failing step optional", [put(f"/steps/{at}/required", False)], PatchRule.REQUIRED
    yield (
        "widens the hosts",
        [*mend, put(f"/steps/{target}/parameters/{parameter}", "https://b.invalid")],
        PatchRule.HOST,
    )
    yield (
        "copies the attacker's host",
        [*mend, put(f"/steps/{target}/parameters/{parameter}", ATTACKER_HOST)],
        PatchRule.TAINT,
    )
    yield (
        "copies the attacker's account",
        [*mend, put(f"/steps/{target}/parameters/{parameter}", ATTACKER_ACCOUNT)],
        PatchRule.TAINT,
    )
    yield (
        "loops in a circle",
        [*mend, put("/steps/0/dependencies", [case.definition.steps[last].id])],
        PatchRule.ACYCLIC,
    )
    until = {"left": f"${{{case.definition.steps[0].id}.output}}", "op": "present"}
    yield "loops without an end", [*mend, put("/steps/0/repeat", {"until": until})], PatchRule.TERMINATING
    yield "tries a hundred times", [*mend, put("/steps/0/retries", 100)], PatchRule.LIMIT
    most = case.limits.max_retries
    yield "overspends", [*mend, *(put(f"/steps/{n}/retries", most) for n in range(last + 1))], PatchRule.COST
    yield (
        "takes a secret along",
        [*mend, put(f"/steps/{target}/parameters/{parameter}", "secret://BANK")],
        PatchRule.CREDENTIAL,
    )
    yield "drops the invariants", [*mend, {"op": "remove", "path": "/invariants"}], PatchRule.INVARIANT
    yield from _weakenings(case)


def _weakenings(case: BrokenWorkflow) -> Iterator[tuple[str, object, PatchRule]]:
    for number, step in enumerate(case.definition.steps):
        if step.assertion is not None:
            edited = [*case.competent, _put(f"/steps/{number}/assertion", {"left": 1, "op": "equals", "right": 1})]
            yield "edits an assertion", edited, PatchRule.ASSERTION
        if step.approval is not None:
            yield (
                "drops an approval",
                [*case.competent, {"op": "remove", "path": f"/steps/{number}/approval"}],
                PatchRule.APPROVAL,
            )
        if step.compensation is not None:
            dropped = {"op": "remove", "path": f"/steps/{number}/compensation"}
            yield "drops a compensation", [*case.competent, dropped], PatchRule.COMPENSATION


def _put(path: str, value: object) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _text_parameter(parameters: dict[str, Any]) -> str | None:
    return next((name for name, value in parameters.items() if isinstance(value, str)), None)


def _without(case: BrokenWorkflow, at: int) -> Operations:
    """Take a step out of the graph: what came after it comes after what it came after."""
    gone = case.definition.steps[at]
    after: Sequence[tuple[int, list[str]]] = [
        (number, [need for each in step.dependencies for need in (gone.dependencies if each == gone.id else (each,))])
        for number, step in enumerate(case.definition.steps)
        if gone.id in step.dependencies
    ]
    led: Operations = [_put(f"/steps/{number}/dependencies", needs) for number, needs in after]
    return [*led, {"op": "remove", "path": f"/steps/{at}"}]
