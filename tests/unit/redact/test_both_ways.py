"""Both ways redaction can fail, through the decoder: a secret that passes, a harmless value that is held back."""

import json
import re

import pytest

from consumer.redact import redact_text
from consumer.redact.commands import OPTIONS, PasswordOption
from consumer.redact.issuers import SHAPES, SecretShape
from tests.support.redaction.carriers import CARRIERS, PLACES, decoded, stored
from tests.support.redaction.drawn import drawn
from tests.support.redaction.given import given, value_of
from tests.support.redaction.harmless import HARMLESS
from tests.support.redaction.secrets import SECRETS

MOST = 0.03
"""The share of secrets that may pass, and of harmless values that may be held back."""


def passes(text: str, core: str, carriers: list[str]) -> list[str]:
    """Return the carriers in which the secret survives the door."""
    survived = []
    for carrier in carriers:
        kept = stored(decoded(CARRIERS[carrier](text)))
        if core in kept or json.dumps(core, ensure_ascii=False)[1:-1] in kept:
            survived.append(carrier)
    return survived


def core_of(text: str, core: str | None) -> str:
    """Return what must go of a text: its longest drawn part where nothing else is said."""
    if core is not None:
        return core.strip()
    fixed = re.split(r"\{[A-Za-z]\d+\}", text)
    found = re.fullmatch("(.*)".join(map(re.escape, fixed)), drawn(text), re.DOTALL)
    assert found is not None
    return max(found.groups(), key=len)


def is_held_back(place: str, field: str, value: object) -> bool:
    """Return whether a value in a request that is to be sent is redacted: then its heal is refused."""
    return bool(decoded(PLACES[place](field, value)).redactions)


def test_given_secrets_do_not_pass() -> None:
    cases = given("redaction_misses.json")
    if not cases:
        pytest.skip("the given cases are not beside this checkout")
    passed = {
        case["id"]: survived
        for case in cases
        if (survived := passes(case["text"], case["must_not_survive"], [c for c in case["carriers"] if c in CARRIERS]))
    }
    assert len(passed) <= MOST * len(cases), passed


def test_given_harmless_values_are_not_held_back() -> None:
    cases = given("redaction_false_positives.json")
    if not cases:
        pytest.skip("the given cases are not beside this checkout")
    held = [case["id"] for case in cases if is_held_back(case["place"], case["field"], value_of(case))]
    assert len(held) <= MOST * len(cases), held


def test_secrets_of_our_own_do_not_pass() -> None:
    texts = ("failure_reason", "workflow_name", "context value alone", "context key", "unknown data field")
    passed = {
        name: survived
        for name, (text, core) in SECRETS.items()
        if (survived := passes(drawn(text), core_of(text, core), list(texts)))
    }
    assert len(passed) <= MOST * len(SECRETS), passed


def test_harmless_values_of_our_own_are_not_held_back() -> None:
    held = []
    for place, field, value in HARMLESS:
        shown = drawn(value) if isinstance(value, str) else value
        if is_held_back(place, field, shown):
            held.append((place, field, shown))
    assert len(held) <= MOST * len(HARMLESS), held


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.issuer} {shape.trigger[:12]}")
def test_the_example_of_each_shape_goes(shape: SecretShape) -> None:
    example = drawn(shape.example)
    for around in ("{}", "call with {} failed", '{{"x": "{}"}}'):
        clean = redact_text(around.format(example))
        assert example[-12:] not in clean
        assert redact_text(clean) == clean


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.example)
def test_the_example_of_each_command_goes(option: PasswordOption) -> None:
    clean = redact_text(f"step failed: {option.example}")
    assert option.secret not in clean
    assert redact_text(clean) == clean


@pytest.mark.parametrize("name", sorted({name for option in OPTIONS for name in option.commands.split("|")}))
def test_a_text_that_names_a_command_is_searched_to_its_end(name: str) -> None:
    written = name.replace("\\", "")
    assert written.isascii()
    text = f"step failed: {written} -x --token a -p b"
    for spelled in {text, text.replace("?", ""), re.sub(r".\?", "", text)}:
        assert redact_text(spelled).startswith("step failed: ")


def test_a_private_key_behind_a_certificate_is_held_back_under_any_name() -> None:
    frame = "-----BEGIN {0}-----\n{1}\n-----END {0}-----\n"
    certificate = frame.format("CERTIFICATE", drawn("MIID{B200}"))
    assert not is_held_back("body field", "key", certificate)
    assert is_held_back("body field", "key", certificate + frame.format("PRIVATE KEY", drawn("MIIE{B200}")))
    assert is_held_back("body field", "hostkey", drawn("ssh-rsa AAAA{B80} password=Birch50Twig"))
