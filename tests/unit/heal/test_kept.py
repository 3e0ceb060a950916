"""A kept state is small, holds no secret, and is read back as what it was, or not at all."""

from typing import ClassVar

import pytest

from consumer.heal.kept import MAX_STATE_BYTES, HealState, UnkeepableState, UnreadableState, decode_state, encode_state
from consumer.model.suspension import KeptState


class Order(HealState):
    job_id: str
    note: str = ""


class LaterOrder(HealState):
    version: ClassVar[int] = 2
    job_id: str
    queue: str


BOTH = (Order, LaterOrder)


@pytest.mark.parametrize(
    "state",
    [Order(job_id="job-17"), Order(job_id="6f1d2c3b-4a59-4e87-9c60"), LaterOrder(job_id="j", queue="q")],
    ids=str,
)
def test_a_state_is_read_back_as_what_it_was(state: HealState) -> None:
    assert decode_state(encode_state(state), BOTH) == state


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (Order(job_id="j", note="x" * MAX_STATE_BYTES), "bytes, more than"),
        (Order(job_id="j", note="Bearer abcdefghijklmnopqrstuvwxyz0123456789"), "looks like a secret"),
    ],
    ids=["too large", "a secret"],
)
def test_a_state_that_its_heir_could_not_go_on_from_is_refused(state: HealState, says: str) -> None:
    with pytest.raises(UnkeepableState, match=says):
        encode_state(state)


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (KeptState(version=3, content={"job_id": "j"}), "version 3 of its state is not known"),
        (KeptState(version=1, content={"job_id": 7, "of_tomorrow": True}), "damaged in 2 places"),
        (KeptState(version=2, content={"job_id": "j"}), "damaged in 1 places"),
    ],
    ids=["of another release", "of another shape", "without a part"],
)
def test_a_state_that_is_not_this_releases_is_not_guessed_at(kept: KeptState, says: str) -> None:
    with pytest.raises(UnreadableState, match=says):
        decode_state(kept, BOTH)
