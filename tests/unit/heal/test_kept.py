"""A kept state is small, holds no secret, and is read back as what it was, or not at all."""

from datetime import datetime
from math import inf, nan
from typing import Any, ClassVar

import pytest
from pydantic import computed_field, field_validator

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


class Anything(HealState):
    """What an author may think of: any JSON, a moment, and what only writing knows."""

    value: Any = None
    at: datetime | None = None


class Counted(HealState):
    job_id: str

    @computed_field
    def length(self) -> int:
        return len(self.job_id)


class Shortened(HealState):
    job_id: str

    @field_validator("job_id")
    @classmethod
    def _shorten(cls, job_id: str) -> str:
        return job_id[:-1]


class Broken(HealState):
    job_id: str

    @field_validator("job_id")
    @classmethod
    def _break(cls, job_id: str) -> str:
        raise LookupError(job_id)


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else []


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
    ("state", "says"),
    [
        (Anything(value={"rate": nan}), "another state"),
        (Anything(value=[inf]), "another state"),
        (Anything(value="job\0"), "cannot be stored at value"),
        (Anything(value={"job\0": 1}), "cannot be stored at value"),
        (Anything(value="job\ud800"), "cannot be"),
        (Anything(value=nested(150)), "nested deeper"),
        (Anything(value=nested(900)), "cannot be"),
        (Anything(value={1: "a key that is no text"}), "another state"),
        (Anything(value=object()), "cannot be read back"),
        (Counted(job_id="j"), "cannot be read back"),
        (Shortened(job_id="job"), "another state"),
        ({"job_id": "j"}, "dict is no HealState"),
    ],
    ids=[
        "NaN",
        "an infinity",
        "NUL",
        "NUL in a key",
        "half a pair",
        "too deep",
        "far too deep",
        "a number as key",
        "no JSON",
        "a computed field",
        "a validator that changes it",
        "a dict",
    ],
)
def test_a_state_that_its_heir_would_read_otherwise_is_refused(state: HealState, says: str) -> None:
    with pytest.raises(UnkeepableState, match=says):
        encode_state(state)


@pytest.mark.parametrize("value", ["Grüße \U0001f600", 10**30, -0.5, [1e300], None, {"a": {"b": []}}], ids=repr)
def test_what_a_database_holds_as_it_is_may_stand_in_a_state(value: object) -> None:
    state = Anything(value=value, at=datetime(2026, 3, 1, 12, 0))  # noqa: DTZ001 - an author forgets the zone
    assert decode_state(encode_state(state), (Anything,)) == state


@pytest.mark.parametrize("states", [(), (LaterOrder,)], ids=["no lasting strategy", "of another version"])
def test_a_state_that_its_strategy_does_not_read_is_refused(states: tuple[type[HealState], ...]) -> None:
    with pytest.raises(UnkeepableState, match="none of the states that its strategy reads"):
        encode_state(Order(job_id="j"), states)
    assert encode_state(Order(job_id="j"), BOTH).version == 1


def test_a_model_that_breaks_makes_a_state_unreadable_and_nothing_else() -> None:
    with pytest.raises(UnreadableState, match=r"breaks its model \(LookupError\)"):
        decode_state(KeptState(version=1, content={"job_id": "j"}), (Broken,))


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
