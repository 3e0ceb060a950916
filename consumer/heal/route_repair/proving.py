"""The oracle: the watermark moves, no step completes twice, and the run ends or beats on. Pure.

An engine's acceptance of an order proves nothing, and neither does any one number of it. A counter that grows while the
step that stood still is not complete is no watermark; a run that calls itself done without that step is not believed;
a look that is older than the order says nothing; and where a step has completed twice, nothing else counts.
"""

from datetime import datetime
from typing import Final, TypeAlias

from consumer.heal.route_repair.repair import Act, RouteChange
from consumer.heal.route_repair.suspicion import kept_text, place_of
from consumer.heal.route_repair.watermark import fallen, grown
from consumer.heal.session import proof
from consumer.model import Proof
from consumer.runners.contract import LookFailed, Phase, RunState, StepPhase, StepState
from schemas.names import Verdict
from schemas.value import value

ORACLES: Final = ("watermark", "once", "run")
MAX_REPEATED: Final = 20
_GOES_ON: Final = frozenset({StepPhase.QUEUED, StepPhase.RUNNING, StepPhase.WAITING, StepPhase.SUCCEEDED})
_OVER: Final = frozenset({Phase.FAILED, Phase.CANCELLED, Phase.GONE})
_SHOWN: Final = 60


@value(frozen=True, slots=True, kw_only=True)
class Before:
    """Where the run stood right before the order, as far as the oracle has to know it."""

    phase: Phase
    place: str
    epoch: int | None = None
    progress: str | None = None
    fence: str | None = None
    at: datetime | None = None
    begun: int = 0
    """How often any of its steps was begun, all in all."""
    repeated: tuple[tuple[str, int], ...] = ()
    """Steps that had completed more than once by then, and how often."""


@value(frozen=True, slots=True, kw_only=True)
class Satisfied:
    """All that the oracle asks for is seen."""

    proofs: tuple[Proof, ...]


@value(frozen=True, slots=True, kw_only=True)
class Refuted:
    """The order was carried out, and the oracle says no."""

    why: str
    proofs: tuple[Proof, ...]
    twice: bool = False
    """A step has completed twice: a person has to look."""


@value(frozen=True, slots=True, kw_only=True)
class Undecided:
    """Nothing is proven yet; `moved`: it is seen that the order was carried out."""

    why: str
    moved: bool


Judgement: TypeAlias = Satisfied | Refuted | Undecided


def before_of(seen: RunState) -> Before:
    """Return what the oracle has to know of a state."""
    repeated = sorted((one.name, one.times_completed) for one in seen.steps if one.times_completed > 1)
    return Before(
        phase=seen.phase,
        place=place_of(seen),
        epoch=seen.epoch,
        progress=kept_text(seen.progress),
        fence=kept_text(seen.fence),
        at=seen.at,
        begun=_begun(seen),
        repeated=tuple(repeated[:MAX_REPEATED]),
    )


def judge(before: Before, seen: RunState | LookFailed, repair: RouteChange, *, moved: bool = False) -> Judgement:
    """Hold a look after the order against the oracle; `moved`: a look before it saw the order carried out."""
    if isinstance(seen, LookFailed):
        return Undecided(why=f"how it stands cannot be seen: {seen.reason}", moved=moved)
    if twice := completed_twice(before, seen):
        said = proof("once", Verdict.FAILED, f"step {twice[:_SHOWN]!r} has completed twice")
        return Refuted(why=said.detail, proofs=(said,), twice=True)
    if is_older(before, seen):
        return Undecided(
            why=f"the engine still answers with what was before the order ({seen.said[:_SHOWN]})", moved=moved
        )
    moved = moved or has_moved(before, seen)
    if repair.act is Act.END or seen.phase in _OVER:
        return _judge_end(seen, moved=moved) if repair.act is Act.END else _judge_over(seen, moved=moved)
    water, alive = watermark(before, seen, repair), beats(before, seen)
    if water.verdict is Verdict.PASSED and alive.verdict is Verdict.PASSED:
        return Satisfied(proofs=(water, _once(seen), alive))
    return Undecided(why=water.detail if water.verdict is not Verdict.PASSED else alive.detail, moved=moved)


def _judge_end(seen: RunState, *, moved: bool) -> Judgement:
    running = next((one for one in seen.steps if one.phase is StepPhase.RUNNING), None)
    if seen.phase not in _OVER | {Phase.SUCCEEDED} or running is not None:
        return Undecided(why=f"the run has not ended: {seen.said[:_SHOWN]}", moved=moved)
    return Satisfied(proofs=(proof("run", Verdict.PASSED, f"the run has ended: {seen.said[:_SHOWN]}"),))


def _judge_over(seen: RunState, *, moved: bool) -> Judgement:
    why = f"the run stands at {seen.said[:_SHOWN]}"
    if not moved:
        return Undecided(why=why, moved=False)
    return Refuted(why=f"{why} again", proofs=(proof("run", Verdict.FAILED, f"{why} again"),))


def watermark(before: Before, seen: RunState, repair: RouteChange) -> Proof:
    """Return whether the run has got beyond where it stood still: by the step itself where the engine shows steps."""
    goal = repair.to if repair.act is Act.REMAP else repair.step
    if fallen(before.progress, seen.progress):
        return proof("watermark", Verdict.INCONCLUSIVE, "the engine's count of what is done has fallen")
    if seen.steps and goal is not None:
        return _step_watermark(goal, seen, repair)
    if seen.phase is Phase.SUCCEEDED:
        return proof("watermark", Verdict.PASSED, f"the run has ended well: {seen.said[:_SHOWN]}")
    if grown(before.progress, seen.progress):
        return proof("watermark", Verdict.PASSED, f"it got from {before.progress} to {seen.progress}")
    return proof("watermark", Verdict.INCONCLUSIVE, f"it is {seen.said[:_SHOWN]}, and nothing shows that it got on")


def _step_watermark(goal: str, seen: RunState, repair: RouteChange) -> Proof:
    state = seen.step(goal)
    if state is None:
        return proof("watermark", Verdict.INCONCLUSIVE, f"the engine does not show step {goal[:_SHOWN]!r}")
    verdict = Verdict.PASSED if _is_past(state, seen, repair) else Verdict.INCONCLUSIVE
    return proof("watermark", verdict, f"step {goal[:_SHOWN]!r} is {state.phase}")


def _is_past(state: StepState, seen: RunState, repair: RouteChange) -> bool:
    """Return whether the run has got past a step: it is complete; one that is left out is past once others go on."""
    if repair.act is not Act.SKIP:
        return state.phase is StepPhase.SUCCEEDED
    after_it = [one for one in seen.steps if state.name in one.needs]
    return seen.phase is Phase.SUCCEEDED or (bool(after_it) and all(one.phase in _GOES_ON for one in after_it))


def beats(before: Before, seen: RunState) -> Proof:
    """Return whether the run has ended well, or gives signs of life from after the order."""
    if seen.phase is Phase.SUCCEEDED:
        return proof("run", Verdict.PASSED, f"the run has ended well: {seen.said[:_SHOWN]}")
    if seen.phase is Phase.WAITING:
        return proof("run", Verdict.PASSED, f"the run waits beyond it, as it should: {seen.said[:_SHOWN]}")
    signs = [seen.last_sign_of_life, *(one.heartbeat for one in seen.steps if one.phase is StepPhase.RUNNING)]
    latest = max((sign for sign in signs if sign is not None), default=None)
    if latest is not None and before.at is not None and latest > before.at:
        return proof("run", Verdict.PASSED, "the run beats on: it has given signs of life since the order")
    return proof("run", Verdict.INCONCLUSIVE, "whether it lives on cannot be told yet")


def _once(seen: RunState) -> Proof:
    if any(one.completions is not None for one in seen.steps):
        return proof("once", Verdict.PASSED, "no step has completed twice")
    return proof("once", Verdict.INCONCLUSIVE, "the engine does not tell how often a step has completed")


def completed_twice(before: Before | None, seen: RunState) -> str | None:
    """Return the name of a step that has completed once more since the order although it was complete; None: none."""
    known = dict(before.repeated) if before is not None else {}
    return next((one.name for one in seen.steps if one.times_completed > max(1, known.get(one.name, 1))), None)


def is_older(before: Before, seen: RunState) -> bool:
    """Return whether a look shows the run as it was before the order, by the engine's clock or count of starts."""
    if before.at is not None and seen.at is not None and seen.at < before.at:
        return True
    return before.epoch is not None and seen.epoch is not None and seen.epoch < before.epoch


def has_moved(before: Before, seen: RunState) -> bool:
    """Return whether a state is another one than before the order."""
    now = (seen.phase, place_of(seen), kept_text(seen.fence), _begun(seen))
    return (before.phase, before.place, before.fence, before.begun) != now


def _begun(seen: RunState) -> int:
    return sum(one.attempts or 0 for one in seen.steps)
