"""When an effect may start: a fresh reading, a lease that was never broken, and no decision."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from consumer.model import AttemptId, Claim, MicroAud
from consumer.ownership.permission import Moment, Permission
from tests.support.patience import PATIENCE

LEASE = timedelta(seconds=15)
CLAIM = Claim(attempt_id=AttemptId(UUID(int=1)), step=0, held=MicroAud(0), deadline=1e9)


class Clocks:
    """Both clocks of a process, moved by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.monotonic_now = 1000.0
        self.wall_now = 5_000_000.0
        patch.setattr("consumer.ownership.permission.time.monotonic", lambda: self.monotonic_now)
        patch.setattr("consumer.ownership.permission.time.time", lambda: self.wall_now)

    def passes(self, seconds: float, *, suspended: bool = False) -> None:
        self.wall_now += seconds
        self.monotonic_now += 0 if suspended else seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def permitted(revoked: tuple[AttemptId, ...] = ()) -> Permission:
    permission = Permission(LEASE)
    permission.renewed(Moment.now())
    permission.read(Moment.now(), revoked)
    return permission


def test_before_the_first_reading_and_the_first_renewal_nothing_starts(clocks: Clocks) -> None:
    permission = Permission(LEASE)
    assert not permission.is_fresh()
    permission.renewed(Moment.now())
    assert not permission.is_fresh()
    permission.read(Moment.now(), ())
    assert permission.is_fresh()
    clocks.passes(0)


@pytest.mark.parametrize("suspended", [False, True], ids=["running", "suspended"])
def test_a_reading_is_too_old_after_a_second_and_a_half_by_whichever_clock_says_more(
    clocks: Clocks, suspended: bool
) -> None:
    permission = permitted()
    clocks.passes(1.4, suspended=suspended)
    assert permission.is_fresh()
    clocks.passes(0.2, suspended=suspended)
    assert not permission.is_fresh()


def test_a_wall_clock_that_steps_back_makes_nothing_fresh(clocks: Clocks) -> None:
    permission = permitted()
    clocks.passes(2)
    clocks.wall_now -= 3600
    assert not permission.is_fresh()


def test_the_age_counts_from_the_sending_and_not_from_the_answer(clocks: Clocks) -> None:
    permission, sent = permitted(), Moment.now()
    clocks.passes(1.6)
    permission.read(sent, ())
    assert not permission.is_fresh()


def test_a_lease_that_was_not_renewed_lets_nothing_start_however_fresh_the_reading(clocks: Clocks) -> None:
    permission = permitted()
    clocks.passes(15.1)
    permission.read(Moment.now(), ())
    assert not permission.is_fresh()
    permission.renewed(Moment.now())
    assert permission.is_fresh()


def test_after_a_broken_lease_claims_from_before_are_looked_at_once_more(clocks: Clocks) -> None:
    permission, before = permitted(), Moment.now().monotonic
    clocks.passes(10)
    permission.renewed(Moment.now())
    assert permission.is_certain(before)
    clocks.passes(15.1)
    permission.renewed(Moment.now())
    assert not permission.is_certain(before)
    assert permission.is_certain(Moment.now().monotonic)


def test_what_was_revoked_is_known_until_a_reading_says_otherwise(clocks: Clocks) -> None:
    permission = permitted((CLAIM.attempt_id,))
    assert permission.is_revoked(CLAIM)
    clocks.passes(0.5)
    permission.read(Moment.now(), ())
    assert not permission.is_revoked(CLAIM)


async def test_who_waits_goes_on_with_the_first_fresh_reading() -> None:
    permission = Permission(LEASE)
    waiting = asyncio.create_task(permission.wait())
    permission.renewed(Moment.now())
    await asyncio.sleep(0)
    assert not waiting.done()
    permission.read(Moment.now(), ())
    await asyncio.wait_for(waiting, PATIENCE)
