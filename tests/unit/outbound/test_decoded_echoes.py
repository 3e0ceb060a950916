"""An echo of a credential is found in what an answer says once decoded, however it is folded or spread."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from consumer.outbound.credentials import Credentials

SECRET = "s3cr3t/Tok_en+of=the.Day-9f4e"
HALF = len(SECRET) // 2
FIRST, SECOND = SECRET[:HALF], SECRET[HALF:]
CREDENTIALS = Credentials({"KEY": SECRET})


async def said(body: bytes, media: str = "application/json") -> str:
    return (await CREDENTIALS.taken_out_of_body(body, media, cut=False)).decode("utf-8", "replace")


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def every(form: Callable[[str], str]) -> str:
    return "".join(map(form, SECRET))


UTF7 = every(lambda c: f"+{b64(c.encode('utf-16-be')).rstrip('=')}-")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": FIRST, "b": SECOND}, id="two members"),
        pytest.param({"b": SECOND, "x": "between", "a": FIRST}, id="two members, the last first"),
        pytest.param({"a": {"b": [FIRST]}, "c": {"d": SECOND}}, id="at different depths"),
        pytest.param([FIRST, SECOND], id="two items"),
        pytest.param(list(SECRET), id="an item each sign"),
        pytest.param({"a": FIRST.upper(), "b": SECOND.upper()}, id="two members in capitals"),
        pytest.param({FIRST: SECOND}, id="a key and its value"),
        pytest.param({FIRST: 1, SECOND: 2}, id="two keys"),
        pytest.param([SECRET[i : i + 5] for i in range(0, len(SECRET), 5)], id="items of five signs"),
        pytest.param({"seen": b64(b64(SECRET))}, id="base64 of base64"),
        pytest.param({"seen": b64(b64(b64(SECRET)))}, id="base64 of base64 of base64"),
        pytest.param({"seen": b64(SECRET.encode("utf-16-le"))}, id="base64 of UTF-16"),
        pytest.param({"seen": b64(SECRET.encode("cp037"))}, id="base64 of EBCDIC"),
        pytest.param({"seen": b64(quote(SECRET, safe=""))}, id="base64 of percent"),
        pytest.param({"seen": quote(b64("x" + SECRET), safe="")}, id="percent of base64"),
        pytest.param({"seen": b64(json.dumps(every(lambda c: f"\\u{ord(c):04x}")))}, id="base64 of escapes"),
        pytest.param({"seen": UTF7}, id="UTF-7"),
        pytest.param({"seen": f"+{b64(SECRET.encode('utf-16-be')).rstrip('=')}-"}, id="UTF-7 in one run"),
        pytest.param({"seen": b64(UTF7)}, id="base64 of UTF-7"),
        pytest.param({"seen": every(lambda c: f"%25{ord(c):02x}")}, id="percent of percent"),
        pytest.param({"seen": every(lambda c: f"&#{ord(c)};")}, id="HTML"),
    ],
)
async def test_a_document_says_nothing_of_it(value: Any) -> None:  # noqa: ANN401 - JSON is anything
    for body in (json.dumps(value), json.dumps({"deep": [value, "and more"], "n": 7})):
        told = await said(body.encode())
        assert "secret://KEY" in told
        for part in (SECRET, FIRST, SECOND):
            assert part.lower() not in told.lower()
        json.loads(told)


@pytest.mark.parametrize(
    ("body", "media"),
    [
        pytest.param(f"{FIRST}\n{SECOND}".encode(), "text/plain", id="two lines"),
        pytest.param(f"<td>{FIRST}</td> <td>{SECOND}</td>".encode(), "text/html", id="two cells"),
        pytest.param(f'key = "{FIRST}", "{SECOND}"'.encode(), "text/plain", id="two quoted texts"),
        pytest.param(UTF7.encode(), "text/plain; charset=utf-7", id="UTF-7"),
        pytest.param(SECRET.encode("cp037"), "text/plain; charset=cp037", id="EBCDIC"),
        pytest.param(SECRET.encode("cp500"), "application/octet-stream", id="EBCDIC 500"),
        pytest.param(SECRET.encode("utf-16"), "text/plain; charset=utf-16", id="UTF-16"),
        pytest.param(SECRET.encode("utf-32"), "text/plain; charset=utf-32", id="UTF-32"),
        pytest.param("\x1b(B".join(SECRET).encode(), "text/plain; charset=iso2022_jp", id="between shifts"),
        pytest.param(b64(b64(SECRET)).encode(), "text/plain", id="base64 of base64"),
        pytest.param(b"x" * 100_000 + b64(b64(SECRET)).encode(), "text/plain", id="far in a long run"),
    ],
)
async def test_a_text_says_nothing_of_it(body: bytes, media: str) -> None:
    told = await CREDENTIALS.taken_out_of_body(body, media, cut=False)
    assert b"secret://KEY" in told
    for encoding in ("ascii", "cp037", "utf-16-le", "utf-32-le"):
        assert SECRET.encode(encoding) not in told


@pytest.mark.parametrize(
    "value",
    [
        {"order": "an order service of the day", "token": "none"},
        {"a": FIRST, "b": "another text"},
        {"picture": b64(bytes(range(256)) * 40), "n": [1, 2.5, None, True]},
        {FIRST: {"x": 1}},
        {},
        [],
    ],
)
async def test_what_holds_no_whole_credential_stays_as_it_came(value: Any) -> None:  # noqa: ANN401 - JSON is anything
    body = json.dumps(value, indent=1).encode()
    assert await CREDENTIALS.taken_out_of_body(body, "application/json", cut=False) == body


def test_headers_say_nothing_of_it_together() -> None:
    headers = [(b"etag", FIRST.encode()), (b"date", b"today"), (b"x-request-id", SECOND.encode())]
    told = dict(CREDENTIALS.taken_out_of_headers(headers))
    assert told == {"etag": "secret://KEY", "date": "today", "x-request-id": "secret://KEY"}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda n: json.dumps([FIRST[:-1]] * (n // 16)).encode(), id="first halves"),
        pytest.param(lambda n: json.dumps({"x": "A" * n}).encode(), id="one run of base64"),
        pytest.param(lambda n: json.dumps(["%25&amp;+AAA-\\u0041"] * (n // 20)).encode(), id="escapes"),
        pytest.param(lambda n: b"[" + b'"",' * (n // 3) + b'""]', id="empty texts"),
    ],
)
async def test_its_cost_grows_with_the_answer_alone(make: Callable[[int], bytes]) -> None:
    async def cost(size: int) -> float:
        body, begin = make(size), time.process_time()
        await CREDENTIALS.taken_out_of_body(body, "application/json", cut=False)
        return time.process_time() - begin

    small = min([await cost(100_000) for _ in range(3)])
    assert await cost(800_000) < 8 * 5 * small


async def test_others_get_their_turn_between_two_spellings() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    body = b'{"pad": "' + b"x" * 128 * 1024 + b'"}'
    async with asyncio.TaskGroup() as group:
        other = group.create_task(others())
        assert await CREDENTIALS.taken_out_of_body(body, "application/json", cut=False) == body
        other.cancel()
    assert turns > 30, "a credential has as many spellings"
