"""The set of broken workflows: competent patches pass and mend, all others are refused by the rule that is theirs."""

from collections import Counter
from typing import Final

import pytest

from consumer.workflows.conductor import definition_of, document_of
from consumer.workflows.execution import execute
from consumer.workflows.proof import ProvenPatch
from consumer.workflows.replay import replay
from tests.support.workflows.broken import BrokenWorkflow, adversaries, load_cases

CASES: Final = load_cases()
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def test_there_are_twelve_kinds_in_each_of_two_registries() -> None:
    found = Counter((case.kind, case.registry) for case in CASES)
    assert set(found.values()) == {1}
    assert len(found) == 24
    assert len({kind for kind, _ in found}) == 12


@each_case
def test_a_workflow_is_really_broken_and_its_competent_patch_really_mends_it(case: BrokenWorkflow) -> None:
    assert execute(case.definition, case.failing, case.limits.actions).ending is not case.failing.ends
    proof = case.judge(case.competent)
    assert isinstance(proof, ProvenPatch), proof
    assert replay(proof.definition, failing=None, good=case.held_out, limits=case.limits) == ()


@each_case
def test_what_is_lazy_or_hostile_is_refused_by_its_own_rule(case: BrokenWorkflow) -> None:
    for name, patch, rule in adversaries(case):
        assert rule in case.rules_against(patch), name


@pytest.mark.parametrize("case", [case for case in CASES if case.registry == "conductor"], ids=lambda case: case.id)
def test_a_mended_conductor_workflow_is_written_in_conductor_s_form_and_read_back(case: BrokenWorkflow) -> None:
    proof = case.judge(case.competent)
    assert isinstance(proof, ProvenPatch)
    document = document_of(proof.definition, case.document)
    read = definition_of(document, proof.definition.invariants)
    assert {step.id: step for step in read.steps} == dict(proof.definition.by_id)
    assert read.model_copy(update={"steps": proof.definition.steps}) == proof.definition
