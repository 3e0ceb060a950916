from itertools import pairwise

import pytest

from consumer.diagnose import diagnose
from consumer.diagnose.packs import PACKS
from consumer.diagnose.rule import Rule
from consumer.diagnose.rules import RULES
from consumer.diagnose.spans import MOST, READ, evidence_spans


def marked(reason: str) -> list[str]:
    said = diagnose(reason, {})
    spans = evidence_spans(reason, [one.rule for one in said.evidence if one.source == "failure_reason"])
    return [reason[one.start : one.end] for one in spans]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Request timeout after 30 s", ["Request timeout"]),
        ("the call timed out while we waited", ["timed out"]),
        ("java.net.SocketTimeoutException: Read timed out", ["SocketTimeoutException", "timed out"]),
        ("context deadline exceeded", ["deadline exceeded"]),
        ("上游请求超时", ["请求超时"]),
    ],
)
def test_the_words_of_a_diagnosis_are_found_in_its_reason(reason: str, words: list[str]) -> None:
    found = marked(reason)
    assert found
    assert {word for word in words if any(word in one or one in word for one in found)} == set(words), found


def test_the_path_of_an_address_is_not_marked() -> None:
    reason = "POST https://api.example/timeout/42 was refused: connection timed out"
    assert not any(one.start <= reason.index("/timeout/") < one.end for one in evidence_spans(reason, ["timeout.word"]))


def test_each_rule_with_words_finds_them_in_its_own_example() -> None:
    with_words = [one for one in (*RULES, *PACKS) if one.phrases and not is_of_a_path(one)]
    lost = [
        one.id
        for one in with_words
        if any(said.rule == one.id and said.source == "failure_reason" for said in diagnose(one.example, {}).evidence)
        and not evidence_spans(one.example, [one.id])
    ]
    assert len(with_words) > 100
    assert lost == []


def is_of_a_path(rule: Rule) -> bool:
    return any(word.startswith("/") for phrase in rule.phrases for element in phrase for word in element)


def test_spans_are_in_order_apart_within_the_text_and_bounded() -> None:
    reason = "Request timeout; " * (2 * READ // 17)
    spans = evidence_spans(reason, [one.id for one in RULES])
    assert 0 < len(spans) <= MOST
    assert all(0 <= one.start < one.end <= READ for one in spans)
    assert all(one.end <= later.start for one, later in pairwise(spans))


def test_a_rule_of_another_release_and_a_text_without_words_have_no_place() -> None:
    assert evidence_spans("timeout", ["of.another.release"]) == []
    assert evidence_spans("", ["timeout.word"]) == []
