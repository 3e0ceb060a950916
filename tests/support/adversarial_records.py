"""Events that were made to cost as much as they can: one builder for each way, scaled by their size in bytes."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

ORG: Final = UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10")

Parts = dict[str, Any]
"""What of an event's data is not as usual; `extensions` are attributes of the event itself."""
Builder = Callable[[int], Parts]


def hostile_event(parts: Parts, number: int = 1) -> bytes:
    """Write an event with these parts."""
    parts = dict(parts)
    data = {"org_id": str(ORG), "workflow_name": "orders.sync", "failure_reason": "timed out", "context": {}}
    envelope = {"specversion": "1.0", "id": f"event-{number}", "source": "urn:test", "type": "workflow.failure.v1"}
    envelope |= parts.pop("extensions", {})
    return json.dumps(envelope | {"data": data | parts}, ensure_ascii=False, separators=(",", ":")).encode()


def _keys(size: int, key: Callable[[int], str], value: object = "v") -> Parts:
    members: dict[str, object] = {}
    left, number = size, 0
    while left > 0:
        name = key(number)
        members[name] = value
        left -= len(name) + 8
        number += 1
    return {"context": members}


def _text(size: int, piece: str) -> str:
    return (piece * (size // len(piece.encode()) + 1))[:size]


def _reason(piece: str) -> Builder:
    def build(size: int) -> Parts:
        request = {"method": "POST", "url": "https://a.example.com/x"}
        # What is told of the tries is read only up to 12,000 characters, and not at all where they are more.
        error = {"code": "ECONNREFUSED", "message": _text(size // 3, piece)}
        context = {"request": request, "error": error}
        return {"failure_reason": _text(min(size, 11_900), piece), "context": context}

    return build


def _text_beside_a_secret(piece: str) -> Builder:
    return lambda size: {"context": {"text": "password=x1 " + _text(size, piece)}}


def _json_text(piece: str) -> Builder:
    return lambda size: {"context": {"text": '{"password":"x1","t":' + json.dumps(_text(size, piece)) + "}"}}


def _nested(size: int) -> Parts:
    value: object = "password=x1"
    depth = 90
    for _ in range(depth):
        value = {"k": value}
    one = len(json.dumps(value))
    return {"context": {"many": [value] * max(1, size // one)}}


def _nested_texts(size: int) -> Parts:
    value = "password=hunter22"
    while len(json.dumps({"k": value})) < size:
        value = json.dumps({"k": value})
    return {"context": {"text": value}}


def _nested_lists(size: int) -> Parts:
    value: object = "Bearer abc123def456"
    for _ in range(90):
        value = [value]
    one = len(json.dumps(value))
    return {"context": {"many": [value] * max(1, size // one)}}


def _deep_paths(size: int) -> Parts:
    leaves = ["ghp_" + "a1B2" * 6] * max(1, size // 2 // 32)
    value: object = leaves
    for _ in range(90):
        value = {"n" * max(1, size // 2 // 90): value}
    return {"context": {"v": value}}


def _headers(size: int) -> Parts:
    return {"context": {"error": {"headers": {f"x-{n}": "retry-after" for n in range(size // 24)}}}}


def _bad_error(size: int) -> Parts:
    return {"context": {"error": {"headers": {f"h{n}": [] for n in range(size // 14)}, "code": "x"}}}


def _bad_request(size: int) -> Parts:
    checks = [{"path": "/a", "one_of": []} for _ in range(size // 32)]
    request = {"method": "GET", "url": "https://a.example.com", "expect": {"json": checks}, "headers": {}}
    return {"context": {"request": request}}


def _bad_headers(size: int) -> Parts:
    headers = {f"h {n}": [n] for n in range(size // 18)}
    return {"context": {"request": {"method": "GET", "url": "https://a.example.com", "headers": headers}}}


def _bad_statuses(size: int) -> Parts:
    expect = {"status": ["x"] * (size // 4)}
    return {"context": {"request": {"method": "GET", "url": "https://a.example.com", "expect": expect}}}


def _plan_steps(size: int) -> Parts:
    return {"context": {"run": {"id": "r", "plan": [{} for _ in range(size // 3)]}}}


def _tries(size: int) -> Parts:
    one = "attempt 3 of 5 failed: connection refused; attempt 4: read timeout after 3 s\n"
    request = {"method": "POST", "url": "https://a.example.com/x", "body": {"a": 1}}
    text = _text(size, one)
    return {
        "failure_reason": _text(min(size, 65_000), one),
        "context": {"request": request, "error": {"message": text}, "attempts": [{"error": one}] * (size // 200)},
    }


def _listed(entry: Callable[[int], object], name: str = "errors") -> Builder:
    def build(size: int) -> Parts:
        request = {"method": "POST", "url": "https://a.example.com/x"}
        entries = [entry(number) for number in range(size // (len(json.dumps(entry(10_000))) + 1))]
        return {"context": {"request": request, "error": {"code": "ECONNREFUSED"}, name: entries}}

    return build


def _payload(size: int) -> Parts:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "integer"} for n in range(size // 64)}}
    return {
        "failure_reason": "invalid schema: payload",
        "context": {"payload": {f"p{n}": "1" for n in range(size // 32)}, "schema": schema},
    }


def _request_body(size: int) -> Parts:
    body = {f"field{n}": {"value": [n, "x"]} for n in range(size // 32)}
    return {
        "context": {
            "request": {"method": "PUT", "url": "https://a.example.com/x", "body": body},
            "run": {"id": "a", "epoch": 1},
        }
    }


_CLOUD_KEY: Final = "AKIA" + "ABCDEFGH12345678 "
_TEXTS: Final[Mapping[str, str]] = {
    "names before values": "password=abc123 ",
    "names": "password",
    "names and colons": "password: ",
    "names and quotes": 'password":"',
    "names and escapes": 'password\\\\\\"=\\\\\\"',
    "names of foreign words": "contraseña: a1 ",
    "api keys": "api_key api-key apikey ",
    "equal signs": "secret=====",
    "schemes": "Bearer ",
    "schemes with values": "Bearer abcdefghij1 ",
    "schemes of letters": "bearer " + "a" * 390 + " ",
    "userinfo": "://",
    "userinfo with colons": "://a:b",
    "userinfo with at": "://user:password1@host ",
    "userinfo of databases": "postgres://a:",
    "encoded userinfo": "%3a%2f%2fa%3ab",
    "queries": "?sig=",
    "queries of words": "?a-a-a-a-a-a-sig",
    "flags": "--password ",
    "flags of dashes": "--",
    "logins": " -u a:",
    "cookies": "cookie: ",
    "cookies with values": "cookie: a=b; ",
    "doubtful": "key=aaaaaaaaaaaaaaaa ",
    "doubtful names": "key",
    "keys of clouds": _CLOUD_KEY,
    "keys of clouds and spaces": "AKIAABCDEFGH12345678" + " " * 11,
    "private keys": "-----BEGIN PRIVATE KEY-----",
    "private keys in pieces": "-----BEGIN RSA PRIVATE KEY-----a-",
    "json web tokens": "eyJhbGciOiJIUzI1NiJ9.",
    "json web tokens in full": "eyJhbGciOiJIUzI1NiJ9.eyJhbGciOiJIUzI1NiJ9.a1B2c3D4e5F6g7H8 ",
    "dots of tokens": "eyJ.",
    "forge tokens": "ghp_a1B2c3D4e5F6g7H8i9J0k1 ",
    "short forge tokens": "ghp_",
    "random tokens": "aB3dE5fG7hI9jK1lM3nO5pQ7rS9 ",
    "random tokens with dashes": "aB3dE5fG7hI9jK1lM3nO5pQ7rS9-",
    "long runs": "aB3",
    "slashes": "/",
    "escapes": "\\",
    "unicode escapes": "\\u0041",
    "references": 'secret://A "a":"',
    "references in members": '"authorization":"secret://NAME",',
    "quotes": '"',
    "apostrophes": "it's ",
    "braces": "{",
    "objects": '{"a":1}',
    "objects in pieces": '{"a":',
    "lists in pieces": "[",
    "tags": "<password>",
    "tags in full": "<password>a</password>",
    "pairs": "a=b&",
    "spaces": " ",
    "lines": "\n",
    "frames": "  at com.example.Foo.bar(Foo.java:12)\n",
    "open frames": "  at " + "a" * 380 + "\n",
    "python frames": '  File "a.py", line 3\n    x\n',
    "causes": "Caused by: timeout\n",
    "dots": ".",
    "paths": "/a/b/c/d/",
    "paths of dots": "/a.",
    "addresses": "https://a.example.com/",
    "schemes of addresses": "a://",
    "statuses": "status 503 ",
    "digits": "5",
    "words of rules": "rate limit exceeded timeout connection refused ",
    "first words of rules": "the request was too many the ",
    "waits": "retry after ",
    "waits of spaces": "retry after" + " " * 8,
    "accents": "é",
    "wide letters": "ﬀ",
    "marks": "a\u0301\u0316",
    "chinese": "错误返回",
    "capitals": "A",
    "capital i with a dot": "İ",
    "camels": "aB",
    "underscores": "_",
    "commas": "a,",
    "at signs": "a@",
    "percent": "%",
    "dashes": "-",
    "dashes and letters": "-a",
    "equal sign and spaces": "password    ",
    "tildes": "Q~abc1Q~",
    "telegram tokens": "12345678:AA",
    "google tokens": "1//0",
    "masks": "#",
    "lists of statuses": "429, ",
    "lists of statuses and arrows": "429 -> ",
    "http of http": "http.",
    "errors of errors": "error: error: ",
    "numbered tries": "attempt 1: 429; ",
    "tries of tries": "tried 3 of 5 times ",
    "multipliers": "429 x 3, ",
    "bullets": "\n- 1. ",
    "ands": "429 and then ",
    "each attempt": "each attempt was answered 429 ",
    "hosts": "a.b.c:443 ",
    "ip addresses": "10.0.0.1:443, ",
    "retries exceeded": "max retries exceeded with url: /x (caused by ",
}

BUILDERS: Final[Mapping[str, Builder]] = {
    "marks of one letter": lambda size: {"failure_reason": "a" + "\u0301" * (size // 4) + "\u0316" * (size // 4)},
    "keys passwordN": lambda size: _keys(size, lambda n: f"password{n}"),
    "keys that collide after redaction": lambda size: _keys(size, lambda n: f"password=a{n}"),
    "keys of tokens that collide": lambda size: _keys(size, lambda n: f"ghp_{n:024d}"),
    "keys that collide with numbered ones": lambda size: {
        "context": _keys(size // 2, lambda n: f"password=a{n}")["context"]
        | _keys(size // 2, lambda n: f"password=[redacted] {n + 2}")["context"]
    },
    "keys of one letter": lambda size: _keys(size, lambda n: f"{n:x}", 1),
    "long keys": lambda size: _keys(size, lambda n: f"{n}" + "k" * 2000),
    "long keys like secrets": lambda size: _keys(size, lambda n: f"{n} password" * 100),
    "secret names over numbers": lambda size: _keys(size, lambda n: f"token_{n}_token", 7),
    "names of pairs": lambda size: {
        "context": {"l": [{"name": f"password{n}", "value": "v"} for n in range(size // 40)]}
    },
    "flat pairs": lambda size: {"context": {"l": ["authorization", "abc"] * (size // 24)}},
    "lists of secrets": lambda size: {"context": {"l": ["password=abc1"] * (size // 16)}},
    "lists of numbers": lambda size: {"context": {"password": [1] * (size // 2)}},
    "one list in a list": _nested_lists,
    "objects in objects": _nested,
    "texts in texts": _nested_texts,
    "paths of long names": _deep_paths,
    "headers of errors": _headers,
    "headers of errors of a wrong type": _bad_error,
    "expectations that check nothing": _bad_request,
    "headers of a wrong type": _bad_headers,
    "statuses that are none": _bad_statuses,
    "plans of empty steps": _plan_steps,
    "tries told": _tries,
    "refusals of many places": _listed(lambda n: f"ECONNREFUSED 10.0.0.1:{n}"),
    "refusals of many places in objects": _listed(lambda n: {"cause": f"ECONNREFUSED a:{n}"}, "attempts"),
    "calls of a history": _listed(lambda n: {"error": n}, "history"),
    "lists in lists of a history": _listed(lambda n: [[[[[[n]]]]]], "history"),
    "counts in a request": lambda size: {
        "context": {
            "request": {
                "method": "POST",
                "url": "https://a.example.com/x",
                "meta": {f"n{n}": "attempt 1 " * 20 for n in range(size // 210)},
            },
            "error": {"code": "ECONNREFUSED"},
        }
    },
    "one attempt in a run": lambda size: {
        "context": {
            "request": {"method": "POST", "url": "https://a.example.com/x"},
            "run": {"note": _text(size, "attempt 1: 429; ")},
            "error": {"code": "ECONNREFUSED"},
        }
    },
    "numbered members": lambda size: {
        "context": {
            "request": {"method": "POST", "url": "https://a.example.com/x"},
            "attempts": {str(n): "429" for n in range(size // 14)},
            "error": {"code": "ECONNREFUSED"},
        }
    },
    "a payload of many members": _payload,
    "a body of many members": _request_body,
    "huge integers": lambda size: {"context": {"l": [10**990] * max(1, size // 992)}},
    "one huge integer": lambda size: {"context": {"n": 10 ** min(size, 4200)}},
    "many numbers": lambda size: {"context": {"l": [1.5e300] * (size // 8)}},
    "extensions": lambda size: {"extensions": {f"ext{n}": "password=a1" for n in range(size // 24)}},
    "extensions that collide": lambda size: {"extensions": {f"password=b{n}": "v" for n in range(size // 20)}},
    "unknown fields": lambda size: {f"password=c{n}": "v" for n in range(size // 20)},
    "errors of a body": lambda size: {
        "context": {"error": {"body": [{"code": f"c{n}", "message": "timeout"} for n in range(size // 40)]}}
    },
    "an error of a long message": lambda size: {
        "context": {
            "error": {
                "message": _text(size, "read timeout after "),
                "code": _text(size // 8, "E_"),
                "type": _text(size // 8, "A."),
            }
        }
    },
    "empty objects": lambda size: {"context": {"l": [{}] * (size // 3)}},
    "json in texts": lambda size: {"context": {"l": ['{"password":"abc"}'] * (size // 24)}},
    "json with lists in a text": lambda size: {"context": {"t": json.dumps([["password=a1"]] * (size // 24))}},
    "json of colliding keys in a text": lambda size: {
        "context": {"t": json.dumps(_keys(size, lambda n: f"password=a{n}")["context"])}
    },
    **{f"reason of {name}": _reason(piece) for name, piece in _TEXTS.items()},
    **{f"text with {name}": _text_beside_a_secret(piece) for name, piece in _TEXTS.items()},
    **{f"json text of {name}": _json_text(piece) for name, piece in _TEXTS.items()},
}
