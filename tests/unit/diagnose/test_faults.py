"""Inputs that were diagnosed wrongly once, where they lie beside the checkout: of each kind what must hold now."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from consumer.diagnose import diagnose
from consumer.model import Diagnosis
from consumer.plan.default_ladder import RETRIES
from schemas.names import Disposition, FailureType
from tests.support.paths import ROOT

FAULTS = ROOT.parent / "shared/cases/faults"
NO_TYPES_OF_A_BREAKER = {FailureType.INVALID_SCHEMA, FailureType.VOICE_GENERATION_ERROR}
SECONDS = {
    "told-wait-misread-01": 7200,
    "told-wait-misread-02": 20,
    "told-wait-misread-03": 90,
    "told-wait-misread-04": 90,
    "told-wait-misread-08": 86_400,
    "told-wait-misread-09": 150,
    "told-wait-misread-10": None,
    "told-wait-in-structure-not-read-01": 38,
    "told-wait-in-structure-not-read-02": 1.5,
    "told-wait-in-structure-not-read-05": 20,
    "one-odd-header-drops-all-headers-02": 30,
    "one-odd-header-drops-all-headers-03": 30,
}
HOLDS: dict[str, Callable[[Diagnosis], bool]] = {
    "empty-or-html-answer-read-as-schema-fault": lambda told: told.disposition in RETRIES,
    "german-abgelaufen-is-not-always-a-credential": lambda told: told.disposition is Disposition.RETRY_IF_IDEMPOTENT,
    "installation-read-as-a-failed-install": lambda told: told.disposition is Disposition.RETRY_AFTER,
    "is-required-read-as-missing-field": lambda told: told.failure_type is not FailureType.INVALID_SCHEMA,
    "max-tokens-as-a-parameter-read-as-truncation": lambda told: told.disposition not in RETRIES,
    "numeric-status-in-error-code": lambda told: told.disposition in RETRIES,
    "one-everyday-word-decides-the-type": lambda told: told.failure_type is FailureType.UNKNOWN,
    "one-odd-header-drops-all-headers": lambda told: bool(told.evidence),
    "open-circuit-not-recognised": lambda told: (
        told.disposition is Disposition.RETRY_AFTER and told.failure_type not in NO_TYPES_OF_A_BREAKER
    ),
    "passing-infrastructure-fault-unknown": lambda told: bool(told.evidence) and told.disposition in RETRIES,
    "stack-frames-decide-the-type": lambda told: told.failure_type is FailureType.UNKNOWN,
    "throttled-with-an-upsell-read-as-money": lambda told: told.disposition is Disposition.RETRY_AFTER,
    "told-wait-in-structure-not-read": lambda told: told.disposition is Disposition.RETRY_AFTER,
    "told-wait-misread": lambda told: told.disposition is Disposition.RETRY_AFTER,
    "too-large-read-as-throttled-or-as-schema": lambda told: told.failure_type is FailureType.UNKNOWN,
    "zero-or-empty-means-silent-voice": lambda told: told.failure_type is not FailureType.VOICE_GENERATION_ERROR,
}


def _cases() -> list[tuple[str, dict[str, Any]]]:
    read = [(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in sorted(FAULTS.glob("*.json"))]
    return [(name, case["input"]) for name, case in read if "shw diagnose" in case.get("how_to_run", "")]


@pytest.mark.parametrize(("name", "said"), _cases(), ids=lambda one: one if isinstance(one, str) else "")
def test_what_was_diagnosed_wrongly_once_is_diagnosed_rightly(name: str, said: dict[str, Any]) -> None:
    told = diagnose(said["failure_reason"], said.get("context", {}))
    assert HOLDS[name.rpartition("-")[0]](told)
    if name in SECONDS:
        assert (None if told.wait is None else told.wait.total_seconds()) == SECONDS[name]


@pytest.mark.skipif(not FAULTS.exists(), reason="the inputs are not beside this checkout")
def test_every_kind_is_met_by_an_input() -> None:
    assert {name.rpartition("-")[0] for name, _ in _cases()} == set(HOLDS)
