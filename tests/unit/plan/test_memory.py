"""Out of memory: by which words it is known, and what a declared larger class changes."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from consumer.catalog import WorkflowPolicy, parse_catalog
from consumer.diagnose.diagnosis import diagnose
from consumer.model import ActionName, LadderProgress
from consumer.plan.memory import memory_evidence, relieved, says_out_of_memory
from schemas.names import Disposition
from tests.support.healing import failure as make_failure


def policy() -> WorkflowPolicy:
    grows = {
        "call": {"url": "https://ops.example.com/class", "body": {"class": "{larger}"}},
        "read_back": {"url": "https://ops.example.com/class", "value": "/class"},
        "larger": {"small": "large"},
        "cap": {"starts": 2, "within": "PT1H"},
    }
    entry = {"name": "*", "ladders": {"unknown": ["action:grow", "auto-retry"]}}
    return parse_catalog(yaml.safe_dump({"version": 1, "actions": {"grow": grows}, "workflows": [entry]})).workflows[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Container killed: OOMKilled", True),
        ("worker process exited with code 137", True),
        ("exit status: 137", True),
        ("java.lang.OutOfMemoryError: Java heap space", True),
        ("CUDA out of memory", True),
        ("exited with code 1", False),
        ("status 1371", False),
        ("HTTP status 13.137", False),
        ("order 137 was not found", False),
        ("the room is full", False),
    ],
)
def test_words_of_memory(text: str, says: bool) -> None:
    assert (says_out_of_memory(text) is not None) is says


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"error": {"exit_code": 137}}, True),
        ({"state": {"terminated": {"exitCode": "137", "reason": "Error"}}}, True),
        ({"state": {"terminated": {"reason": "OOMKilled"}}}, True),
        ({"error": {"exit_code": 1}}, False),
        ({"order": 137}, False),
    ],
)
def test_a_context_tells_it_too(context: dict[str, Any], says: bool) -> None:
    assert (memory_evidence(make_failure(context, reason="it broke")) is not None) is says


def test_a_declared_larger_class_is_the_decision_of_a_person_until_its_rung_has_refused() -> None:
    failure = make_failure({}, reason="Container killed: OOMKilled (exit 137)")
    found = diagnose(failure.failure_reason, failure.context)
    assert found.disposition is Disposition.NEEDS_PERSON
    assert relieved(found, failure, policy()).disposition is Disposition.RETRY_IF_IDEMPOTENT
    refused = replace(failure, ladder_progress=LadderProgress(exhausted=frozenset({ActionName("action:grow")})))
    assert relieved(found, refused, policy()) is found
    assert relieved(found, failure, WorkflowPolicy(name="*")) is found


def test_what_else_needs_a_person_is_not_relieved() -> None:
    failure = make_failure({}, reason="OOMKilled, exit code 137. Disk full: no space left on device")
    found = diagnose(failure.failure_reason, failure.context)
    assert found.disposition is Disposition.NEEDS_PERSON
    assert relieved(found, failure, policy()) is found
