"""What is held of answers is bounded in sum, and fairly among organisations."""

from datetime import timedelta
from uuid import UUID

import pytest

from consumer.errors import NoWorkerFree
from consumer.model import OrgId
from consumer.outbound import answer_room
from consumer.outbound.answer_room import SHORT, UNIT, AnswerRoom, holding_answers

A, B = OrgId(UUID(int=1)), OrgId(UUID(int=2))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_room, "WAIT", timedelta(milliseconds=20))


async def test_short_answers_take_no_room() -> None:
    room = AnswerRoom(2 * UNIT)
    for _ in range(100):
        with room.call(A) as body:
            await body.fit(SHORT)


async def test_an_organisation_has_half_of_the_room_and_another_the_rest() -> None:
    room = AnswerRoom(4 * UNIT)
    with room.call(A) as first, room.call(A) as second, room.call(A) as third, room.call(B) as other:
        await first.fit(SHORT + 1)
        await second.fit(UNIT)
        with pytest.raises(NoWorkerFree):
            await third.fit(UNIT)
        await other.fit(9 * UNIT)  # more than its half counts as its half: it would wait for ever


async def test_room_is_held_until_the_heal_s_next_call_or_its_end() -> None:
    room = AnswerRoom(2 * UNIT)
    with holding_answers():
        with room.call(A) as body:
            await body.fit(UNIT)
        with room.call(A) as body:  # what was read before goes
            await body.fit(UNIT)
    with holding_answers(), room.call(A) as body:
        await body.fit(UNIT)


async def test_a_heal_holds_its_answer_while_another_waits() -> None:
    room = AnswerRoom(2 * UNIT)
    with holding_answers():
        with room.call(A) as body:
            await body.fit(UNIT)
        with holding_answers(), room.call(A) as other, pytest.raises(NoWorkerFree):
            await other.fit(UNIT)
