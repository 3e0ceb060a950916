"""Cases of faults, each an input and what has to come of it: read from a file, and run on the real parts."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from consumer.cli.main import run_command
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.schema_check.check import lone_schema_check
from consumer.model import Outcome
from consumer.outbound.calls import open_calls
from consumer.redact import redact_json
from tests.support.healing import NOW, Clock, Gate, failure, outcome_of, policy, task
from tests.support.paths import DATA, ROOT
from tests.support.worlds.http_world import Reply, Seen, http_world

_OUTSIDE: Final = ROOT.parent / "shared" / "cases" / "faults"
"""Cases that others wrote; they lie beside the checkout on some machines."""
_OURS: Final = DATA / "fault_cases.json"
_CATALOG: Final = """
version: 1
sources: [{source: '*', organisations: '*'}]
workflows:
- name: '*'
  hosts: [{host: 127.0.0.1, ports: [18801], schemes: [http], addresses: [127.0.0.0/8]}]
"""
_FAULT: Final = '<e:Envelope xmlns:e="{}"><e:Body><e:Fault/></e:Body></e:Envelope>'
_ORDER: Final = '{"id": 7}'


def _reply(status: int, kind: str = "", body: str = "", **headers: str) -> Reply:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Reply(status=status, body=body.encode(), headers=tuple([("Content-Type", kind)] * bool(kind) + named))


_TOLD: Final = {
    "200 application/problem+json, status 409 in it": _reply(200, "application/problem+json", '{"status": 409}'),
    "200 text/xml, a SOAP Fault": _reply(200, "text/xml", _FAULT.format("http://schemas.xmlsoap.org/soap/envelope/")),
    "200 application/soap+xml, a SOAP 1.2 Fault": _reply(
        200, "application/soap+xml", _FAULT.format("http://www.w3.org/2003/05/soap-envelope")
    ),
    "200 application/grpc with header grpc-status: 14": _reply(200, "application/grpc", grpc_status="14"),
    "200 text/event-stream whose only event is an error": _reply(200, "text/event-stream", "event: error\ndata: x\n\n"),
    '200 {"success": "false"}': _reply(200, "application/json", '{"success": "false"}'),
    "200 application/json, empty body": _reply(200, "application/json"),
    "200 text/plain 'Down for maintenance'": _reply(200, "text/plain", "Down for maintenance"),
    '200 without content-type: {"id": 7, "state": "do': _reply(200, "", '{"id": 7, "state": "do'),
    '200 {"amount": 19.99}': _reply(200, "application/json", '{"amount": 19.99}'),
    "200": _reply(200, "application/json", _ORDER),
}
"""What the cases of others say of an answer in words."""


def _as_reply(told: str | dict[str, Any]) -> Reply:
    if isinstance(told, dict):
        body = told.get("body", "")
        text = body if isinstance(body, str) else json.dumps(body)
        headers = told.get("headers", {})
        return Reply(status=told.get("status", 200), body=text.encode(), headers=tuple(headers.items()))
    if told in _TOLD:
        return _TOLD[told]
    found = re.fullmatch(r"(\d{3})(?: with empty body|, always| with Retry-After: (\d+)| (\{.*\}))", told)
    assert found is not None, f"add the answer {told!r} to tests/support/fault_cases.py"
    status, wait, body = int(found[1]), found[2], found[3]
    if body:
        return _reply(status, "application/json", body)
    return _reply(status, **({"Retry_After": wait} if wait else {}))


def cases(way: str) -> list[Any]:
    """Give the cases that are run in this way, those of others where they are here and our own, as parameters."""
    found = [(path.stem, json.loads(path.read_text())) for path in sorted(_OUTSIDE.glob("*.json"))]
    told = [(f"{n}-{one['kind']}", one) for n, one in enumerate(json.loads(_OURS.read_text()))]
    here = [pytest.param(one, id=name) for name, one in [*found, *told] if one["how_to_run"].startswith(way)]
    absent = pytest.mark.skipif(not _OUTSIDE.is_dir(), reason=f"the cases of others are not here: {_OUTSIDE.name}")
    return here if found else [*here, pytest.param({}, id="of-others", marks=absent)]


async def retried(case: dict[str, Any]) -> tuple[Outcome, list[Seen], list[float]]:
    """Heal a case by auto-retry against a server that gives its answers; with the requests and the sleeps."""
    asked = case["input"]
    clock = Clock()
    async with http_world() as world, open_calls({}) as calls:
        world.on("/orders", *map(_as_reply, asked.get("replies", ["200"])))
        context = {"request": {"url": world.url("/orders")} | asked["request"]}
        if asked.get("error"):
            context["error"] = asked["error"]
        strategy = AutoRetry(
            calls, redact_json, random=lambda: 0.5, sleep=clock.sleep, now=lambda: NOW, schemas=lone_schema_check()
        )
        failed = failure(context)
        outcome = outcome_of(await strategy.heal(task(strategy, failed, policy(world.port)), Gate()))
        return outcome, world.seen, clock.slept


def checked(case: dict[str, Any], catalog: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> dict[str, Any]:  # noqa: ANN401
    """Give what `shw check-event` prints of a case."""
    catalog.write_text(_CATALOG)
    asked = case["input"]
    value = asked["value"] if isinstance(asked["value"], str) else json.dumps(asked["value"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(value.encode())))
    headers = [f"--header={name}={said}" for name, said in asked["headers"]]
    run_command(["check-event", "--catalog", str(catalog), *headers])
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed
