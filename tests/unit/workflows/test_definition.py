"""A definition is read as it is written, keeps its digest, and says where a document is none."""

import pytest

from consumer.workflows.definition import Definition, UnreadableDefinition
from consumer.workflows.runs import WorkflowConfig

DOCUMENT = {
    "name": "orders",
    "inputs": ["total"],
    "steps": [
        {"stepId": "reserve", "engineType": "internal_service", "action": "stock.reserve", "dependencies": []},
        {
            "stepId": "charge",
            "agentName": "billing",
            "engineType": "internal_service",
            "action": "payments.charge",
            "parameters": {"amount": "${workflow.input.total}"},
            "dependencies": ["reserve"],
            "retries": 2,
            "when": {"left": "${workflow.input.total}", "op": "at_least", "right": 1},
            "compensation": {"engineType": "internal_service", "action": "payments.refund"},
        },
    ],
    "outputs": {"paid": "${charge.output.amount}"},
    "invariants": [{"id": "reserved_first", "order": ["reserve", "charge"]}],
}


def test_a_definition_is_written_as_it_was_read() -> None:
    definition = Definition.from_json(DOCUMENT)
    assert definition.by_id["charge"].dependencies == ("reserve",)
    assert Definition.from_json(definition.as_json()) == definition


def test_the_digest_is_of_the_meaning_and_not_of_the_order_of_members() -> None:
    turned = Definition.from_json(dict(reversed(DOCUMENT.items())))
    assert turned.digest == Definition.from_json(DOCUMENT).digest
    assert Definition.from_json(DOCUMENT | {"onFailure": "undo"}).digest != turned.digest


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"steps": []}, "/steps"),
        ({"privileged": True}, "/privileged"),
        ({"steps": [{"stepId": "a b", "engineType": "e", "action": "x"}]}, "/steps/0/stepId"),
        ({"steps": [{"stepId": "a", "engineType": "e", "action": "x", "run": "rm"}]}, "/steps/0/run"),
    ],
)
def test_what_is_no_definition_is_refused_with_its_place(change: dict[str, object], where: str) -> None:
    with pytest.raises(UnreadableDefinition, match=f"^{where}: "):
        Definition.from_json(DOCUMENT | change)


def test_a_registry_that_keeps_steps_alone_is_read_as_a_definition_without_runs() -> None:
    config = WorkflowConfig.from_json(DOCUMENT)
    assert config.good_runs == ()
    assert WorkflowConfig.from_json(config.as_json()) == config
