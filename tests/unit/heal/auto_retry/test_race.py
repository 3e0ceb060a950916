"""A model of the race between a lost call and its repeat: whatever the order, never a second effect.

The other side may work on a call for as long as it declared after everybody has stopped waiting for it; a look may be
slow, fail, or be answered with what was so when it began; the publisher's clock may be off by what is tolerated; a heal
may break, die or run out of time anywhere; where it suspends, whoever goes on comes early, late, on another host with
another clock, or after a person's decision; steps go on as the settle stage has it. Time is the model's own.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

import pytest

from consumer.catalog import WorkflowPolicy
from consumer.errors import DeadlinePassed
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.calls.read_back import CLOCKS_AGREE_WITHIN
from consumer.heal.kept import HealState, Suspended
from consumer.model import Crashed, Failure, Healed, MicroAud, NotHealed, Outcome, Refused, RetryLater, Unknown
from consumer.model.call import Ambiguous, Answer, CallResult, NotSent, OutboundRequest
from consumer.redact import redact_json
from tests.support.healing import NOW, as_kept, diagnosis, failure, policy, task

SECOND = timedelta(seconds=1)
URL = "https://shop.example/charges"
BEGAN = 1000.0
"""When the failed call was given up by its caller, in the model's seconds."""
WORLDS = 1500


DECIDED = 0.05
"""How likely a person decides while a heal is suspended."""


class DecidedError(Exception):
    """A person has decided: nothing is healed any more."""


class BrokenError(Exception):
    """A bug of ours, or whatever else ends a heal in its middle."""


@dataclass(slots=True)
class Model:
    """The other side, and the time."""

    random: Random
    quiet: float
    ends: tuple[str, ...]
    """How calls end here."""
    breaks: float
    """How likely a heal is to break at any one point."""
    clocks: str = "right"
    """Which clock of a suspension is not to be trusted: the database's, or the host's; never both."""
    time: float = BEGAN
    skew: float = 0.0
    effects: list[float] = field(default_factory=list)
    ours: int = 0

    def number(self, low: float, high: float) -> float:
        # The ends of a span are where the mistakes are.
        return self.random.choice([low, high, self.random.uniform(low, high)])

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        del request, policy
        return None

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        del policy, max_bytes
        took = self.number(0, within / SECOND)
        began, self.time = self.time, self.time + took
        result = self._look(began, took) if request.method == "GET" else self._charge(took)
        self.may_break()
        return result

    async def sleep(self, seconds: float) -> None:
        self.may_break()
        self.time += seconds

    def now(self) -> datetime:
        return NOW + (self.time - BEGAN + self.skew) * SECOND

    def passes(self, suspended: "GoesOn") -> None:
        """Let the time pass until a suspended heal is due, or the claim of a dead process can be taken over."""
        if suspended.of_dead:
            self.time = max(self.time, suspended.until)
        early = self.clocks == "the database's" and self.random.random() < 1 / 2
        self.time += suspended.wait * (self.number(0, 1) if early else 1) + self.number(0, 20)

    def at_another_host(self) -> None:
        if self.clocks == "the host's":
            self.skew = self.number(-600, 600)

    def may_break(self) -> None:
        if self.random.random() < self.breaks:
            raise BrokenError

    def _look(self, began: float, took: float) -> CallResult:
        match self.random.choice(["told", "told", "told", "lost", "busy"]):
            case "lost":
                return Ambiguous(kind="ReadError", reason="lost", elapsed=took * SECOND)
            case "busy":
                return answered(503, took)
            case _:
                read_at = self.number(began, self.time)
                return answered(200 if any(at <= read_at for at in self.effects) else 404, took)

    def _charge(self, took: float) -> CallResult:
        match self.random.choice(self.ends):
            case "not sent":
                return NotSent(kind="ConnectError", reason="none", elapsed=took * SECOND)
            case "429" | "422" as refused:
                return answered(int(refused), took)
            case "done":
                self._happens(self.time)
                return answered(201, took)
            case end:
                if self.random.random() < 2 / 3:
                    self._happens(self.time + self.number(0, self.quiet))
                return (
                    answered(500, took) if end == "500" else Ambiguous(kind="x", reason="lost", elapsed=took * SECOND)
                )

    def _happens(self, at: float) -> None:
        self.ours += 1
        self.effects.append(at)


def answered(status: int, took: float) -> Answer:
    kind = ("Content-Type", "application/json")
    return Answer(status=status, headers=(kind,), body=b'{"id": 17}', truncated=False, elapsed=took * SECOND)


@dataclass(slots=True)
class Gate:
    """The gate of one run of a heal, with what its claim carries."""

    model: Model
    until: float
    begun: bool = False
    begun_since: bool = False
    kept: HealState | None = None

    async def begin(self) -> None:
        if self.model.time >= self.until:
            raise DeadlinePassed("over")
        self.begun = self.begun_since = True

    async def keep(self, state: HealState) -> None:
        self.kept, self.begun_since = state, False
        self.model.may_break()

    def unsent(self) -> None:
        raise AssertionError("in this model no permission is lost")

    def charge(self, amount: MicroAud) -> None:
        raise AssertionError(f"auto-retry costs nothing, and charges {amount}")

    def cover(self, amount: MicroAud) -> None:
        raise AssertionError(amount)

    def remaining(self) -> timedelta:
        return max(0.0, self.until - self.model.time) * SECOND


def gate_of(strategy: AutoRetry, failed: Failure, allowed: WorkflowPolicy, model: Model) -> Gate:
    window = strategy.intent(failed, allowed).window
    # Less than it asked for: its claim may have been long under way.
    return Gate(model, model.time + window / SECOND * model.number(0.05, 1))


async def step(strategy: AutoRetry, failed: Failure, allowed: WorkflowPolicy, model: Model) -> Outcome:
    """Heal, and go on whenever it is suspended, in whichever process, until it has an outcome."""
    healed, gate = task(strategy, failed, allowed), gate_of(strategy, failed, allowed, model)
    ended = await one_run(strategy.heal(healed, gate), gate)
    suspended_at = model.time
    while isinstance(ended, GoesOn):
        model.passes(ended)
        kept = replace(as_kept(strategy, Suspended(state=ended.state, look_again=SECOND)), begun=ended.begun_since)
        model.at_another_host()
        if model.time - suspended_at >= strategy.longest_suspension / SECOND:
            return strategy.too_long(healed, kept)
        before, gate = gate, gate_of(strategy, failed, allowed, model)
        gate.begun, gate.begun_since, gate.kept = before.begun or kept.begun, kept.begun, ended.state
        if model.random.random() < DECIDED:
            sent_before = model.ours
            try:
                outcome = await strategy.cancel(healed, gate, kept)
            except BrokenError:
                outcome = Unknown(reason="broken")
            assert model.ours == sent_before
            # What is said to have sent nothing, or not to have worked, had no effect.
            assert not isinstance(outcome, Refused | NotHealed) or model.ours == 0, outcome
            raise DecidedError
        ended = await one_run(strategy.go_on(healed, gate, kept), gate)
    return ended


@dataclass(frozen=True, slots=True)
class GoesOn:
    """A heal between two runs."""

    state: HealState
    wait: float
    begun_since: bool = False
    of_dead: bool = False
    until: float = 0.0


async def one_run(run: Coroutine[None, None, Outcome | Suspended], gate: Gate) -> Outcome | GoesOn:
    """Run once, and end as heal/run.py has it; or let the process die, and its heir take the claim over."""
    try:
        ended = await run
    except (DeadlinePassed, BrokenError) as error:
        if gate.kept is not None and gate.model.random.random() < 1 / 2:
            return GoesOn(gate.kept, 0.0, gate.begun_since, of_dead=True, until=gate.until)
        if gate.kept is not None and not gate.begun_since:
            return GoesOn(gate.kept, 60.0)
        if isinstance(error, DeadlinePassed):
            return Unknown(reason="over") if gate.begun else RetryLater(after=SECOND, reason="over")
        return Unknown(reason="broken") if gate.begun else Crashed(reason="broken")
    return GoesOn(ended.state, ended.look_again / SECOND) if isinstance(ended, Suspended) else ended


def world(random: Random) -> tuple[Model, Failure]:
    """Draw another side, and a failed call that may or may not have had its effect there."""
    ends = random.choice([("done", "not sent", "429", "422", "lost", "500"), ("lost", "500")])
    quiet = random.choice([0.0, 1.0, 10.0, 45.0, 200.0])
    clocks = random.choice(["right", "the database's", "the host's"])
    model = Model(random, quiet, ends, breaks=random.choice([0.0, 0.1]), clocks=clocks)
    never_left = random.random() < 0.5
    if not never_left and random.random() < 0.7:
        model.effects.append(BEGAN + model.number(0, quiet))
    asked = {"method": "POST", "url": URL, "read_back": {"url": f"{URL}/17", "after_seconds": quiet}}
    error = {"code": "ECONNREFUSED"} if never_left else {}
    skew = model.number(-1, 1) * CLOCKS_AGREE_WITHIN
    model.time += model.number(0, 300) * random.choice([0, 1])
    return model, replace(failure({"request": asked, "error": error}), detected_at=NOW + skew)


async def lived(seed: int) -> None:
    """Heal in one world, step after step, and look after each that nothing happened twice."""
    random = Random(seed)
    model, failed = world(random)
    allowed = policy(timeout=timedelta(seconds=random.choice([2, 20])))
    strategy = AutoRetry(
        model, redact_json, random=random.random, sleep=model.sleep, now=model.now, monotonic=lambda: model.time
    )
    assert strategy.refusal(failed, diagnosis(), allowed) is None
    for _ in range(6):
        sent_before = model.ours
        try:
            outcome = await step(strategy, failed, allowed, model)
        except DecidedError:
            return
        assert len(model.effects) <= 1, (seed, outcome)
        match outcome:
            case Healed(code=code):
                assert len(model.effects) == 1, seed
                assert code is None or model.ours == 0, seed
                return
            case Unknown():
                failed = replace(failed, effect_in_doubt=True)
            case NotHealed():
                # Known not to have worked, or never tried: with an effect of ours it would be `unknown`.
                assert model.ours == 0, seed
                failed = replace(failed, effect_in_doubt=False)
            case RetryLater() | Crashed():
                assert model.ours == sent_before, seed
                model.time += outcome.after / SECOND if isinstance(outcome, RetryLater) else 0
            case _:
                raise AssertionError((seed, outcome))
        model.time += model.number(0, 20)


@pytest.mark.parametrize("part", range(4))
async def test_no_order_of_lost_late_and_failing_calls_and_looks_ever_makes_a_second_effect(part: int) -> None:
    for seed in range(part * WORLDS, (part + 1) * WORLDS):
        await lived(seed)
        if seed % 50 == 0:
            await asyncio.sleep(0)
