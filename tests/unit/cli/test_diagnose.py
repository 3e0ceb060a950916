import io
import json
import subprocess
from typing import Any

import pytest

from consumer.cli.diagnose import diagnose_lines
from consumer.cli.lines import MAX_LINE, line_batches
from tests.support.patience import PATIENCE
from tests.support.shw import SHW, environment
from tests.support.shw import installed_shw as shw

TIMEOUT = b'{"failure_reason": "Request timeout", "context": {"run": {"id": 1}}, "other": [1]}'


def _answers(text: bytes) -> tuple[bool, list[Any]]:
    sink = io.BytesIO()
    understood = diagnose_lines(io.BytesIO(text), sink)
    return understood, [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_line_is_answered_with_type_disposition_strategy_and_the_evidence_for_them() -> None:
    understood, [answer] = _answers(TIMEOUT)
    assert understood
    assert list(answer) == ["failure_type", "disposition", "confidence", "strategy", "evidence"]
    assert (answer["failure_type"], answer["disposition"], answer["strategy"]) == (
        "api_timeout",
        "retry_if_idempotent",
        "auto-retry",
    )
    assert 0.5 < answer["confidence"] < 1
    assert answer["evidence"] == [
        {
            "rule": "timeout.word",
            "source": "failure_reason",
            "detail": "Request timeout",
            "weight": 6,
            "failure_type": "api_timeout",
            "disposition": "retry_if_idempotent",
            "decided": True,
        }
    ]


@pytest.mark.parametrize(
    "line", [b'{"failure_reason": "no image"}', b'{"failure_reason": "no image", "context": null}\r']
)
def test_a_context_may_be_absent_or_null(line: bytes) -> None:
    understood, [answer] = _answers(line)
    assert understood
    assert answer["failure_type"] == "missing_image"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        pytest.param(b"nope", "cannot be read as JSON", id="no JSON"),
        pytest.param(b'{"failure_reason": "\xff"}', "cannot be read as JSON", id="no UTF-8"),
        pytest.param(b'["timeout"]', "not an object", id="an array"),
        pytest.param(b'{"context": {}}', "failure_reason: is missing", id="no reason"),
        pytest.param(b'{"failure_reason": null}', "failure_reason: must be a string", id="null reason"),
        pytest.param(b'{"failure_reason": 5}', "failure_reason: must be a string", id="a number for a reason"),
        pytest.param(
            b'{"failure_reason": "x", "context": "y"}', "context: must be an object", id="a text for a context"
        ),
        pytest.param(
            b'{"failure_reason": "x", "context": []}', "context: must be an object", id="an array for a context"
        ),
        pytest.param(b'{"failure_reason": "x", "context": ' + b"[" * 5000, "cannot be read as JSON", id="too deep"),
    ],
)
def test_a_bad_line_is_answered_in_its_place_and_the_others_too(line: bytes, fault: str) -> None:
    understood, answers = _answers(TIMEOUT + b"\n" + line + b"\n" + TIMEOUT)
    assert not understood
    assert [next(iter(answer)) for answer in answers] == ["failure_type", "error", "failure_type"]
    assert answers[1]["error"].startswith(fault)


def test_blank_lines_are_no_questions() -> None:
    understood, answers = _answers(b"\n" + TIMEOUT + b"\n \n")
    assert understood
    assert len(answers) == 1


def test_a_line_above_the_limit_is_not_held_and_the_next_one_is_answered() -> None:
    understood, answers = _answers(b"x" * (MAX_LINE + 100_000) + b"\n" + TIMEOUT)
    assert not understood
    assert ["error" in answer for answer in answers] == [True, False]


def test_lines_come_out_as_they_went_in_however_they_are_cut() -> None:
    lines = [b"a" * n for n in (0, 1, 70_000, 3, 200_000)]
    found = [line for batch in line_batches(io.BytesIO(b"\n".join(lines))) for line in batch]
    assert found == lines


def test_the_command_answers_a_line_before_the_next_one_comes() -> None:
    with subprocess.Popen(
        [SHW, "diagnose"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment({})
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(TIMEOUT + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["failure_type"] == "api_timeout"
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_the_command_needs_no_settings_and_its_exit_code_tells_of_a_bad_line() -> None:
    ran = shw("diagnose", settings={"SHW_KAFKA__BOOTSTRAP": "", "SHW_DRAIN": "nonsense"}, stdin=TIMEOUT + b"\nnope\n")
    assert ran.code == 1
    assert ran.err == ""
    assert [next(iter(answer)) for answer in ran.json] == ["failure_type", "error"]


def test_a_diagnosis_waits_for_no_client_of_a_server() -> None:
    imported = subprocess.run(
        [SHW, "diagnose"],
        env=environment({"PYTHONPROFILEIMPORTTIME": "1"}),
        input=TIMEOUT,
        capture_output=True,
        check=True,
    ).stderr.decode()
    assert " pydantic\n" in imported
    for heavy in ("aiokafka", "asyncpg", "fastapi", "httpx2"):
        assert f" {heavy}\n" not in imported
