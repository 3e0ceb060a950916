"""A model of the race between a lost call and its repeat: whatever the order, never a second effect.

The other side may work on a call for as long as it declared after everybody has stopped waiting for it; a look may be
slow, fail, or be answered with what was so when it began; the publisher's clock may be off by what is tolerated; a heal
may break or run out of time anywhere; steps go on as the settle stage has it. Time is the model's own.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

import pytest

from consumer.catalog import WorkflowPolicy
from consumer.errors import DeadlinePassed
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.calls.read_back import CLOCKS_AGREE_WITHIN
from consumer.heal.kept import HealState
from consumer.model import Crashed, Failure, Healed, NotHealed, Outcome, RetryLater, Unknown
from consumer.model.call import Ambiguous, Answer, CallResult, NotSent, OutboundRequest
from consumer.redact import redact_json
from tests.support.healing import NOW, diagnosis, failure, policy, task

SECOND = timedelta(seconds=1)
URL = "https://shop.example/charges"
BEGAN = 1000.0
"""When the failed call was given up by its caller, in the model's seconds."""
WORLDS = 1500


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
    time: float = BEGAN
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
        self._may_break()
        return result

    async def sleep(self, seconds: float) -> None:
        self._may_break()
        self.time += seconds

    def now(self) -> datetime:
        return NOW + (self.time - BEGAN) * SECOND

    def _may_break(self) -> None:
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
    """The gate of one step."""

    model: Model
    until: float
    begun: bool = False

    async def begin(self) -> None:
        if self.model.time >= self.until:
            raise DeadlinePassed("over")
        self.begun = True

    async def keep(self, state: HealState) -> None:
        raise AssertionError(f"in this model nothing is kept: {state}")

    def unsent(self) -> None:
        raise AssertionError("in this model no permission is lost")

    def remaining(self) -> timedelta:
        return max(0.0, self.until - self.model.time) * SECOND


async def step(strategy: AutoRetry, failed: Failure, allowed: WorkflowPolicy, model: Model) -> Outcome:
    window = strategy.intent(failed, allowed).window
    # Less than it asked for: its claim may have been long under way.
    gate = Gate(model, model.time + window / SECOND * model.number(0.05, 1))
    try:
        return await strategy.heal(task(strategy, failed, allowed), gate)
    except DeadlinePassed:  # as heal/run.py has it
        return Unknown(reason="over") if gate.begun else RetryLater(after=SECOND, reason="over")
    except BrokenError:
        return Unknown(reason="broken") if gate.begun else Crashed(reason="broken")


def world(random: Random) -> tuple[Model, Failure]:
    """Draw another side, and a failed call that may or may not have had its effect there."""
    ends = random.choice([("done", "not sent", "429", "422", "lost", "500"), ("lost", "500")])
    quiet = random.choice([0.0, 1.0, 10.0, 45.0, 200.0])
    model = Model(random, quiet, ends, breaks=random.choice([0.0, 0.1]))
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
        outcome = await step(strategy, failed, allowed, model)
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
