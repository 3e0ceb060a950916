"""The demo's table: one line a failure with its evidence, on terminals of every usual width."""

from io import StringIO
from uuid import UUID

import pytest
from rich.console import Console

from consumer.demo.checks import Check
from consumer.demo.crowd import NOBODY
from consumer.demo.drift import NOTHING
from consumer.demo.state import DemoFailure, Look
from consumer.demo.view import NEXT, View

EVIDENCE = "expect: 1 of 1 hold; handover: answered 200; and more than any terminal has room for " * 3


def failure(name: str) -> DemoFailure:
    return DemoFailure(
        id=UUID(int=1),
        name=name,
        failure_type="voice_generation_error",
        disposition="retry_if_idempotent",
        status="awaiting_approval",
        step=3,
        attempts=3,
        owner="",
        begun=False,
        strategy="DeepAgent-full-workflow-rewrite",
        result="failed",
        details={"code": "insufficient_credits", "reason": EVIDENCE},
    )


@pytest.mark.parametrize(("columns", "evidence"), [(80, 20), (100, 18), (120, 18), (160, 30)])
def test_a_failure_is_one_line_with_its_evidence_at_any_width(columns: int, evidence: int) -> None:
    out = StringIO()
    names = ("notifications.guests", "concierge.reservation")
    look = Look(standings=tuple(map(failure, names)), crowd=NOBODY, drift=NOTHING)
    View(Console(file=out, width=columns), None).end(look, [Check(name="c")], "lost 0, repeated 0")
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    for name in names:
        (line,) = [one for one in lines if one.strip().startswith(name)]
        assert "awaiting_approval" in line
        assert EVIDENCE[:evidence] in line
    told = lines[lines.index("What to do next:") + 1 :]
    assert [line.split("  ")[1] for line in told] == [what for what, _ in NEXT]
