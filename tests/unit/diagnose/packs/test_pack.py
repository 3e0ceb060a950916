"""Provider packs: how a line is read, what counts only beside its provider, what installed clients say of theirs."""

import inspect
from typing import Any

import aiokafka.errors
import asyncpg.exceptions
import grpc
import pytest
from confluent_kafka import KafkaError

from consumer.diagnose import diagnose
from consumer.diagnose.packs import PACKS
from consumer.diagnose.packs.pack import parse_pack, read_packs
from consumer.diagnose.rules import RULES
from consumer.plan.default_ladder import RETRIES
from schemas.names import Disposition, FailureType

ASKED_FOR = {
    "openai", "anthropic", "gemini", "azure-openai", "elevenlabs", "deepgram", "stability", "replicate", "fal",
    "stripe",
    "twilio", "email", "slack", "whatsapp", "google", "google-actions", "microsoft", "hubspot", "salesforce", "shopify",
    "scheduling", "aws", "gcp", "azure", "grpc", "sqlstate", "mysql", "stores", "kafka", "kubernetes",
}  # fmt: skip


def of(code: str, reason: str = "the call failed", **error: Any) -> Disposition:  # noqa: ANN401 - any context
    return diagnose(reason, {"error": {"code": code, **error}}).disposition


def test_every_provider_that_a_platform_calls_has_a_pack_with_a_source() -> None:
    packs = {pack.name: pack for pack in read_packs()}
    assert packs.keys() >= ASKED_FOR
    assert all(pack.source.startswith("https://") and pack.seen for pack in packs.values())
    assert len({rule.id for rule in (*RULES, *PACKS)}) == len(RULES) + len(PACKS)


def test_in_one_pack_a_code_has_one_disposition() -> None:
    for pack in read_packs():
        codes = [code for some in pack.codes.values() for code in some]
        assert sorted(codes) == sorted(set(codes)), pack.name


@pytest.mark.parametrize(
    "text",
    ["lock_timeout retry_now", "source https://a\nlock_timeout soon", "source https://a\nlock timeout retry_now"],
)
def test_a_line_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"broken|soon"):
        parse_pack("broken", text)


def test_the_evidence_names_the_pack() -> None:
    diagnosis = diagnose("update failed", {"error": {"code": "UNABLE_TO_LOCK_ROW"}})
    assert diagnosis.evidence[0].rule == "pack.salesforce.retry_now"
    assert (diagnosis.failure_type, diagnosis.disposition) == (
        FailureType.CONCIERGE_ACTION_FAILURE,
        Disposition.RETRY_NOW,
    )


def test_a_number_counts_only_beside_its_provider() -> None:
    assert of("21610", provider="twilio") is Disposition.NEEDS_PERSON
    assert diagnose("Twilio error 21211 at the reminder", {}).disposition is Disposition.NEEDS_REPAIR
    assert diagnose("step failed", {"error": {"code": "21610"}}).evidence == ()
    assert of("not_found_error", provider="anthropic") is Disposition.NEEDS_REPAIR


def test_a_name_alone_is_no_evidence_where_its_failures_have_no_type() -> None:
    assert diagnose("The postgres container", {}).evidence == ()
    assert diagnose("kafka", {}).evidence == ()


def test_a_sqlstate_counts_as_a_code_and_in_words_only_beside_its_database() -> None:
    assert of("53300") is Disposition.RETRY_AFTER
    assert diagnose("row 53300 of the import", {}).evidence == ()
    assert diagnose("psycopg: 53300", {}).disposition is Disposition.RETRY_AFTER


def _kafka_errors() -> list[type[aiokafka.errors.KafkaError]]:
    found = vars(aiokafka.errors).values()
    return [one for one in found if inspect.isclass(one) and issubclass(one, aiokafka.errors.BrokerResponseError)]


def test_what_the_kafka_client_tries_again_is_tried_again() -> None:
    errors = [one for one in _kafka_errors() if one.retriable]
    assert len(errors) >= 10
    missed = [one.__name__ for one in errors if _kafka(one.__name__) not in RETRIES]
    assert len(missed) <= 0.15 * len(errors), missed


def test_what_the_kafka_client_gives_up_is_seldom_tried_again() -> None:
    errors = [one for one in _kafka_errors() if not one.retriable]
    tried = [one.__name__ for one in errors if _kafka(one.__name__) in RETRIES]
    assert len(tried) <= 0.25 * len(errors), tried


def _kafka(name: str) -> Disposition:
    return diagnose(f"aiokafka.errors.{name}", {"error": {"type": f"aiokafka.errors.{name}"}}).disposition


def test_codes_of_librdkafka_that_are_retriable_are_known() -> None:
    names = [name for name in dir(KafkaError) if name.isupper() and isinstance(getattr(KafkaError, name), int)]
    retriable = [name for name in names if KafkaError(getattr(KafkaError, name)).retriable()]
    missed = [name for name in retriable if of(name, "librdkafka") not in RETRIES]
    assert len(missed) <= 0.2 * max(1, len(retriable)), missed


REPAIRED = {Disposition.NEEDS_REPAIR, Disposition.NEEDS_PERSON}
REFUSED = {Disposition.NEEDS_PERSON, Disposition.NEEDS_CREDENTIAL}
PASSING = {*RETRIES, Disposition.NEEDS_PERSON}
CLASSES = {
    "08": RETRIES,
    "40": RETRIES,
    "53": PASSING,
    "57": PASSING,
    "22": REPAIRED,
    "23": REPAIRED,
    "28": REFUSED,
    "42": REFUSED,
}


@pytest.mark.parametrize("kind", CLASSES)
def test_the_classes_of_postgresqls_errors_are_disposed_as_they_are_meant(kind: str) -> None:
    every = (getattr(one, "sqlstate", None) for one in vars(asyncpg.exceptions).values())
    states = {state for state in every if isinstance(state, str) and state.startswith(kind)}
    known = {code for code in states if diagnose("it failed", {"error": {"code": code}}).evidence}
    assert known, states
    for code in known - {"08004", "08P01"}:
        assert of(code) in CLASSES[kind], code


def test_every_status_of_grpc_has_a_disposition() -> None:
    for status in grpc.StatusCode:
        if status is not grpc.StatusCode.OK:
            assert diagnose("rpc failed", {"error": {"grpc_status": status.name}}).evidence, status
