"""Reads a run's state from the answer to a look, as the catalog describes it. Pure.

A state that is not described makes the whole look inconclusive; any other value that is not there, or of an odd form,
is one that the engine does not know.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from consumer.catalog import LookCall, StepsLook
from consumer.model import Json
from consumer.runners.contract import LookFailed, Phase, RunState, StepPhase, StepState, WaitsFor
from consumer.runners.templates import ABSENT, Absent, Found
from schemas.json_value import value_at
from schemas.rfc3339 import parse_time

_SHOWN: Final = 200
_MAX_NAME: Final = 512
_MAX_STEPS: Final = 1000
_MAX_LISTED: Final = 1000
_MILLISECONDS_FROM: Final = 1e11
"""A larger number of seconds would be beyond the year 5000."""
_LAST_MOMENT: Final = 4e9


def state_in(answer: Found, look: LookCall) -> RunState | LookFailed:
    """Read a run's state from the engine's answer; a state that is not described is LookFailed."""
    said = _text(value_at(answer, look.status, ABSENT))
    if said is None:
        return LookFailed(reason=f"the look: there is no state at {look.status or 'the root'} of the answer")
    phase = look.phases.get(said)
    if phase is None:
        return LookFailed(reason=f"the look: the state {said[:_SHOWN]!r} is not listed under `phases`")
    epoch = _at(answer, look.epoch)
    if look.epoch is not None and epoch is not None and (isinstance(epoch, bool) or not isinstance(epoch, int)):
        return LookFailed(reason=f"the look: there is no whole number at {look.epoch} of the answer")
    steps = () if look.steps is None else _steps(answer, look.steps)
    if isinstance(steps, LookFailed):
        return steps
    waits, healed_by = look.waits.get(said), _text(_at(answer, look.healed_by))
    return RunState(
        phase=Phase(phase) if healed_by is None else Phase.SUCCEEDED,
        said=said[:_SHOWN] if healed_by is None else f"{said[:_SHOWN]}, healed by {healed_by[:_SHOWN]}",
        epoch=epoch if isinstance(epoch, int) else None,
        progress=_shown(_text(_at(answer, look.progress))),
        fence=_shown(_text(_at(answer, look.fence))),
        waits_for=None if waits is None else WaitsFor(waits),
        last_sign_of_life=_moment(_at(answer, look.last_sign_of_life)),
        steps=steps,
        removed=dict(_renames(_at(answer, look.removed))),
        consumers=dict(_counts(_at(answer, look.consumers))),
        full=frozenset(_full(_at(answer, look.full))),
        at=_moment(_at(answer, look.at)),
    )


def is_of(answer: Found, look: LookCall, run_id: str) -> bool:
    """Return whether an answer speaks of this run, as far as the catalog says where it names one."""
    return look.id is None or _text(value_at(answer, look.id, ABSENT)) == run_id


def _steps(answer: Found, look: StepsLook) -> tuple[StepState, ...] | LookFailed:
    found = value_at(answer, look.at, ABSENT)
    match found:
        case dict():
            named: list[tuple[str | None, Json]] = [*found.items()]
        case list():
            named = [(None, one) for one in found]
        case _:
            return LookFailed(reason=f"the look: there are no steps at {look.at or 'the root'} of the answer")
    if len(named) > _MAX_STEPS:
        return LookFailed(reason=f"the look: more than {_MAX_STEPS} steps")
    steps: list[StepState] = []
    for name, one in named:
        step = _step(name, one, look)
        if isinstance(step, LookFailed):
            return step
        steps.append(step)
    if len({step.name for step in steps}) < len(steps):
        return LookFailed(reason="the look: two steps of one name")
    return tuple(steps)


def _step(member: str | None, one: Json, look: StepsLook) -> StepState | LookFailed:
    name = member if look.name is None else _text(value_at(one, look.name, ABSENT))
    if not name or len(name) > _MAX_NAME:
        return LookFailed(reason="the look: a step without a name")
    said = _text(value_at(one, look.status, ABSENT))
    phase = None if said is None else look.phases.get(said)
    if said is None or phase is None:
        return LookFailed(reason=f"the look: the state {str(said)[:_SHOWN]!r} of a step is not listed under `phases`")
    waits, renamed = look.waits.get(said), _text(_at(one, look.renamed_to))
    return StepState(
        name=name,
        phase=StepPhase(phase),
        said=said[:_SHOWN],
        attempts=_times_begun(_count(_at(one, look.attempts)), StepPhase(phase)),
        completions=_count(_at(one, look.completions)),
        since=_moment(_at(one, look.since)),
        queue=_text(_at(one, look.queue)),
        worker_alive=_truth(_at(one, look.worker_alive)),
        heartbeat=_moment(_at(one, look.heartbeat)),
        waits_for=None if waits is None else WaitsFor(waits),
        needs=tuple(_names(_at(one, look.needs))),
        needs_any=_truth(_at(one, look.needs_any)) or False,
        optional=_truth(_at(one, look.optional)) or False,
        renamed_to=renamed or None,
    )


def _at(found: Found, pointer: str | None) -> Found:
    return ABSENT if pointer is None else value_at(found, pointer, ABSENT)


def _text(found: Found) -> str | None:
    match found:
        case str():
            return found[:_MAX_NAME]
        case bool():
            return str(found).lower()
        case int() | float():
            return str(found)
        case list():
            return str(len(found))
        case _:
            return None


def _shown(text: str | None) -> str | None:
    return None if text is None else text[:_SHOWN]


def _count(found: Found) -> int | None:
    match found:
        case bool():
            return None
        case int() if found >= 0:
            return found
        case list():
            return len(found)
        case _:
            return None


def _times_begun(count: int | None, phase: StepPhase) -> int | None:
    """Return how often a step was begun; of one that has failed a 0 says nothing: its engine may count retries."""
    return None if count == 0 and phase is StepPhase.FAILED else count


def _truth(found: Found) -> bool | None:
    return found if isinstance(found, bool) else None


def _names(found: Found) -> Iterator[str]:
    for name in found[:_MAX_LISTED] if isinstance(found, list) else ():
        if isinstance(name, str):
            yield name


def _full(found: Found) -> Iterator[str]:
    """Give the names of a list, or those that an object calls true."""
    yield from _names(found)
    yield from (name for name, is_full in _members(found) if is_full is True)


def _renames(found: Found) -> Iterator[tuple[str, str | None]]:
    for name, now in _members(found):
        yield name, now if isinstance(now, str) and now else None


def _counts(found: Found) -> Iterator[tuple[str, int]]:
    for name, many in _members(found):
        count = _count(many)
        if count is not None:
            yield name, count


def _members(found: Found) -> list[tuple[str, Json]]:
    members: Mapping[str, Json] = found if isinstance(found, dict) else {}
    return [*members.items()][:_MAX_LISTED]


def _moment(found: Found) -> datetime | None:
    match found:
        case str():
            return _read_time(found)
        case bool() | Absent():
            return None
        case int() | float():
            seconds = found / 1000 if found > _MILLISECONDS_FROM else float(found)
            return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LAST_MOMENT else None
        case _:
            return None


def _read_time(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
