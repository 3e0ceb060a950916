"""Declared actions in the catalog: what is read, and each error with its line and what to write instead."""

from typing import Any

import pytest
import yaml

from consumer.catalog import parse_catalog
from consumer.errors import ConfigError
from consumer.model import ActionName
from schemas.names import FailureType, StrategyName

LOOK = {"url": "https://ops.example.com/cache", "value": "/version"}


def action(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - of a declaration
    call = {"url": "https://ops.example.com/flush"}
    return {"call": call, "read_back": LOOK, "cap": {"starts": 2, "within": "PT1H"}} | changes


def written(declared: dict[str, Any], **policy: Any) -> str:  # noqa: ANN401 - of an entry
    entry = {"name": "*", "ladders": {"unknown": ["action:flush", "auto-retry"]}} | policy
    return yaml.safe_dump({"version": 1, "actions": {"flush": declared}, "workflows": [entry]})


def test_a_ladder_names_an_action_and_its_limits() -> None:
    policy = parse_catalog(written(action(), rungs={"action:flush": {"attempts": 2}})).workflows[0]
    name = policy.ladders[FailureType.UNKNOWN][0]
    assert name == "action:flush"
    assert isinstance(name, ActionName)
    assert (policy.limits_of(name).attempts, policy.limits_of(StrategyName.AUTO_RETRY).attempts) == (2, None)
    assert policy.actions[name].cap.starts == 2


def test_an_action_is_a_part_of_its_entry_as_it_is_approved() -> None:
    one, other = (parse_catalog(written(action(cost_aud=cost))).workflows[0].digest for cost in ("0", "0.01"))
    assert one != other


def test_an_action_without_limits_acts_once_for_a_failure() -> None:
    policy = parse_catalog(written(action())).workflows[0]
    assert policy.limits_of(ActionName("action:flush")).attempts == 1


LARGER = {"url": "https://ops.example.com/class", "body": {"class": "{larger}"}}


@pytest.mark.parametrize(
    ("declared", "policy", "says"),
    [
        pytest.param(
            action(), {"ladders": {"unknown": ["action:flash", "auto-retry"]}}, "flash is not declared", id="no"
        ),
        pytest.param(action(), {"ladders": {"unknown": ["action:flush"]}}, "a rung has to come after it", id="last"),
        pytest.param(action(), {"ladders": {"unknown": ["action:Flush!"]}}, "has to be", id="a name of no form"),
        pytest.param(action(), {"rungs": {"action:other": {"attempts": 1}}}, "stands on none", id="limits of nothing"),
        pytest.param(
            action(), {"strategies": ["auto-retry"]}, "route-repair, which action:flush counts as", id="allowed"
        ),
        pytest.param(action(larger={"s": "m"}), {}, "nothing in its `call` says `{larger}`", id="a class not given"),
        pytest.param(action(call=LARGER), {}, "declare the classes under `larger`", id="classes not declared"),
        pytest.param(action(call=LARGER, larger={"s": "m", "m": "s"}), {}, "comes after itself", id="a circle"),
        pytest.param(
            action(call=LARGER, larger={"s": "m"}, read_back=LOOK | {"done": ["m"]}),
            {},
            "is what stands there once",
            id="a larger one done",
        ),
        pytest.param(action(cap={"starts": 0, "within": "PT1H"}), {}, "has to be 1 or more", id="a cap of none"),
        pytest.param(action(read_back={"url": LOOK["url"]}), {}, "value", id="a look at nothing"),
        pytest.param(
            action(call={"url": "https://ops.example.com/flush", "effect": "keyed"}),
            {},
            "key_header",
            id="a key not sent",
        ),
        pytest.param(
            action(call={"url": "https://ops.example.com/f", "headers": {"x": "secret://NONE"}}),
            {},
            "secret://NONE is not declared",
            id="an unknown secret",
        ),
        pytest.param(
            action(call={"url": "https://{run.id}.example.com/f"}), {}, "the host comes from a value", id="host"
        ),
    ],
)
def test_what_cannot_be_meant_is_an_error_with_its_line(
    declared: dict[str, Any], policy: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=r"^catalog:\d+: ") as raised:
        parse_catalog(written(declared, **policy))
    assert says in str(raised.value)
