"""While a wallet is locked few of its organisation's failures are picked; one that starts, or time, ends that."""

from uuid import uuid4

import pytest

from consumer.flow_control.locked_wallets import REMEMBERED, TRIED, LockedWallets
from consumer.model import OrgId

ORG, OTHER = OrgId(uuid4()), OrgId(uuid4())


def test_a_locked_wallet_leaves_room_for_a_few_of_its_own_failures_alone() -> None:
    wallets = LockedWallets()
    wallets.note({ORG})
    assert (wallets.room(ORG, 50), wallets.room(ORG, 1), wallets.room(OTHER, 50)) == (TRIED, 1, 50)
    assert len(wallets) == 1


def test_a_heal_that_starts_says_that_the_wallet_is_free() -> None:
    wallets = LockedWallets()
    wallets.note({ORG, OTHER})
    wallets.note({OTHER}, started={ORG, OTHER})
    assert (wallets.room(ORG, 50), wallets.room(OTHER, 50)) == (50, TRIED)


def test_what_was_not_seen_again_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("consumer.flow_control.locked_wallets.time.monotonic", lambda: now)
    wallets = LockedWallets()
    wallets.note({ORG})
    now += REMEMBERED + 1
    wallets.note(())
    assert wallets.room(ORG, 50) == 50
