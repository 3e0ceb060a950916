"""Change requests in the catalog: what is refused before anything is sent."""

import json
from typing import Any, Final

import pytest

from consumer.catalog import ChangeRequest, parse_catalog
from consumer.errors import ConfigError
from tests.support.pipeline import catalog

CALL: Final[dict[str, Any]] = {"url": "http://127.0.0.1:9/pulls", "body": {"head": "{key}", "diff": "{diff}"}}
LOOK: Final[dict[str, Any]] = {"url": "http://127.0.0.1:9/pulls/{request.id}", "value": "/merged", "merged": [True]}


def parse(**change: Any) -> ChangeRequest:  # noqa: ANN401 - JSON is anything
    declared = {"path": "flows/{workflow_name}.json", "calls": [CALL]} | change
    price = {"input_aud": 0, "output_aud": 0}
    agent = {"api": "http://127.0.0.1:9/v1", "model": "m", "price": price, "change_request": declared}
    [policy] = parse_catalog(catalog(agent=json.dumps(agent)), "test").workflows
    assert policy.agent is not None
    assert policy.agent.change_request is not None
    return policy.agent.change_request


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"directory": "/changes"}, "declare one of them"),
        ({"calls": []}, "declare one of them"),
        ({"calls": [], "directory": "changes"}, "an absolute path"),
        ({"path": "flows/{run.id}.json"}, "there is no value `{run.id}` here"),
        ({"look": LOOK}, "no call says where the request's id stands"),
        ({"calls": [CALL | {"url": "http://127.0.0.1:9/{request.id}"}]}, "no call before it says"),
        ({"calls": [CALL | {"body": {"text": "see {diff}", "head": "{key}"}}]}, "is a whole document"),
        ({"calls": [CALL | {"body": {"diff": "{diff}"}}]}, "a keyed order needs"),
        ({"calls": [CALL | {"effect": "unsafe"}]}, "effect"),
        ({"calls": [CALL | {"headers": {"a": "secret://GIT"}}]}, "secret://GIT is not declared"),
        ({"calls": [CALL] * 5}, "calls"),
        ({"wait": "P61D"}, "wait"),
        (
            {"look": LOOK | {"url": "http://127.0.0.1:9/{key}", "declined": [True]}},
            "cannot mean that it is merged, and that it is not",
        ),
    ],
)
def test_what_could_not_work_is_refused_with_its_reason(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(**change)
    assert said in str(refused.value)


def test_one_that_can_work_is_taken() -> None:
    assert parse(calls=[CALL | {"request_id": "/number"}], look=LOOK).calls[0].request_id == "/number"
    assert parse(calls=[], directory="/changes").directory == "/changes"
