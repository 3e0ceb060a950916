"""The demo's checks: each finds what it is there to find, and finds nothing in a demo that went well."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID, uuid5

import pytest
from rich.console import Console

from consumer.demo.billing import MISSED, BillingAct
from consumer.demo.cases import Case, Expected, Wave
from consumer.demo.checks import Check, Story, checks_of, lost_and_repeated
from consumer.demo.crowd import COUNT, EFFECTS, HANDFUL, CrowdStanding, Outage
from consumer.demo.drift import COUNT as DRIFTING
from consumer.demo.drift import EFFECTS as DRIFT_EFFECTS
from consumer.demo.drift import FIX, DriftStanding, Found
from consumer.demo.drift import NAME as DRIFT_NAME
from consumer.demo.organisations import VOICES_AUD
from consumer.demo.poison import Poison
from consumer.demo.rewrites import RewritesSeen
from consumer.demo.state import DemoFailure, Finished, Look, Output
from consumer.demo.translations import StandIn
from consumer.demo.view import View
from consumer.demo.world import EffectRecord
from consumer.model import ID_SPACE, Record
from schemas.definition_change import DEFINITION_CHANGE_TYPE
from schemas.dependency_binding import DEPENDENCY_BINDING_TYPE
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE, PAUSE_TYPE
from schemas.names import Code, PoisonReason, Result, Status

ORG = uuid5(ID_SPACE, "org")
TEXT = uuid5(ID_SPACE, "texts.confirm")
PAYOUT = uuid5(ID_SPACE, "transfers.payout")
INVOICE = uuid5(ID_SPACE, "invoices.book")
POISON = Poison(value=b"no", reason=PoisonReason.NOT_JSON)
RUN: dict[str, Any] = {"response": {"body": {"reference": "order-1001", "state": "booked"}}}
MENDED: dict[str, Any] = {"input": {"invoice_id": "inv-7", "amount": 129, "status": "paid"}}
PATCH: dict[str, Any] = {"repair": {"patch": [{"op": "replace", "path": "/amount", "value": 129, "reason": "r"}]}}


def case(name: str, status: Status, result: Result, code: Code | None, effect: str) -> Case:
    expected = Expected(status=status, result=result, code=code)
    return Case(name=name, org_id=ORG, reason="r", context={}, expected=expected, wave=Wave.CRASH, effects=(effect,))


CASES = (
    case("texts.confirm", Status.NEEDS_PERSON, Result.UNKNOWN, Code.INTERRUPTED, "texts:t"),
    case("transfers.payout", Status.RESOLVED, Result.SUCCESS, None, "runs:run-1001"),
    case("invoices.book", Status.RESOLVED, Result.SUCCESS, None, "engine:run-inv-7"),
)


def standing(name: str, failure_id: UUID, status: str, result: str, details: dict[str, Any]) -> DemoFailure:
    return DemoFailure(
        id=failure_id,
        name=name,
        failure_type="api_timeout",
        disposition="retry_now",
        status=status,
        step=1,
        attempts=1,
        owner="",
        begun=False,
        strategy="auto-retry",
        result=result,
        details=details,
    )


def record(value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    return Record(topic="t", partition=0, offset=0, timestamp_ms=0, key=None, value=value, headers=headers)


def event(kind: str, event_id: str, failure_id: UUID, step: int) -> Record:
    data = {"failure_id": str(failure_id), "step": step}
    return record(json.dumps({"type": kind, "id": event_id, "data": data}).encode())


def result(failure_id: UUID) -> Record:
    return event(HEAL_RESULT_TYPE, str(uuid5(failure_id, "a")), failure_id, 0)


STATUS = event(FAILURE_STATUS_TYPE, f"{TEXT}:1", TEXT, 1)


def told_of_a_pause(state: str) -> Record:
    return record(json.dumps({"type": PAUSE_TYPE, "id": state, "data": {"state": state}}).encode())


WOULD = {"failure_id": str(PAYOUT), "step": 0, "would_heal": {"strategy": "auto-retry"}}
SHADOW = record(json.dumps({"type": FAILURE_STATUS_TYPE, "id": "shadow", "data": WOULD}).encode())
BOUND = tuple(
    record(json.dumps({"type": DEPENDENCY_BINDING_TYPE, "id": state, "data": {"state": state}}).encode())
    for state in ("canary", "whole", "first")
)
REWRITTEN = record(json.dumps({"type": DEFINITION_CHANGE_TYPE, "id": "w", "data": {"state": "watching"}}).encode())
HELD_BACK = (told_of_a_pause("in_force"), told_of_a_pause("ended"), SHADOW)
CROWD = tuple(b"c%d" % number for number in range(COUNT))
DAILY = tuple(b"d%d" % number for number in range(DRIFTING))
SENT = (b"a", b"a", b"b", b"i", b"no", *CROWD, *DAILY)
HEALED = CrowdStanding(failures=COUNT, resolved=COUNT)
FOUND = Found(workflow_name=DRIFT_NAME, fix=FIX, patch=[])
DRIFT = DriftStanding(failures=DRIFTING, resolved=DRIFTING, found=(FOUND,))
SPARED = Outage(opened=True, calls=24, watched=3, at_once=1, found=True)
OUTPUT = Output(
    standings=(
        standing("texts.confirm", TEXT, "needs_person", "unknown", {"code": "interrupted"}),
        standing("transfers.payout", PAYOUT, "resolved", "success", {}),
        standing("invoices.book", INVOICE, "resolved", "success", PATCH),
    ),
    crowd=HEALED,
    drift=DRIFT,
    attempts=tuple(Finished(id=uuid5(f, "a"), failure_id=f, step=0, result="") for f in (TEXT, PAYOUT, INVOICE)),
    left_over=0,
    books=(Decimal("-0.5"), Decimal("219.5")),
    voices=Decimal(VOICES_AUD),
    everything="rows",
    inputs=tuple(map(record, SENT)),
    results=(result(TEXT), STATUS, result(PAYOUT), result(PAYOUT), result(INVOICE), *BOUND, REWRITTEN, *HELD_BACK),
    letters=(record(b"no", (("shw_dlq_reason", b"not_json"),)),),
)
STORY = Story(
    cases=CASES,
    poison=(POISON,),
    sent=SENT,
    interrupted={"texts.confirm": True, "transfers.payout": False},
    taken_over=2,
    outage=SPARED,
    held=True,
    stand_in=StandIn(most_at_once=1, back=True),
    billing=BillingAct(applied=MISSED, refunded=0),
    rewrites=RewritesSeen(retries=(0, 1), hostile=1),
    log="",
)


def world(
    effects: Mapping[str, int] | None = None, body: dict[str, Any] | None = None, mended: dict[str, Any] | None = None
) -> EffectRecord:
    counted = {"texts:t": 1, "runs:run-1001": 1} if effects is None else effects
    others = dict.fromkeys((*EFFECTS, *DRIFT_EFFECTS, "engine:run-inv-7"), 1)
    bodies = {"runs:run-1001": RUN if body is None else body, "engine:run-inv-7": mended or MENDED}
    return EffectRecord(effects=Counter(others | dict(counted)), bodies=bodies)


def failed(story: Story = STORY, output: Output = OUTPUT, seen: EffectRecord | None = None) -> list[str]:
    return [check.name for check in checks_of(story, output, seen or world()) if not check.ok]


def test_a_demo_that_went_well_passes_every_check() -> None:
    assert failed() == []
    assert lost_and_repeated(CASES, world()) == (0, 0)


@pytest.mark.parametrize(
    ("effects", "counted"),
    [
        ({"texts:t": 1}, (1, 0)),
        ({"texts:t": 3, "runs:run-1001": 1}, (0, 2)),
        ({"texts:t": 1, "runs:run-1001": 1, EFFECTS[0]: 0}, (1, 0)),
        ({"texts:t": 1, "runs:run-1001": 1, EFFECTS[-1]: 2}, (0, 1)),
        ({"texts:t": 1, "runs:run-1001": 1, "nobody:asked": 1}, (0, 0)),
    ],
    ids=["lost", "repeated", "one of the crowd lost", "one of the crowd repeated", "not asked for"],
)
def test_the_world_tells_what_was_lost_and_what_was_repeated(effects: dict[str, int], counted: tuple[int, int]) -> None:
    assert lost_and_repeated(CASES, world(effects)) == counted
    assert "the world counts every effect once" in failed(seen=world(effects))


OK = "every failure ended as it should"
ROWS = "one row for each failure, however often delivered"
TOLD = "each attempt and status is published, in order"
LETTERS = "each poison is a dead letter, raw and with its reason"
CRASH = "one replica was killed in the middle of heals"
TAKEN = "the other went on, and took over what it left"
HANDS = f"the dead service saw {HANDFUL} calls at most, of {COUNT:,}"
PROBES = "while the breaker was open, one call at a time"
BACK = "when it was back, all 1,000 were healed"
MEND = "a repaired payload was run again as its patch says"
DRIFTS = f"{DRIFTING} equal repairs made one drift finding"
STOOD_IN = "a dead provider was replaced, saw nothing but one health call at a time, and came back"
IN_STEP = f"{MISSED} missed events of billing were applied, the refund only after a yes"
HELD = "what was paused waited, what is in shadow mode was told alone"
REWROTE = "a broken workflow was rewritten after a yes and one run of it; a hostile text got nothing"
LEAK = "the secret stands in no row, result or log line"
BROKEN: dict[str, tuple[str, Callable[[], list[str]]]] = {
    "an event not applied": (IN_STEP, lambda: failed(replace(STORY, billing=BillingAct(applied=9, refunded=0)))),
    "an unasked refund": (IN_STEP, lambda: failed(replace(STORY, billing=BillingAct(applied=MISSED, refunded=1)))),
    "no row": (OK, lambda: failed(output=replace(OUTPUT, standings=OUTPUT.standings[:1]))),
    "another end": (
        OK,
        lambda: failed(output=replace(OUTPUT, standings=(*OUTPUT.standings[::2], _standing(status="given_up")))),
    ),
    "two rows": (ROWS, lambda: failed(output=replace(OUTPUT, standings=(*OUTPUT.standings, _standing())))),
    "a row of nobody's": (
        ROWS,
        lambda: failed(output=replace(OUTPUT, standings=(*OUTPUT.standings, _standing(name="x")))),
    ),
    "nothing delivered twice": (ROWS, lambda: failed(replace(STORY, sent=SENT[1:]))),
    "an input that the log lacks": (
        "the input log holds what was published",
        lambda: failed(output=replace(OUTPUT, inputs=OUTPUT.inputs[1:])),
    ),
    "an attempt that nobody was told of": (TOLD, lambda: failed(output=replace(OUTPUT, results=OUTPUT.results[:2]))),
    "a status that nobody was told of": (
        TOLD,
        lambda: failed(output=replace(OUTPUT, results=(result(TEXT), *OUTPUT.results[2:]))),
    ),
    "an attempt that is not in the table": (TOLD, lambda: failed(output=replace(OUTPUT, attempts=OUTPUT.attempts[:1]))),
    "the wrong order": (
        TOLD,
        lambda: failed(output=replace(OUTPUT, results=(STATUS, result(TEXT), result(PAYOUT)))),
    ),
    "no dead letter": (LETTERS, lambda: failed(output=replace(OUTPUT, letters=()))),
    "a dead letter of a good event": (
        LETTERS,
        lambda: failed(output=replace(OUTPUT, letters=(*OUTPUT.letters, record(b"a")))),
    ),
    "killed too early": (CRASH, lambda: failed(replace(STORY, interrupted={"texts.confirm": True}))),
    "not marked as begun": (
        CRASH,
        lambda: failed(replace(STORY, interrupted={"texts.confirm": False, "transfers.payout": False})),
    ),
    "nobody took over": (TAKEN, lambda: failed(replace(STORY, taken_over=1))),
    "a breaker that never opened": (HANDS, lambda: failed(_outage(opened=False))),
    "a dead service that was run over": (HANDS, lambda: failed(_outage(calls=HANDFUL + 1))),
    "a dead service that nobody called": (HANDS, lambda: failed(_outage(calls=0))),
    "two probes at once": (PROBES, lambda: failed(_outage(at_once=2))),
    "no probe to be seen": (PROBES, lambda: failed(_outage(watched=2))),
    "nobody found that it was back": (BACK, lambda: failed(_outage(found=False))),
    "one of the crowd not healed": (
        BACK,
        lambda: failed(output=replace(OUTPUT, crowd=replace(HEALED, resolved=COUNT - 1))),
    ),
    "one of the crowd in two rows": (
        BACK,
        lambda: failed(output=replace(OUTPUT, crowd=CrowdStanding(failures=COUNT + 1, resolved=COUNT + 1))),
    ),
    "another answer handed over": (
        "the recovered answer was handed to the run",
        lambda: failed(seen=world(body={"response": {"body": {}}})),
    ),
    "a step that was run again with another payload": (
        MEND,
        lambda: failed(seen=world(mended={"input": {"invoice_id": "inv-7", "amount": "129", "status": "paid"}})),
    ),
    "a repair without its patch": (
        MEND,
        lambda: failed(output=replace(OUTPUT, standings=(*OUTPUT.standings[:2], _invoice({"repair": {"patch": []}})))),
    ),
    "equal repairs of which nothing was found": (
        DRIFTS,
        lambda: failed(output=replace(OUTPUT, drift=replace(DRIFT, found=()))),
    ),
    "one of them not healed": (
        DRIFTS,
        lambda: failed(output=replace(OUTPUT, drift=replace(DRIFT, resolved=DRIFTING - 1))),
    ),
    "a finding of another fix": (
        DRIFTS,
        lambda: failed(output=replace(OUTPUT, drift=replace(DRIFT, found=(replace(FOUND, fix="send nothing"),)))),
    ),
    "a pause that held nothing": (HELD, lambda: failed(replace(STORY, held=False))),
    "a pause of which the end was not told": (
        HELD,
        lambda: failed(output=replace(OUTPUT, results=(*OUTPUT.results[:8], HELD_BACK[0], SHADOW))),
    ),
    "a shadow heal that was not told": (HELD, lambda: failed(output=replace(OUTPUT, results=OUTPUT.results[:-1]))),
    "a dead provider that was called at once": (
        STOOD_IN,
        lambda: failed(replace(STORY, stand_in=StandIn(most_at_once=2, back=True))),
    ),
    "a provider that never came back": (
        STOOD_IN,
        lambda: failed(replace(STORY, stand_in=StandIn(most_at_once=1, back=False))),
    ),
    "a binding of which the end was not told": (
        STOOD_IN,
        lambda: failed(output=replace(OUTPUT, results=(*OUTPUT.results[:7], *HELD_BACK))),
    ),
    "a rewrite that was never put in force": (
        REWROTE,
        lambda: failed(replace(STORY, rewrites=RewritesSeen(retries=(0,), hostile=1))),
    ),
    "a rewrite that a hostile text asked for": (
        REWROTE,
        lambda: failed(replace(STORY, rewrites=RewritesSeen(retries=(0, 1), hostile=2))),
    ),
    "a rewrite that nobody was told of": (
        REWROTE,
        lambda: failed(output=replace(OUTPUT, results=(*OUTPUT.results[:8], *HELD_BACK))),
    ),
    "a claim that remains": ("nothing is left under way", lambda: failed(output=replace(OUTPUT, left_over=1))),
    "books that do not add up": (
        "the ledger adds up to the wallets",
        lambda: failed(output=replace(OUTPUT, books=(Decimal("-0.5"), Decimal("219.4")))),
    ),
    "the secret in the log": (LEAK, lambda: failed(replace(STORY, log="... demo-7Qx2vK9pLm4RtY8s ..."))),
    "the secret in a row": (LEAK, lambda: failed(output=replace(OUTPUT, everything="demo-7Qx2vK9pLm4RtY8s"))),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_the_check_for_it_fails_on(broken: str) -> None:
    name, found = BROKEN[broken]
    assert name in found()


def test_a_thousand_failures_are_one_row_and_a_thousand_faults_a_few_lines() -> None:
    shown = StringIO()
    console = Console(file=shown, width=120)
    look = Look(standings=OUTPUT.standings, crowd=replace(HEALED, resolved=312, failed_probes=2))
    everything_lost = Check(name="c", details=EFFECTS)
    View(console, None).end(look, [everything_lost], "lost 1,000")
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 120
    assert len([line for line in lines if "312 of 1,000 resolved" in line]) == 1
    assert any("1,003 failures" in line and "314 resolved" in line for line in lines)
    assert len([line for line in lines if "labels:" in line]) == 10
    assert "and 990 more" in lines[lines.index("lost 1,000") - 1]


def _outage(**facts: Any) -> Story:  # noqa: ANN401 - a test's own values
    return replace(STORY, outage=replace(SPARED, **facts))


def _invoice(details: dict[str, Any]) -> DemoFailure:
    return standing("invoices.book", INVOICE, "resolved", "success", details)


def _standing(name: str = "transfers.payout", status: str = "resolved") -> DemoFailure:
    return standing(name, PAYOUT, status, "success", {})
