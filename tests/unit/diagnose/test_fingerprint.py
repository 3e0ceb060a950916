"""Reasons of one cause look the same once masked; reasons of different causes do not."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.diagnose.fingerprint import READ, cause, masked

SAME = [
    pytest.param("Timed out after 30000 ms", "Timed out after 5 ms", id="numbers"),
    pytest.param("Took 1,024 bytes", "Took 12 bytes", id="numbers in groups"),
    pytest.param(
        "No run 8f14e45f-ceea-467f-9a0d-b1b3c5a0e8d1", "no run 00000000-0000-0000-0000-000000000007", id="ids"
    ),
    pytest.param("object deadbeefcafe is gone", "object 0a1b2c3d4e5f is gone", id="hexadecimal"),
    pytest.param("Guest 'Ann Lee' is unknown", "Guest “Bo” is unknown", id="what is quoted"),
    pytest.param("Can't find `a b`", "Can't find `c`", id="beside an apostrophe"),
    pytest.param("GET https://a.example/x?y=1, refused", "GET http://b.example:8080/z, refused", id="addresses"),
    pytest.param("at 2026-01-31T09:30:00Z", "at 2026-02-01 10:00:00.5", id="times"),
    pytest.param("mail to ann@example.org bounced", "mail to bo.b+x@example.net bounced", id="mail addresses"),
    pytest.param("cannot open /var/lib/a.bin", "cannot open ~/things/b.txt", id="paths"),
    pytest.param(r"cannot open C:\Users\ann\a.txt", r"cannot open d:\b", id="Windows' paths"),
    pytest.param("cannot reach db.one.internal", "cannot reach 10.0.0.7:5432", id="hosts"),
    pytest.param("missing: 1, 2, 3", "missing: 4", id="lists of different length"),
    pytest.param('{"code": "busy", "user": "ann"}', '{"code": "busy", "user": "bo"}', id="data in JSON"),
    pytest.param("first\n\tsecond 1", "first second 2", id="white space"),
]
DIFFERENT = [
    pytest.param("answered HTTP 503", "answered HTTP 404", id="a status of HTTP"),
    pytest.param("HTTP/1.1 502", "HTTP/1.1 500", id="a status after its version"),
    pytest.param("failed with status code 401", "failed with status code 429", id="a status code"),
    pytest.param("exit code 137", "exit code 1", id="an exit code"),
    pytest.param('{"message": "no such guest"}', '{"message": "quota exceeded"}', id="what JSON says of it"),
    pytest.param("errno=ECONNREFUSED", "errno=ETIMEDOUT", id="a name"),
    pytest.param("no such image", "no such voice", id="words"),
    pytest.param("not application/json", "not text/html", id="a content type"),
]
PIECES = st.sampled_from(
    ['"', "'", "`", "“", "#", "a", "1", " ", ":", "/", ".", "-", ",", "@", "\n", "://", "http://", "c:\\", "/x", ".com",
     '"code":', '"a": "', "status 503", "http/1.1 500", "don't", "deadbeef"]
)  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_varies_is_masked(one: str, other: str) -> None:
    assert masked(one) == masked(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_tells_causes_apart_stays(one: str, other: str) -> None:
    assert masked(one) != masked(other)


def test_what_is_left_can_be_read() -> None:
    reason = "GET https://api.example.com/orders/42, answered HTTP 503 (attempt 3 of 5), can't go on"
    assert masked(reason) == "get #, answered http 503 (attempt # of #), cant go on"


@given(st.one_of(st.text(), st.lists(PIECES, max_size=24).map("".join)))
@example("İ" * READ)
@example('""://')
def test_masking_twice_is_masking_once(reason: str) -> None:
    assert masked(masked(reason)) == masked(reason)


@given(
    st.uuids(),
    st.integers(0, 10**12),
    st.datetimes(),
    st.from_regex(r"[a-z][a-z0-9.+-]{0,20}[a-z]@example\.(org|dev)", fullmatch=True),
)
def test_the_same_cause_with_other_ids_has_the_same_fingerprint(run: object, size: int, at: object, mail: str) -> None:
    reason = "run {} of <{}> at {} broke off after {} bytes"
    known = cause(masked(reason.format("7f1c0d9a-0000-4000-8000-000000000000", "b@example.org", "2026-01-01T00:00", 1)))
    assert cause(masked(reason.format(run, mail, at, size))) == known
    assert len(known) == 12


@pytest.mark.parametrize(
    "piece", ["a", "a-", "a.", "'", '"', "://", "a://,", '"a":', "/", "~", ".", "#, ", "http 1", "é", "f", ":", "a/"]
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    masked(piece * READ)
    assert time.process_time() - began < 0.25  # about a millisecond; what is not linear takes seconds
