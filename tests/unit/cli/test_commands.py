import io
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.cli.exits import ExitCode, code_of
from consumer.cli.main import run_command
from consumer.cli.tables import plain, print_rows
from consumer.errors import ConfigError, LostClaim, NoAnswer, RefusedByDatabase, ShwError, TransientError
from schemas.documents import GENERATED
from tests.support.patience import PATIENCE
from tests.support.shw import environment
from tests.support.shw import installed_shw as shw

ORG = str(uuid.UUID(int=7))
CATALOG = """
version: 1
sources:
- {source: 'urn:good', organisations: '*'}
- {source: 'urn:kafka:*', organisations: '*'}
workflows:
- name: 'orders.*'
  hosts: [{host: api.example.com}, {host: 10.0.0.7, ports: [80], schemes: [http]}]
"""
REQUEST = {"request": {"method": "GET", "url": "https://api.example.com/orders/1"}}


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    monkeypatch.setenv("SHW_CATALOG", str(path))
    return path


def _event(**changes: Any) -> bytes:  # noqa: ANN401 - JSON is anything
    data = {"org_id": ORG, "workflow_name": "orders.sync", "failure_reason": "timeout", "context": REQUEST} | changes
    event = {"specversion": "1.0", "id": "1", "source": "urn:good", "type": "workflow.failure.v1", "data": data}
    return json.dumps(event).encode()


def _run(*arguments: str, stdin: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    return run_command(arguments)


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("event", "code", "expected"),
    [
        pytest.param(
            _event(),
            0,
            {"accepted": True, "healable": True, "strategy": "auto-retry", "missing_fields": [], "redactions": []},
            id="healable",
        ),
        pytest.param(
            _event(context={}),
            1,
            {
                "accepted": True,
                "healable": False,
                "missing_fields": ["context.request.method", "context.request.url"],
            },
            id="fields are missing",
        ),
        pytest.param(
            _event(context={"request": {**REQUEST["request"], "headers": {"Authorization": "Bearer abcDEF123456"}}}),
            1,
            {"accepted": True, "healable": False, "redactions": ["/context/request/headers/Authorization"]},
            id="a secret in its request",
        ),
        pytest.param(
            _event(failure_reason="no image came", context={"asset": {}}),
            1,
            {"accepted": True, "healable": False, "strategy": "auto-regenerate"},
            id="not installed",
        ),
        pytest.param(
            _event().replace(b"urn:good", b"urn:evil"),
            1,
            {"accepted": False, "healable": False},
            id="a source that may not speak",
        ),
        pytest.param(b"not json", 1, {"accepted": False, "healable": False}, id="poison"),
        pytest.param(b"", 1, {"accepted": False, "healable": False}, id="nothing"),
    ],
)
def test_check_event_says_what_the_service_would_do(
    event: bytes,
    code: int,
    expected: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("check-event", stdin=event, monkeypatch=monkeypatch) == code
    found = json.loads(capsys.readouterr().out)
    assert found | expected == found


@pytest.mark.usefixtures("catalog")
def test_check_event_names_the_poison_the_refusal_and_the_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run("check-event", stdin=b"[]", monkeypatch=monkeypatch)
    assert json.loads(capsys.readouterr().out)["poison"]["reason"] == "wrong_shape"
    foreign = {"request": {"method": "GET", "url": "https://evil.example.org/"}}
    _run("check-event", stdin=_event(context=foreign), monkeypatch=monkeypatch)
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert (plan["decision"], plan["code"]) == ("refuse", "refused")
    assert "evil.example.org" in plan["reason"]
    _run("check-event", stdin=_event(), monkeypatch=monkeypatch)
    found = json.loads(capsys.readouterr().out)
    assert found["organisation"] == "not checked"
    assert (found["plan"]["decision"], found["plan"]["effect"]) == ("heal", "none")


@pytest.mark.usefixtures("catalog")
def test_check_event_says_of_every_rung_what_it_lacks_or_that_it_may_act(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {"request": {"method": "GET"}, "dependency": {"id": "mail"}}
    _run("check-event", stdin=_event(context=broken), monkeypatch=monkeypatch)
    retry, replacement, rewrite = json.loads(capsys.readouterr().out)["ladder"]
    assert (retry["strategy"], retry["may_act"], retry["code"]) == ("auto-retry", False, "missing_context")
    assert retry["missing_fields"] == ["context.request.url"]
    assert (replacement["strategy"], replacement["code"]) == ("dependency-replacement", "missing_context")
    assert rewrite["strategy"] == "DeepAgent-full-workflow-rewrite"
    _run("check-event", stdin=_event(), monkeypatch=monkeypatch)
    assert json.loads(capsys.readouterr().out)["ladder"][0] == {"strategy": "auto-retry", "may_act": True}


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("event", "code", "end"),
    [
        pytest.param(_event(), 0, "publish it", id="healable"),
        pytest.param(
            _event(context={"request": {"method": "GET"}}),
            1,
            "change this line: context.request.url is missing",
            id="a field is missing",
        ),
        pytest.param(b"not json", 1, "change this line: ", id="poison"),
        pytest.param(
            _event(context={"request": {"method": "GET", "url": "http://10.0.0.7/orders"}}),
            1,
            "change this line: list its network under `addresses` of the host 10.0.0.7 in the catalog",
            id="an address that is not dialled",
        ),
    ],
)
def test_check_event_in_words_ends_with_publish_it_or_the_line_to_change(
    event: bytes, code: int, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("check-event", "--human", stdin=event, monkeypatch=monkeypatch) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(end)


def test_check_event_names_a_secret_that_is_not_set_here(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "{env: SHOP_TOKEN, hosts: [api.example.com], methods: [GET], paths: [/**], headers: [authorization]}"
    bound = CATALOG.replace("organisations: '*'}", "organisations: '*', workflows: '*'}")
    catalog.write_text(f"{bound.rstrip()}\n  secrets: [T]\nsecrets:\n  T: {secret}\n")
    event = _event(context={"request": {**REQUEST["request"], "headers": {"Authorization": "Bearer secret://T"}}})
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    _run("check-event", stdin=event, monkeypatch=monkeypatch)
    found = json.loads(capsys.readouterr().out)
    assert [one["about"] for one in found["obstacles"]] == ["secret"], found
    assert "SHOP_TOKEN is not set here" in found["obstacles"][0]["says"]
    monkeypatch.setenv("SHOP_TOKEN", "set")
    _run("check-event", stdin=event, monkeypatch=monkeypatch)
    assert json.loads(capsys.readouterr().out)["obstacles"] == []


@pytest.mark.usefixtures("catalog")
def test_check_event_reads_a_binary_event_by_its_headers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "urn:good", "type": "workflow.failure.v1"}
    headers = [f"--header=ce_{name}={value}" for name, value in attributes.items()]
    data = json.dumps(json.loads(_event())["data"]).encode()
    assert _run("check-event", *headers, stdin=data, monkeypatch=monkeypatch) == 0
    binary = json.loads(capsys.readouterr().out)
    _run("check-event", stdin=_event(), monkeypatch=monkeypatch)
    assert binary["failure_id"] == json.loads(capsys.readouterr().out)["failure_id"]
    _run("check-event", stdin=data, monkeypatch=monkeypatch)
    assert json.loads(capsys.readouterr().out)["failure_id"] is None  # comes from its place, which it has not yet


def test_a_catalog_is_checked_and_a_fault_is_one_line_with_its_place(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["catalog", "check"]) == 0
    assert "is valid: version" in capsys.readouterr().out
    catalog.write_text(CATALOG + "  colour: red\n")
    assert run_command(["catalog", "check", str(catalog)]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"shw: {catalog}:9: ")
    assert said.err.count("\n") == 1


def test_a_catalog_that_does_not_bind_its_secrets_is_told_what_to_add(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog.write_text(CATALOG + "  secrets: [A]\nsecrets:\n  A: {env: A, hosts: [a.example]}\n")
    assert run_command(["catalog", "check"]) == ExitCode.NO
    valid, source, _, secret = capsys.readouterr().out.splitlines()
    assert "is valid: version" in valid
    assert "is bound to no workflows" in source
    assert secret.startswith(f"{catalog}:11: secrets.A: it is sent nowhere until it is bound: add `methods: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["attempts", "not-a-uuid"],
        ["failures", "--status", "odd"],
        ["dlq", "show", "3"],
        ["dlq", "replay"],
        ["dlq", "replay", "0:1", "--all"],
        ["dlq", "replay", "0:1", "--reason", "not_json"],
        ["dlq", "replay", "0:1", "--source", "urn:a"],
        ["dlq", "replay", "--since", "7d"],
        ["dlq", "replay", "--all", "--since", "yesterday"],
        ["schemas", "--check", "--write"],
        ["check-event", "--header", "nothing"],
        ["publish", "--form", "round"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("shw: ")
    assert said.err.count("\n") == 1


@pytest.mark.usefixtures("catalog")
def test_a_server_that_is_not_there_is_one_line_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHW_POSTGRES__DSN", "postgres://me:hunter2@127.0.0.1:9/db")
    monkeypatch.setenv("SHW_KAFKA__BOOTSTRAP", "127.0.0.1:9")
    monkeypatch.setattr("consumer.store.migrate.WAIT", timedelta(seconds=1))
    for command in (["failures"], ["heal", ORG], ["dlq", "list"], ["topics"], ["migrate"], ["wallet", ORG]):
        assert run_command(command) == ExitCode.OUTSIDE, command
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert "hunter2" not in said.err
        assert "Check SHW_" in said.err or "(SHW_" in said.err


def test_a_service_that_finds_no_server_says_so_and_exits_with_3(catalog: Path) -> None:
    dsn = "postgres://me:hunter2@127.0.0.1:9/db"
    settings = {"SHW_CATALOG": str(catalog), "SHW_POSTGRES__DSN": dsn, "SHW_KAFKA__BOOTSTRAP": "127.0.0.1:9"}
    ran = shw("run", settings=settings)
    assert (ran.code, ran.err.count("\n")) == (ExitCode.OUTSIDE, 1), ran.err
    assert "hunter2" not in ran.out.decode() + ran.err


def test_a_wrong_setting_is_one_line_that_names_it() -> None:
    ran = shw("failures", settings={"SHW_POSTGRES__POOL_SIZE": "many"})
    assert ran.code == ExitCode.USAGE
    assert ran.err.startswith("shw: Settings: SHW_POSTGRES__POOL_SIZE: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), ExitCode.USAGE),
        (NoAnswer("x"), ExitCode.OUTSIDE),
        (TransientError("x"), ExitCode.OUTSIDE),
        (LostClaim("x"), ExitCode.OUTSIDE),
        (RefusedByDatabase("x"), ExitCode.NO),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ShwError) else value.name,
)
def test_every_error_of_ours_has_an_exit_code(error: ShwError, code: ExitCode) -> None:
    assert code_of(error) is code


def test_help_comes_at_once_and_names_every_command() -> None:
    ran = shw("--help")
    assert ran.code == 0
    for command in (
        "run",
        "dev",
        "console",
        "demo",
        "migrate",
        "topics",
        "catalog",
        "publish",
        "check-event",
        "diagnose",
    ):
        assert f" {command} " in ran.out.decode()
    assert shw("--version").out.strip()


def test_a_console_without_the_demo_is_told_where_that_of_a_service_is() -> None:
    ran = shw("console")
    assert ran.code == ExitCode.USAGE
    assert "at `/` of its API" in ran.err
    assert "shw console --demo" in ran.err
    refused = shw("console", "--demo", settings={"SHW_API__PORT": "8081"})
    assert "SHW_API__PORT is set" in refused.err


def test_schemas_are_named_printed_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["schemas"]) == 0
    names = capsys.readouterr().out.split()
    assert "workflow.failure.v1" in names
    assert len(names) == len(list(GENERATED.iterdir()))
    for name in ("workflow.failure.v1", "workflow.failure.v1.schema.json"):
        assert run_command(["schemas", name]) == 0
        assert json.loads(capsys.readouterr().out)["$id"] == "urn:shw:schema:workflow.failure.v1"
    assert run_command(["schemas", "nothing"]) == ExitCode.NO
    assert run_command(["schemas", "--check"]) == 0


def test_a_pipe_gets_tabs_and_no_strangers_terminal_commands(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("a", "b"), [("1\t2\n3", "\x1b[31mred"), (None, 5)])
    out = capsys.readouterr().out
    assert out == "a\tb\n1 2 3\t\\x1b[31mred\n\t5\n"
    assert plain("[bold]x[/bold]") == "[bold]x[/bold]"


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """Let programs that a test starts hear it, also where the tests run in a shell's background, which does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
def test_ctrl_c_is_exit_code_130_without_a_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "consumer", "diagnose"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({}),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b'{"failure_reason": ""}\n')
        process.stdin.flush()
        assert process.stdout.readline()  # it runs
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == ExitCode.INTERRUPTED
        assert process.stderr.read() == b""
