"""Oracles of auto-regenerate: no lie is a success, nothing true is refused, and an oracle that is broken is missed."""

from typing import Final

import pytest

from consumer.media.verdict import MediaCheck
from consumer.model import Healed, NotHealed
from tests.support.faults.matrix import FULL
from tests.support.media.lies import LIES
from tests.support.media.true_files import TRUE_FILES
from tests.support.worlds.workshop import Judge, heal_named, naming_workshop

EVERY: Final = 1 if FULL else 4
TOLD: Final = {name: lie for name, lie in LIES.items() if lie.expected.aspect is None}
"""A shape alone is not asked for by an event."""


async def test_no_lie_is_a_success_and_none_is_put_in_its_place() -> None:
    lies = {name: TOLD[name] for name in list(TOLD)[::EVERY]}
    async with naming_workshop({name: lie.make() for name, lie in lies.items()}, lies) as shop:
        ended = {name: await heal_named(shop, name, lie.expected) for name, lie in lies.items()}
    assert {name for name, one in ended.items() if not isinstance(one, NotHealed)} == set()
    assert shop.placed == set()
    assert len(shop.world.calls("/make")) == len(lies), "each was made"


async def test_nothing_true_is_refused() -> None:
    files = {name: TRUE_FILES[name] for name in list(TRUE_FILES)[::EVERY]}
    async with naming_workshop({name: file.make() for name, file in files.items()}, files) as shop:
        ended = {name: await heal_named(shop, name, file.expected) for name, file in files.items()}
    assert {name: one for name, one in ended.items() if not isinstance(one, Healed)} == {}
    assert len(shop.placed) == len(files)


ONE_FOR_EACH: Final = {lie.found_by: (name, lie) for name, lie in reversed(TOLD.items()) if name != "empty"}
"""The first lie of each check that is judged at all; no other check finds it where an event says what it has to be."""


@pytest.mark.parametrize("check", ONE_FOR_EACH)
async def test_a_check_that_says_yes_to_everything_has_its_lie_believed(check: MediaCheck) -> None:
    name, lie = ONE_FOR_EACH[check]
    made = {name: lie.make()}
    async with naming_workshop(made, {name: lie}, Judge(blind_to=check)) as shop:
        assert isinstance(await heal_named(shop, name, lie.expected), Healed), (
            "another check finds it: no lie of its own"
        )
        assert len(shop.placed) == 1
    async with naming_workshop(made, {name: lie}, Judge()) as shop:
        assert isinstance(await heal_named(shop, name, lie.expected), NotHealed)
        assert shop.placed == set()


def test_every_check_that_an_event_can_ask_for_is_broken_once() -> None:
    assert set(MediaCheck) - set(ONE_FOR_EACH) == {MediaCheck.ASPECT}
