"""What looks random: credentials without a mark go; ids, digests, paths, data and words stay. Rates are measured."""

import base64
import json
import random
import re
import string
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.model import Json
from consumer.redact import REDACTED, may_hold_secret, redact_json, redact_text
from consumer.redact.entropy import looks_random
from tests.support.paths import ROOT

HEX, B62 = "0123456789abcdef", string.ascii_letters + string.digits
CHANCE = random.Random(7)


@pytest.fixture(autouse=True)
def _same_draws_alone_and_among_others() -> None:
    CHANCE.seed(7)


def drawn(alphabet: str, size: int) -> str:
    return "".join(CHANCE.choice(alphabet) for _ in range(size))


def in_base64(size: int) -> str:
    return base64.b64encode(CHANCE.randbytes(size)).decode()


# At least so many of a hundred are found, in running text; under a doubtful name more.
SECRETS: dict[str, tuple[int, Callable[[], str]]] = {
    "32 bytes, URL-safe": (96, lambda: base64.urlsafe_b64encode(CHANCE.randbytes(32)).decode().rstrip("=")),
    "32 bytes, base64": (95, lambda: in_base64(32)),
    "64 bytes, base64": (95, lambda: in_base64(64)),
    "32 bytes, hexadecimal": (99, lambda: drawn(HEX, 64)),
    "40 letters and digits": (95, lambda: drawn(B62, 40)),
    "32 letters and digits": (92, lambda: drawn(B62, 32)),
    "40 of a cloud's secret": (93, lambda: drawn(B62 + "+/", 40)),
    "40 small letters and digits": (95, lambda: drawn(string.ascii_lowercase + string.digits, 40)),
}
IDS: dict[str, Callable[[], str]] = {
    "UUID": lambda: str(uuid.UUID(int=CHANCE.getrandbits(128))),
    "UUID without dashes": lambda: drawn(HEX, 32),
    "UUID in capitals": lambda: str(uuid.UUID(int=CHANCE.getrandbits(128))).upper(),
    "payment": lambda: CHANCE.choice(["ch_", "pi_", "cus_", "req_", "evt_"]) + drawn(B62, 24),
    "run": lambda: "run-" + drawn(B62, 22),
    "completion": lambda: "chatcmpl-" + drawn(B62, 29),
    "ULID": lambda: drawn("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26),
    "KSUID": lambda: "2" + drawn(B62, 26),
    "ObjectId": lambda: drawn(HEX, 24),
    "snowflake": lambda: str(CHANCE.getrandbits(62)),
    "traceparent": lambda: f"00-{drawn(HEX, 32)}-{drawn(HEX, 16)}-01",
    "commit": lambda: drawn(HEX, 40),
    "digest": lambda: "sha256:" + drawn(HEX, 64),
    "etag": lambda: f'ETag: "{drawn(HEX, 64)}"',
    "integrity": lambda: "sha384-" + in_base64(48),
    "pod": lambda: f"orders-api-{drawn(HEX, 10)}-{drawn(string.ascii_lowercase, 5)}",
    "path of a URL": lambda: f"https://docs.example.com/d/{drawn(B62, 44)}/edit",
    "object's name": lambda: f"s3://bucket/{drawn(B62, 32)}/a.png",
    "file": lambda: drawn(B62, 32) + ".png",
    "cursor": lambda: base64.b64encode(f"Order:{CHANCE.randrange(10**15)}:line:1".encode()).decode(),
    "transaction": lambda: "0x" + drawn(HEX, 64),
    "content's address": lambda: "bafybei" + drawn("abcdefghijklmnopqrstuvwxyz234567", 52),
    "small image": lambda: "data:image/png;base64," + in_base64(90),
    "image": lambda: in_base64(900),
    "image in lines": lambda: "\n".join(re.findall(".{1,76}", in_base64(900))),
    "voice": lambda: drawn(B62, 20),
}


@pytest.mark.parametrize(("rate", "draw"), SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("around", ["login with {} was refused", "{}", '{{"a":"x\\n{}"}}'])
def test_credentials_without_a_mark_go(rate: int, draw: Callable[[], str], around: str) -> None:
    found = 0
    for _ in range(200):
        secret = draw()
        text = around.format(secret)
        gone = secret.rstrip("=") not in redact_text(text)
        found += gone
        assert not gone or may_hold_secret(json.dumps(text).encode())
    assert found >= 2 * rate - 4


@pytest.mark.parametrize("draw", IDS.values(), ids=IDS)
def test_ids_digests_paths_and_data_stay(draw: Callable[[], str]) -> None:
    for _ in range(200):
        one = draw()
        assert redact_text(f"step charge of {one} failed twice") == f"step charge of {one} failed twice"
        assert redact_json({"value": one, "list": [one]})[1] == ()


@pytest.mark.parametrize(
    "name", ["id", "fileId", "request_id", "ETag", "sha256", "commit", "traceId", "idempotency_key", "content_hash"]
)
def test_a_name_that_tells_of_an_id_or_a_digest_keeps_what_looks_random(name: str) -> None:
    for size in (32, 44, 64):
        value = drawn(B62, size)
        assert redact_json({name: value})[1] == ()
        assert redact_text(f"{name}: {value} is gone") == f"{name}: {value} is gone"


@pytest.mark.parametrize("name", ["key", "signature", "x-hub-signature", "hmac", "serverKey"])
def test_under_a_doubtful_name_less_evidence_is_enough(name: str) -> None:
    assert redact_json({name: drawn(HEX, 40)})[0] == {name: REDACTED}
    assert redact_json({name: "Ab3dE5fG7hI9jK1lM3nO"})[0] == {name: REDACTED}
    for harmless in ("orders/2026/11/invoice-17.pdf", "PROJ-1234", "created_at", str(uuid.UUID(int=7)), "step.charge"):
        assert redact_json({name: harmless})[1] == ()


def test_base64_is_judged_by_what_it_holds() -> None:
    plain = base64.b64encode(b"a cursor: order 17, line 4, page 9").decode()
    assert redact_text(f"after {plain}") == f"after {plain}"
    token = base64.b64encode(("token gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a").encode()).decode()
    assert token not in redact_text(f"after {token}")


def test_identifiers_of_real_code_do_not_look_random() -> None:
    words: set[str] = set()
    for path in (
        *ROOT.glob("consumer/**/*.py"),
        *ROOT.glob("tests/**/*.py"),
        *Path(json.__file__).parents[1].glob("*.py"),
    ):
        words.update(re.findall(r"[A-Za-z0-9_/+-]{24,200}", path.read_text(errors="replace")))
    names = {word for word in words if not re.search(r"(?i)4B4a|Zk7Q|vN3x|[A-Z0-9]{12}", word)}
    assert len(names) > 1000
    assert [name for name in names if looks_random(name)] == []


def test_real_failure_texts_are_left_alone() -> None:
    touched = []
    number = 0
    for path in sorted((ROOT / "tests/data").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            reason, context = _reason_and_context(json.loads(line))
            number += 1
            if redact_text(reason) != reason or redact_json(context)[1]:
                touched.append(reason[:100])
    assert number > 400
    assert touched == []


def _reason_and_context(case: object) -> tuple[str, Json]:
    assert isinstance(case, dict)
    return case.get("failure_reason") or case.get("text") or case.get("reason") or "", case.get("context") or {}
