"""The kit in its caller's process: what it publishes, and that nothing of it is felt there."""

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

import shw_report
from shw_report import publishing, report
from shw_report.calls import body_of, exact_json
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.report_cases import CASES
from tests.support.report_kit import ORG, SOURCE, Reported, reporting

PYTHONS = ["3.9", "3.13"]
"""The oldest, and the newest of this day."""


def fail(text: str = "nothing left") -> None:
    raise LookupError(text)


# ---- what it publishes


def test_an_event_is_a_cloudevent_of_the_contract(reported: Reported, url: str) -> None:
    [charged] = [one for one in CASES if one.name == "post_503_with_key"]
    with pytest.raises(httpx.HTTPStatusError):
        charged.fails(url)
    event = reported.event()
    topic, key, _, headers = reported.records[0]
    assert (topic, key, headers) == ("workflow.failures", b"run-2", [("content-type", b"application/cloudevents+json")])
    assert {event[name] for name in ("specversion", "source", "type")} == {"1.0", SOURCE, "workflow.failure.v1"}
    generated = ROOT / "schemas" / "generated"
    for name, part in (("workflow.failure.v1", event["data"]), ("context", event["data"]["context"])):
        Draft202012Validator(json.loads((generated / f"{name}.schema.json").read_text())).validate(part)
    assert event["data"]["org_id"] == ORG
    assert event["data"]["context"]["request"] == {
        "method": "POST",
        "url": f"{url}/busy",
        "headers": {"accept": "*/*"},
        "body": {"amount": 12},
        "effect": "keyed",
        "idempotency_key": "order-17-charge",
        "idempotency_header": "idempotency-key",
    }
    error = event["data"]["context"]["error"]
    assert (error["type"], error["http_status"], error["body"]) == (
        "httpx.HTTPStatusError",
        503,
        "upstream is overloaded",
    )


def test_what_the_caller_adds_goes_along(reported: Reported, url: str) -> None:
    expect = {"json": [{"path": "/state", "equals": "paid"}]}
    with (
        pytest.raises(httpx.HTTPStatusError),
        report(
            "orders.sync",
            run=17,
            step="pay",
            epoch=2,
            request={"expect": expect},
            context={"resume": {"url": f"{url}/r"}},
        ),
    ):
        httpx.put(f"{url}/busy", json={}).raise_for_status()
    context = reported.context()
    assert context["run"] == {"id": "17", "step": "pay", "epoch": 2, "status": "failed"}
    assert (context["request"]["expect"], context["request"]["effect"]) == (expect, "idempotent")
    assert context["resume"] == {"url": f"{url}/r"}


def test_a_credential_in_a_header_goes_as_a_reference(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent = {
        "Authorization": "Bearer eyJhbGciOi.eyJzdWIiOi.c2ln",
        "X-Api-Key": "sun",
        "X-Other": "plain",
        "Cookie": "a=b",
    }
    with reporting(tmp_path, secrets={"Authorization": "ORDERS_TOKEN", "127.0.0.1/x-api-key": "ORDERS_KEY"}) as kit:
        for _ in range(2):
            with pytest.raises(httpx.HTTPStatusError), report("orders.sync"):
                httpx.get(f"{url}/busy", headers=sent).raise_for_status()
        headers = kit.events()[0]["data"]["context"]["request"]["headers"]
    assert {name.lower(): value for name, value in headers.items()} == {
        "accept": "*/*",
        "authorization": "Bearer secret://ORDERS_TOKEN",
        "x-api-key": "secret://ORDERS_KEY",
        "x-other": "plain",
        "cookie": "secret://127_0_0_1_COOKIE",
    }
    [told] = [one.getMessage() for one in caplog.records if one.name == "shw_report"]
    assert "secret://127_0_0_1_COOKIE" in told
    assert not any(value in told for value in ("sun", "a=b"))


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"json": {"user": "bo", "password": "sunflower"}}, "what looks like a secret"),
        ({"params": {"api_key": "sunflower"}}, "what looks like a secret"),
        ({"content": b"\xff\xfe"}, "no UTF-8"),
        ({"files": {"photo": b"x"}}, "multipart"),
    ],
)
def test_a_call_that_cannot_be_sent_again_as_it_was_is_no_request(
    reported: Reported, url: str, sent: dict[str, Any], why: str
) -> None:
    with pytest.raises(httpx.HTTPStatusError), report("orders.sync"):
        httpx.post(f"{url}/busy", **sent).raise_for_status()
    context = reported.context()
    assert "request" not in context
    assert why in context["withheld"]["request"]["why"]
    assert b"sunflower" not in reported.records[0][2]


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": 0.1000000000000000055}', '{"a": NaN}'])
def test_a_body_that_would_not_be_the_same_once_written_again_goes_as_its_text(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever it is: it is not read
        exact_json(text)
    body = body_of(httpx.Request("POST", "http://h", content=text, headers={"content-type": "application/json"}))
    assert (body.value, body.is_json) == (text, False)


def test_a_body_that_would_be_the_same_goes_as_json() -> None:
    assert exact_json('{"a": 0.5, "b": [1e3, -2], "c": 12345678901234567890123}')["c"] == 12345678901234567890123


# ---- what is a failure, and whose


def test_an_error_is_reported_once_and_goes_on_unchanged(reported: Reported) -> None:
    error = LookupError("nothing left")
    with pytest.raises(LookupError) as raised, report("orders.outer"), report("orders.inner"):
        raise error
    assert raised.value is error
    assert reported.event()["data"]["workflow_name"] == "orders.inner"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_an_end_that_is_no_failure_is_not_reported(reported: Reported, error: type[BaseException]) -> None:
    with pytest.raises(error), report("orders.sync"):
        raise error
    assert reported.events() == []


async def test_a_function_is_reported_call_by_call(reported: Reported) -> None:
    @report("orders.sync", run=lambda order, **_: f"run-{order}")
    async def work(order: int, *, fails: bool) -> int:
        await asyncio.sleep(0)
        return order if not fails else 1 // 0

    assert await work(1, fails=False) == 1
    found = await asyncio.gather(work(2, fails=True), work(3, fails=True), return_exceptions=True)
    assert [type(one) for one in found] == [ZeroDivisionError, ZeroDivisionError]
    runs = [event["data"]["context"]["run"]["id"] for event in await asyncio.to_thread(reported.events)]
    assert sorted(runs) == ["run-2", "run-3"]


async def test_calls_that_run_side_by_side_are_not_mixed_up(reported: Reported, url: str) -> None:
    async def work(client: httpx.AsyncClient, n: int) -> None:
        with report("orders.sync", run=n):
            await client.get(f"{url}/busy?n={n}")
            fail()

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(work(client, n) for n in range(5)), return_exceptions=True)
    events = await asyncio.to_thread(reported.events)
    contexts = [event["data"]["context"] for event in events]
    assert sorted(one["run"]["id"] for one in contexts) == ["0", "1", "2", "3", "4"]
    assert all(one["request"]["url"].endswith(f"?n={one['run']['id']}") for one in contexts)


def test_what_a_generators_consumer_does_is_not_its_failure(reported: Reported) -> None:
    @report("orders.pages")
    def pages() -> Iterator[int]:
        yield 1
        yield 2

    def consume() -> None:
        for _ in pages():
            fail()

    with pytest.raises(LookupError):
        consume()
    assert reported.events() == []


async def test_an_async_generator_reports_its_own_failure(reported: Reported) -> None:
    @report("orders.pages")
    async def pages() -> AsyncIterator[int]:
        yield 1
        fail()

    both = pages()
    assert await anext(both) == 1
    with pytest.raises(LookupError):
        await anext(both)
    assert len(await asyncio.to_thread(reported.events)) == 1


def test_an_earlier_call_that_was_well_is_not_the_one_that_failed(reported: Reported, url: str) -> None:
    @report("orders.sync")
    def work() -> None:
        httpx.get(f"{url}/fine")
        fail()

    with pytest.raises(LookupError):
        work()
    assert "request" not in reported.context()


# ---- that nothing of it is felt


class Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError("an exception that cannot be told")


def test_a_fault_of_the_kit_is_counted_and_not_felt(reported: Reported) -> None:
    with pytest.raises(Untold), report("orders.sync"):
        raise Untold
    assert reported.events() == []
    assert shw_report.counts().broken == 1


def test_without_configuration_it_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publishing, "_outbox", None)
    monkeypatch.setattr(publishing, "_told", set())
    for _ in range(3):
        with pytest.raises(LookupError), report("orders.sync"):
            fail()
    assert [one.getMessage() for one in caplog.records] == [
        "shw_report.configure() was not called: failures are not published"
    ]


def test_a_broker_that_is_away_is_one_line_and_events_wait_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    came, is_away = [], threading.Event()
    is_away.set()

    def send(*record: object) -> None:
        if is_away.is_set():
            raise ConnectionError("no broker at 127.0.0.1:9092")
        came.append(record)

    with reporting(tmp_path, producer=send):
        began = time.monotonic()
        for _ in range(50):
            with pytest.raises(LookupError), report("orders.sync"):
                fail()
        assert time.monotonic() - began < PATIENCE
        assert not shw_report.flush(0.3)
        assert shw_report.counts() == shw_report.Counts(waiting=50)
        assert [one.getMessage() for one in caplog.records] == [
            "failures cannot be published now, and wait: no broker at 127.0.0.1:9092"
        ]
        is_away.clear()
        assert shw_report.flush(PATIENCE)
        assert (len(came), shw_report.counts().published) == (50, 50)
        assert caplog.records[-1].getMessage() == "failures are published again"


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_EVENTS", 10)
    held = threading.Event()
    with reporting(tmp_path, producer=lambda *_: held.wait(PATIENCE)):
        for size in [1] * 10 + [10] * 5:
            with pytest.raises(LookupError), report("orders.sync"):
                fail("x" * size)
        counts = shw_report.counts()
        assert (counts.waiting, counts.dropped) == (10, 5)
        held.set()


def test_what_waits_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_BYTES", 6_000)
    held = threading.Event()
    with reporting(tmp_path, producer=lambda *_: held.wait(PATIENCE)):
        for _ in range(20):
            with pytest.raises(LookupError), report("orders.sync"):
                fail("x" * 500)
        counts = shw_report.counts()
        assert 0 < counts.waiting <= 10
        assert counts.waiting + counts.dropped == 20
        held.set()


async def test_a_producer_of_the_callers_own_loop_is_used_from_there(tmp_path: Path) -> None:
    class Producer:
        def __init__(self) -> None:
            self.sent: list[Any] = []

        async def send_and_wait(self, topic: str, **record: object) -> None:
            assert threading.current_thread() is threading.main_thread()
            self.sent.append((topic, record["key"]))

    producer = Producer()
    with reporting(tmp_path, producer=producer):
        with pytest.raises(LookupError), report("orders.sync", run=1):
            fail()
        assert await asyncio.to_thread(shw_report.flush, PATIENCE)
    assert producer.sent == [("workflow.failures", b"1")]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, ValueError),
        ({"producer": print, "bootstrap_servers": "h:1"}, ValueError),
        ({"producer": 7}, TypeError),
        ({"producer": print, "org_id": ""}, ValueError),
    ],
)
def test_a_configuration_that_cannot_be_says_so_where_it_is_made(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        shw_report.configure(**{"source": SOURCE, "org_id": ORG, **given})


def run_alone(program: str, *, python: str = sys.executable) -> str:
    """Run a producer's whole process; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "report")}
    ran = subprocess.run(
        [python, "-c", START + program], capture_output=True, text=True, check=False, timeout=PATIENCE, env=environment
    )
    assert ran.stderr.strip().splitlines()[-1:] in ([], ["ValueError: the last of it"]), ran.stderr
    return ran.stdout


START = f"""
import os, sys, time
import shw_report

def send(topic, key, value, headers):
    print(topic, (key or b"").decode(), flush=True)

shw_report.configure(source="urn:x", org_id="{ORG}", producer=send, exit_seconds=5)
"""


def test_a_process_that_ends_at_once_has_published() -> None:
    program = "with shw_report.report('orders.sync', run='r'): raise ValueError('the last of it')"
    assert run_alone(program) == "workflow.failures r\n"


def test_the_end_of_a_process_waits_no_longer_than_it_may() -> None:
    program = """
shw_report.configure(source="urn:x", org_id="x", producer=lambda *_: time.sleep(100), exit_seconds=0.2)
try:
    with shw_report.report('orders.sync'): raise ValueError
except ValueError: print("goes on")
"""
    began = time.monotonic()
    assert run_alone(program) == "goes on\n"
    assert time.monotonic() - began < PATIENCE / 2  # and not the hundred seconds


def test_a_forked_child_publishes_its_own_and_not_its_parents() -> None:
    program = """
def once(run):
    try:
        with shw_report.report('orders.sync', run=run): raise ValueError
    except ValueError: pass
once("parent")
shw_report.flush()
child = os.fork()
if child == 0:
    once("child")
    shw_report.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
    assert run_alone(program) == "workflow.failures parent\nworkflow.failures child\n"


@pytest.mark.parametrize("version", PYTHONS)
def test_it_runs_on_every_python_that_it_names(version: str) -> None:
    beside = Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python")
    python = next(map(str, beside), None) or shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode != 0:
        pytest.skip(f"no Python {version} here")
    program = "with shw_report.report('orders.sync', run='r'): raise ValueError('the last of it')"
    assert run_alone(program, python=python) == "workflow.failures r\n"


def test_a_second_watch_changes_nothing(reported: Reported) -> None:
    before = httpx.Client.send
    shw_report.watch(httpx)
    assert httpx.Client.send is before
    with httpx.Client() as client:
        shw_report.watch(client)
        assert client.send.__func__ is before  # type: ignore[attr-defined]
    assert reported.events() == []


def test_its_log_is_its_own() -> None:
    assert publishing.log.name == "shw_report"
    assert publishing.log.level == logging.NOTSET
