"""The commands that move a failure on, by where it stands: each as it is typed, with when it is the right one. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never
from uuid import UUID

from consumer.store.shown_heals import HealUnderWay
from schemas.names import Code, Status

_HEAL_AGAIN: Final = frozenset((Code.UNANSWERED, Code.SHADOW))
"""Codes of a last attempt that began no effect, whose failure therefore needs no word on what happened."""


@dataclass(frozen=True, slots=True)
class NextCommand:
    """A command as it is typed, and when it is the right one."""

    command: str
    when: str


def next_commands(
    failure_id: UUID, status: Status, heal: HealUnderWay | None, last_code: str | None
) -> tuple[NextCommand, ...]:
    """Return what can be done about a failure; `last_code` is that of its last attempt."""
    return tuple(_commands(failure_id, status, heal, last_code))


def _commands(
    failure_id: UUID, status: Status, heal: HealUnderWay | None, last_code: str | None
) -> Iterator[NextCommand]:
    if heal is not None and heal.stands == "running":
        yield NextCommand(f"shw show {failure_id}", "again in a minute: a heal is under way")
        yield _give_up(failure_id, "nothing more of it shall start")
        return
    if heal is not None and heal.stands == "suspended":
        if not heal.revoked:
            yield NextCommand(f"shw heal {failure_id}", "look at the other system now")
            yield _give_up(failure_id, "take back what was ordered, where that can be done")
        return
    if heal is not None or (status is Status.NEEDS_PERSON and last_code not in _HEAL_AGAIN):
        yield from _after_a_look(failure_id)
        return
    match status:
        case Status.PENDING | Status.DEFERRED:
            yield NextCommand(f"shw heal {failure_id} --wait 30", "heal it now instead of when it is due")
            yield _give_up(failure_id, "it shall not be healed")
        case Status.AWAITING_APPROVAL:
            yield NextCommand(f"shw plan {failure_id}", "read the plan, its hash and its step")
            answer = f"{failure_id} --hash HASH --step STEP --reason '...'"
            yield NextCommand(f"shw approve {answer}", "carry out exactly that plan, once")
            yield NextCommand(f"shw deny {answer}", "no effect of it begins")
        case Status.NEEDS_PERSON | Status.GIVEN_UP:
            yield NextCommand(f"shw heal {failure_id} --wait 30", "the cause is gone, or may be: begin anew")
            yield _resolve(failure_id, "it was mended by hand")
        case Status.RESOLVED:
            pass
        case _:
            assert_never(status)


def _after_a_look(failure_id: UUID) -> Iterator[NextCommand]:
    yield _resolve(failure_id, "it happened over there, or was mended by hand")
    yield NextCommand(f"shw heal {failure_id} --did-not-happen", "it did not happen, and shall")
    yield _give_up(failure_id, "it did not happen, and shall not")


def _resolve(failure_id: UUID, when: str) -> NextCommand:
    return NextCommand(f"shw resolve {failure_id} --reason '...'", when)


def _give_up(failure_id: UUID, when: str) -> NextCommand:
    return NextCommand(f"shw give-up {failure_id} --reason '...'", when)
