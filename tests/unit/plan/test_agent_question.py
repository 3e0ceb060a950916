"""When a model is asked what is broken: where its entry says so, no rule knows, and nothing was tried."""

from dataclasses import replace
from typing import Any, Final

import pytest

from consumer.catalog import parse_catalog
from consumer.diagnose.agent_evidence import diagnosis_of
from consumer.errors import ConfigError
from consumer.model import Failure, LadderProgress, Refuse
from consumer.model.agent_diagnosis import AgentDiagnosis, DiagnosisAnswer
from consumer.model.digest import digest
from consumer.plan.agent_question import asks_agent
from schemas.names import Code, DiagnosisAnswerKind, StrategyName
from tests.support.healing import NOW, failure
from tests.support.pipeline import catalog

AGENT: Final = "{api: 'http://127.0.0.1:9/v1', model: m, price: {input_aud: 1, output_aud: 1}}"
TOO_WIDE: Final = "model: m, diagnosis: {tokens: {failure: 999999999}}"
CATALOG: Final = parse_catalog(catalog(9, agent=AGENT, diagnose="agent"))
PLAN: Final = Refuse(strategy=StrategyName.WORKFLOW_REWRITE, code=Code.REFUSED, reason="", catalog_version="")
UNKNOWN: Final = replace(failure({}, reason="the far side went to lunch"), source="urn:test")
ANSWERED: Final = AgentDiagnosis(asks=1, answer=DiagnosisAnswer(kind=DiagnosisAnswerKind.AGREES))


def asks(failed: Failure, text: str | None = None) -> bool:
    read = CATALOG if text is None else parse_catalog(text)
    return asks_agent(failed, diagnosis_of(failed), PLAN, read, NOW)


def test_it_is_off_where_nothing_is_said() -> None:
    assert asks(UNKNOWN)
    assert not asks(UNKNOWN, catalog(9, agent=AGENT))


@pytest.mark.parametrize(
    "changes",
    [
        {"failure_reason": "request timeout after 30 s"},
        {"attempts": 1},
        {"effect_in_doubt": True},
        {"ladder_progress": LadderProgress(attempts={"auto-retry": 1})},
        {"agent_diagnosis": ANSWERED},
        {"source": None, "inserted_as": "member"},
    ],
    ids=", ".join,
)
def test_nobody_is_asked_of_what_is_known_or_begun_or_answered_or_reported_by_who_may_not_be_healed(
    changes: dict[str, Any],
) -> None:
    assert not asks(replace(UNKNOWN, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_diagnosis": AgentDiagnosis(asks=1)},
        {"source": None, "inserted_as": "owner"},
        {"source": None, "inserted_as": "member", "vouched": True},
    ],
    ids=["it is being asked", "an owner's row", "an owner asked for its heal"],
)
def test_it_is_asked_of_what_may_be_healed(changes: dict[str, Any]) -> None:
    assert asks(replace(UNKNOWN, **changes))


def test_a_diagnosis_that_is_sure_enough_is_not_asked_about() -> None:
    sure = diagnosis_of(UNKNOWN).confidence
    below = AGENT.replace("model: m", f"model: m, diagnosis: {{least_confidence: {sure / 2}}}")
    above = AGENT.replace("model: m", f"model: m, diagnosis: {{least_confidence: {min(1, sure + 0.01)}}}")
    assert not asks(UNKNOWN, catalog(9, agent=below, diagnose="agent"))
    assert asks(UNKNOWN, catalog(9, agent=above, diagnose="agent"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"diagnose": "agent"}, "the entry has no `agent:`"),
        ({"diagnose": "agent", "agent": AGENT.replace("model: m", TOO_WIDE)}, "it could never be used"),
    ],
)
def test_a_catalog_that_contradicts_itself_is_refused(more: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_catalog(catalog(9, **more))


def test_an_entry_without_it_keeps_the_digest_that_it_had() -> None:
    plain, on = (parse_catalog(catalog(9, agent=AGENT, **more)).workflows[0] for more in ({}, {"diagnose": "agent"}))
    given = plain.model_dump(mode="json")
    assert plain.digest != on.digest
    del given["diagnose"], given["agent"]["diagnosis"], given["billing"]
    assert plain.digest == digest(given)
