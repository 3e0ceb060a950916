import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from consumer.logs import configure, get_logger
from schemas.names import StrategyName
from tests.support.plain_logs import log_plainly


@pytest.fixture
def out() -> Iterator[io.BytesIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.BytesIO()
    configure("info", stream)
    yield stream
    structlog.contextvars.clear_contextvars()
    log_plainly()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_fields_and_the_bound_context(out: io.BytesIO) -> None:
    with structlog.contextvars.bound_contextvars(failure_id="f-1"):
        get_logger().info("heal_ended", strategy=StrategyName.AUTO_RETRY, tries=2)
    get_logger().debug("not_told")
    get_logger().warning("other")
    first, second = lines(out)
    assert first.items() >= {
        "event": "heal_ended", "level": "info", "failure_id": "f-1", "strategy": "auto-retry", "tries": 2,
    }.items()  # fmt: skip
    assert first["timestamp"].endswith("Z")
    assert "failure_id" not in second


def test_a_secret_reaches_no_line(out: io.BytesIO) -> None:
    log = get_logger()
    log.warning("connect_failed", error="postgres://app:open-sesame-73@db/x refused", header="Bearer open-sesame-73")
    try:
        int("password=open-sesame-73")
    except ValueError:
        log.exception("strategy_crashed")
    logging.getLogger("some.library").error("sent %s", "Authorization: Bearer open-sesame-73")
    assert b"open-sesame-73" not in out.getvalue()
    assert [line["event"] for line in lines(out)] == ["connect_failed", "strategy_crashed", "library_said"]
    assert "ValueError" in lines(out)[1]["exception"]


def test_a_secret_within_a_field_reaches_no_line(out: io.BytesIO) -> None:
    log = get_logger()
    log.info("odd", answer={"headers": {"Authorization": "open-sesame-73"}, "said": ["token=open-sesame-73"]})
    log.info("odd", error=ValueError("password=open-sesame-73"), raw=b"Bearer open-sesame-73", tries=3)
    log.info("odd", text="ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", of=None)
    assert b"open-sesame" not in out.getvalue()
    assert b"16C7e42F" not in out.getvalue()
    assert lines(out)[1]["tries"] == 3


def test_a_library_that_repeats_itself_gets_one_line_a_second_and_what_is_left_out_is_told(out: io.BytesIO) -> None:
    now = 100.0
    handler = logging.getLogger().handlers[0]
    handler._clock = lambda: now  # type: ignore[attr-defined]  # noqa: SLF001
    for node in range(100):
        logging.getLogger("client.conn").warning("no connection to node %d", node)
        logging.getLogger("client.group").error("coordinator dead %d", node)
    logging.getLogger("other").warning("its own second")
    now += 1.0
    logging.getLogger("client.conn").warning("still none")
    now += 1.0
    logging.getLogger("client.conn").warning("and again")
    first, other, second, third = lines(out)
    assert (first["message"], other["message"]) == ("no connection to node 0", "its own second")
    assert (second["left_out"], second["gravest_left_out"]) == (199, "coordinator dead 0")
    assert "left_out" not in first
    assert "left_out" not in third


def test_a_librarys_line_comes_in_our_form_and_its_chatter_does_not(out: io.BytesIO) -> None:
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("lost %d of %d", 1, 2)
    (line,) = lines(out)
    assert line.items() >= {
        "event": "library_said", "logger": "some.library", "message": "lost 1 of 2", "level": "warning",
    }.items()  # fmt: skip


def test_what_json_does_not_know_is_written_as_text(out: io.BytesIO) -> None:
    get_logger().info("odd", value={1: {2}}, kind=ValueError("x"))
    assert lines(out)[0]["value"] == {"1": "{2}"}


def test_no_line_controls_a_terminal_and_each_is_the_same_value(out: io.BytesIO) -> None:
    hostile = "\x1b[2J \x9b31m \x7f \u202egnp.exe\u2066 \U000e0041 é 日本 🙂"
    get_logger().info("dead_letter", reason=hostile)
    assert out.getvalue().decode().rstrip("\n").isprintable()
    assert lines(out)[0]["reason"] == hostile
