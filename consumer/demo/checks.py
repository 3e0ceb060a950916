"""Oracle of the demo: compares the input log, the rows, the world's record and the topics with what must hold. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from consumer.demo.assets import check_voices
from consumer.demo.billing import MISSED, BillingAct
from consumer.demo.cases import SECRET, Case, EventForm, effects_of
from consumer.demo.crowd import COUNT, EFFECTS, HANDFUL, NAME, SERVICE, WATCHED_PROBES, Outage
from consumer.demo.drift import COUNT as DRIFTING
from consumer.demo.drift import EFFECTS as DRIFT_EFFECTS
from consumer.demo.drift import FIX
from consumer.demo.drift import NAME as DRIFT_NAME
from consumer.demo.organisations import WALLETS_AUD
from consumer.demo.poison import Poison
from consumer.demo.rewrites import RewritesSeen
from consumer.demo.state import DemoFailure, Output
from consumer.demo.translations import StandIn
from consumer.demo.world import EffectRecord as WorldRecord
from schemas.dead_letter import PREFIX
from schemas.definition_change import DEFINITION_CHANGE_TYPE
from schemas.dependency_binding import DEPENDENCY_BINDING_TYPE
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE, PAUSE_TYPE

HELD: Final = ("transfers.payout", "texts.confirm")
"""Heals surely under way when one replica was killed: the world held their calls open."""
TOLD: Final = frozenset({"deferred", "awaiting_approval", "needs_person", "given_up"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One invariant, and the violations found."""

    name: str
    details: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return not self.details


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Record of a demo run: its input, its crash, its outage and its logs."""

    cases: Sequence[Case]
    poison: Sequence[Poison]
    sent: Sequence[bytes]
    """Every record that the broker acknowledged."""
    interrupted: Mapping[str, bool]
    """Heals under way in the killed process, and whether each had marked an effect as begun."""
    taken_over: int
    """Number of heals that the other replica took over."""
    outage: Outage
    held: bool
    """What was paused began nothing until it was resumed."""
    stand_in: StandIn
    billing: BillingAct
    rewrites: RewritesSeen
    log: str
    """Log output of the consumers."""


def checks_of(story: Story, output: Output, world: WorldRecord) -> tuple[Check, ...]:
    """Check every invariant."""
    return (
        Check(name="every failure ended as it should", details=tuple(_check_outcomes(story.cases, output.standings))),
        Check(name="the input log holds what was published", details=tuple(_check_inputs(story, output))),
        Check(name="one row for each failure, however often delivered", details=tuple(_check_rows(story, output))),
        Check(
            name="each poison is a dead letter, raw and with its reason",
            details=tuple(_check_dead_letters(story, output)),
        ),
        Check(name="each attempt and status is published, in order", details=tuple(_check_published(output))),
        Check(name="one replica was killed in the middle of heals", details=tuple(_check_kill(story))),
        Check(name="the other went on, and took over what it left", details=_check_takeover(story)),
        Check(
            name=f"the dead service saw {HANDFUL} calls at most, of {COUNT:,}",
            details=tuple(_check_calls_while_dead(story)),
        ),
        Check(name="while the breaker was open, one call at a time", details=tuple(_check_probes(story))),
        Check(name=f"when it was back, all {COUNT:,} were healed", details=tuple(_check_crowd(story, output))),
        Check(
            name="what was paused waited, what is in shadow mode was told alone",
            details=tuple(_check_held_back(story, output)),
        ),
        Check(
            name="a dead provider was replaced, saw nothing but one health call at a time, and came back",
            details=tuple(_check_stand_in(story, output)),
        ),
        Check(
            name=f"{MISSED} missed events of billing were applied, the refund only after a yes",
            details=tuple(_check_billing(story)),
        ),
        Check(
            name="a broken workflow was rewritten after a yes and one run of it; a hostile text got nothing",
            details=tuple(_check_rewrites(story, output)),
        ),
        Check(name="the recovered answer was handed to the run", details=tuple(_check_handover(world))),
        Check(name="a repaired payload was run again as its patch says", details=tuple(_check_repair(output, world))),
        Check(name=f"{DRIFTING} equal repairs made one drift finding", details=tuple(_check_drift(output))),
        Check(name="nothing is left under way", details=_check_left_over(output)),
        Check(name="the ledger adds up to the wallets", details=_check_ledger(output)),
        Check(
            name="voices were paid from the voice budget, and nothing else was",
            details=check_voices(story.cases, output.voices),
        ),
        Check(name="the secret stands in no row, result or log line", details=tuple(_find_leaks(story, output))),
        Check(name="the world counts every effect once", details=tuple(_check_effects(story.cases, world))),
    )


def lost_and_repeated(cases: Sequence[Case], world: WorldRecord) -> tuple[int, int]:
    """Count the effects that never happened, and the repetitions of others, by the world's own record."""
    wanted = (*effects_of(cases), *EFFECTS, *DRIFT_EFFECTS)
    lost = sum(world.effects[effect] == 0 for effect in wanted)
    return lost, sum(count - 1 for count in world.effects.values() if count > 1)


def as_expected(case: Case, standing: DemoFailure | None) -> bool:
    """Return whether a failure has reached its expected outcome."""
    return next(_differences(case, standing), None) is None


def _check_outcomes(cases: Sequence[Case], standings: Sequence[DemoFailure]) -> Iterator[str]:
    by_name = {standing.name: standing for standing in standings}
    for case in cases:
        different = list(_differences(case, by_name.get(case.name)))
        if different:
            yield f"{case.name}: {'; '.join(different)}"


def _differences(case: Case, standing: DemoFailure | None) -> Iterator[str]:
    if standing is None:
        yield "no row"
        return
    expected, found = case.expected, standing
    pairs = (
        ("status", expected.status.value, "healing" if found.healing else found.status),
        ("result", expected.result.value, found.result),
        ("strategy", expected.strategy.value, found.strategy),
        ("code", expected.code.value if expected.code else "", found.code),
        ("missing", list(expected.missing), found.details.get("missing", [])),
    )
    yield from (f"{name} is {is_!r} and should be {wanted!r}" for name, wanted, is_ in pairs if wanted != is_)
    reason = str(found.details.get("reason", "")) + found.evidence
    if expected.says not in reason:
        yield f"the reason {reason!r} does not say {expected.says!r}"


def _check_inputs(story: Story, output: Output) -> Iterator[str]:
    missing = Counter(story.sent) - Counter(record.value or b"" for record in output.inputs)
    yield from (f"not in the log: {value[:80]!r}" for value in missing)


def _check_rows(story: Story, output: Output) -> Iterator[str]:
    found = Counter(standing.name for standing in output.standings)
    for name, count in found.items():
        if count > 1:
            yield f"{name}: {count} rows"
    yield from (f"{name}: nobody published it" for name in found.keys() - {case.name for case in story.cases})
    records = sum(case.way is not EventForm.MEMBER for case in story.cases) + len(story.poison) + COUNT + DRIFTING
    if len(story.sent) <= records:
        yield "no failure was delivered twice: there is nothing to see here"


def _check_dead_letters(story: Story, output: Output) -> Iterator[str]:
    found = Counter((dict(letter.headers).get(f"{PREFIX}reason"), letter.value) for letter in output.letters)
    wanted = {(poison.reason.value.encode(), poison.value) for poison in story.poison}
    yield from (f"no dead letter {reason!r} for {value[:60]!r}" for reason, value in wanted - found.keys())
    yield from (f"a dead letter {reason!r} that is none: {value!r}"[:200] for reason, value in found.keys() - wanted)


def _check_published(output: Output) -> Iterator[str]:
    events: list[dict[str, Any]] = [json.loads(record.value or b"{}") for record in output.results]
    told = Counter(event["id"] for event in events if event["type"] == HEAL_RESULT_TYPE)
    known = {str(attempt.id) for attempt in output.attempts}
    yield from (f"attempt {attempt} is not published" for attempt in known - told.keys())
    yield from (f"attempt {attempt} is published and not in the table" for attempt in told.keys() - known)
    told_of = {(e["data"]["failure_id"], e["data"]["step"]) for e in events if e["type"] == FAILURE_STATUS_TYPE}
    for one in output.standings:
        if one.status in TOLD and (str(one.id), one.step) not in told_of:
            yield f"{one.name}: its status {one.status} at step {one.step} is not published"
    yield from _find_out_of_order(events)


def _find_out_of_order(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Find first publications that came after a later step's; the topic keeps the order per failure."""
    reached: dict[UUID, int] = {}
    seen: set[str] = set()
    for event in events:
        if "step" not in event["data"]:
            continue  # of a pause, or a definition
        failure, step = UUID(event["data"]["failure_id"]), event["data"]["step"]
        if event["id"] not in seen and step < reached.get(failure, 0):
            yield f"{failure}: step {step} came after step {reached[failure]}"
        seen.add(event["id"])
        reached[failure] = max(step, reached.get(failure, 0))


def _check_held_back(story: Story, output: Output) -> Iterator[str]:
    events = [json.loads(record.value or b"{}") for record in output.results]
    states = {event["data"]["state"] for event in events if event["type"] == PAUSE_TYPE}
    if not story.held:
        yield "what was paused was not held"
    if states != {"in_force", "ended"}:
        yield f"of the pause was told: {sorted(states)}"
    told = [event["data"] for event in events if event["type"] == FAILURE_STATUS_TYPE]
    would = {one["would_heal"]["strategy"] for one in told if one.get("would_heal")}
    if would != {"auto-retry"}:
        yield f"in shadow mode would have healed: {sorted(would)}"


def _check_stand_in(story: Story, output: Output) -> Iterator[str]:
    if story.stand_in.most_at_once > 1:
        yield f"{story.stand_in.most_at_once} calls to the dead provider at once"
    if not story.stand_in.back:
        yield "its calls never went back to it"
    events = [json.loads(record.value or b"{}") for record in output.results]
    states = [event["data"]["state"] for event in events if event["type"] == DEPENDENCY_BINDING_TYPE]
    if states[:1] != ["canary"] or states[-1:] != ["first"]:
        yield f"of its binding was told: {states}"


def _check_billing(story: Story) -> Iterator[str]:
    if (story.billing.applied, story.billing.refunded) != (MISSED, 0):
        yield f"before the yes there were {story.billing.applied} events and {story.billing.refunded} refunds"


def _check_kill(story: Story) -> Iterator[str]:
    yield from (f"{name} was not being healed" for name in HELD if name not in story.interrupted)
    if not story.interrupted.get("texts.confirm"):
        yield "the un-keyed call was not marked as begun"


def _check_takeover(story: Story) -> tuple[str, ...]:
    return () if story.taken_over >= len(HELD) else (f"only {story.taken_over} heals",)


def _check_calls_while_dead(story: Story) -> Iterator[str]:
    if not story.outage.opened:
        yield "the breaker never opened"
    if not 0 < story.outage.calls <= HANDFUL:
        yield f"{SERVICE} saw {story.outage.calls} calls while it was dead"


def _check_probes(story: Story) -> Iterator[str]:
    if story.outage.watched < WATCHED_PROBES:
        yield f"only {story.outage.watched} probes were seen"
    if story.outage.at_once != 1:
        yield f"{story.outage.at_once} calls at once were seen"


def _check_crowd(story: Story, output: Output) -> Iterator[str]:
    crowd = output.crowd
    if not story.outage.found:
        yield f"no probe found that {SERVICE} was back"
    if not crowd.healed:
        yield f"{NAME}: {crowd.failures} rows, {crowd.resolved} resolved"


def _check_rewrites(story: Story, output: Output) -> Iterator[str]:
    if story.rewrites.retries != (0, 1):
        yield f"the retries in the versions of the broken workflow are {story.rewrites.retries}"
    if story.rewrites.hostile != 1:
        yield f"the hostile text's workflow has {story.rewrites.hostile} versions"
    events = [json.loads(record.value or b"{}") for record in output.results]
    told = {event["data"]["state"] for event in events if event["type"] == DEFINITION_CHANGE_TYPE}
    if told != {"watching"}:
        yield f"of its definition was told: {sorted(told)}"


def _check_handover(world: WorldRecord) -> Iterator[str]:
    match world.bodies.get("runs:run-1001"):
        case {"response": {"body": {"reference": "order-1001", "state": "booked"}}}:
            return
        case body:
            yield f"the run got {body!r}"


def _check_repair(output: Output, world: WorldRecord) -> Iterator[str]:
    standing = next((one for one in output.standings if one.name == "invoices.book"), None)
    if standing is None or not standing.patch:
        yield "no attempt has a patch"
    match world.bodies.get("engine:run-inv-7"):
        case {"input": {"invoice_id": "inv-7", "amount": 129, "status": "paid"}}:
            return
        case body:
            yield f"the step got {body!r}"


def _check_drift(output: Output) -> Iterator[str]:
    if not output.drift.healed:
        yield f"{output.drift.failures} rows, {output.drift.resolved} resolved, {len(output.drift.found)} findings"
    told = [(found.workflow_name, found.fix) for found in output.drift.found]
    if told != [(DRIFT_NAME, FIX)]:
        yield f"found was {told!r}"


def _check_left_over(output: Output) -> tuple[str, ...]:
    return () if output.left_over == 0 else (f"{output.left_over} claims or messages remain",)


def _check_ledger(output: Output) -> tuple[str, ...]:
    moved, wallets = output.books
    return () if WALLETS_AUD + moved == wallets else (f"{WALLETS_AUD} and {moved} do not make {wallets}",)


def _find_leaks(story: Story, output: Output) -> Iterator[str]:
    secret = SECRET.removeprefix("Bearer ")
    places = (
        ("a row", output.everything),
        ("a result", "".join((record.value or b"").decode() for record in output.results)),
        ("the log", story.log),
    )
    yield from (f"it stands in {name}" for name, text in places if secret in text)


def _check_effects(cases: Sequence[Case], world: WorldRecord) -> Iterator[str]:
    wanted = {*effects_of(cases), *EFFECTS, *DRIFT_EFFECTS}
    for effect in sorted(wanted | world.effects.keys()):
        count = world.effects[effect]
        if count != (effect in wanted):
            yield f"{effect} happened {count} times and should have {int(effect in wanted)} times"
