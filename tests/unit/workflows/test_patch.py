"""A JSON Patch leads to another definition, or to the name of what is wrong with it."""

import pytest

from consumer.workflows.definition import Definition
from consumer.workflows.findings import PatchRule
from consumer.workflows.patch import UnfitPatch, apply_patch, parse_patch, patch_json

BEFORE = Definition.from_json(
    {
        "name": "w",
        "steps": [
            {"stepId": "a", "engineType": "e", "action": "x", "parameters": {"n": 1}},
            {"stepId": "b", "engineType": "e", "action": "y", "dependencies": ["a"]},
        ],
    }
)


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    operations = [
        {"op": "test", "path": "/steps/0/parameters/n", "value": 1},
        {"op": "replace", "path": "/steps/0/parameters/n", "value": 2},
        {"op": "add", "path": "/steps/1/retries", "value": 3},
    ]
    patch = parse_patch(operations)
    after = apply_patch(BEFORE, patch)
    assert (after.by_id["a"].parameters, after.by_id["b"].retries) == ({"n": 2}, 3)
    assert BEFORE.by_id["a"].parameters == {"n": 1}
    assert patch_json(patch) == operations


@pytest.mark.parametrize(
    ("operations", "rule", "where"),
    [
        ("delete everything", PatchRule.PATCH, ""),
        ([{"op": "run", "path": "/steps"}], PatchRule.PATCH, ""),
        ([{"op": "replace", "path": "steps", "value": 1}], PatchRule.PATCH, ""),
        ([{"op": "remove", "path": "/steps/7"}], PatchRule.PATCH, "operation 0"),
        ([{"op": "test", "path": "/name", "value": "other"}], PatchRule.PATCH, "operation 0"),
        ([{"op": "replace", "path": "", "value": []}], PatchRule.SCHEMA, ""),
        ([{"op": "add", "path": "/steps/0/shell", "value": "id"}], PatchRule.SCHEMA, ""),
        ([{"op": "add", "path": "/steps/0/parameters/n", "value": 2**70}], PatchRule.PATCH, ""),
    ],
)
def test_a_patch_that_does_not_fit_says_why(operations: object, rule: PatchRule, where: str) -> None:
    with pytest.raises(UnfitPatch) as caught:
        apply_patch(BEFORE, parse_patch(operations))
    assert (caught.value.finding.rule, caught.value.finding.where) == (rule, where)


def test_a_patch_that_doubles_a_part_again_and_again_is_stopped() -> None:
    double = [{"op": "copy", "from": "/steps/0/parameters", "path": f"/steps/0/parameters/k{n}"} for n in range(18)]
    with pytest.raises(UnfitPatch, match="grows beyond"):
        apply_patch(BEFORE, parse_patch(double))
