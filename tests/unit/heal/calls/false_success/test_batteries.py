"""Batteries of answers as services send them: failures within a 2xx, and successes with alarming words."""

import json
from base64 import b64decode
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from consumer.heal.calls.body import content_of
from consumer.heal.calls.false_success import Sign, false_success
from consumer.heal.calls.false_success.asked import asked_by
from consumer.model.call import Answer
from schemas.context import RequestContext
from tests.support.paths import DATA

_MOST_BELIEVED: Final = 0.02


def _read(name: str) -> list[dict[str, Any]]:
    lines = (DATA / "false_success" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _body_of(case: dict[str, Any]) -> bytes:
    body = case["body"]
    if isinstance(body, dict) and body.keys() == {"base64"}:
        return b64decode(body["base64"])
    return (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()


def _sign(case: dict[str, Any]) -> Sign | None:
    kind = [("Content-Type", case["kind"])] if case.get("kind") else []
    answer = Answer(
        status=case["status"],
        headers=(*kind, *case.get("headers", {}).items()),
        body=_body_of(case),
        truncated=False,
        elapsed=timedelta(0),
    )
    request = {"method": "GET", "url": "https://a.example/v1/orders/17"} | case.get("asked", {})
    return false_success(answer, content_of(answer), asked_by(RequestContext.model_validate(request)))


def test_of_100_lies_at_most_2_are_believed() -> None:
    lies = _read("lies")
    believed = [case for case in lies if _sign(case) is None]
    assert len(lies) >= 1100
    assert len(believed) <= _MOST_BELIEVED * len(lies), Counter(case["name"] for case in believed)


def test_no_success_is_refused_for_its_words() -> None:
    truths = _read("truths")
    assert len(truths) >= 840
    assert not [(case["name"], sign.why) for case in truths if (sign := _sign(case)) is not None]
