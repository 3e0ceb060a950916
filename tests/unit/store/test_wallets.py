"""Who may be healed on credit: pure, in order of arrival, never below zero."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from consumer.model import AttemptId, MicroAud, OrgId
from consumer.store.wallets import EXHAUSTED, NO_WALLET, Hold, Wallet, admit
from schemas.names import Budget

ORGS = [OrgId(UUID(int=n)) for n in range(3)]


def hold(n: int, amount: int, org: OrgId = ORGS[0]) -> Hold:
    return Hold(attempt_id=AttemptId(UUID(int=100 + n)), org_id=org, amount=MicroAud(amount))


WALLETS = st.dictionaries(
    st.sampled_from(ORGS[:2]),
    st.builds(Wallet, budget=st.integers(0, 300), lockout=st.sampled_from([None, None, None, "unpaid"])),
)
HOLDS = st.lists(st.tuples(st.integers(0, 120), st.sampled_from(ORGS)), max_size=30).map(
    lambda many: [hold(n, amount, org) for n, (amount, org) in enumerate(many)]
)


@given(holds=HOLDS, wallets=WALLETS)
def test_nothing_falls_below_zero_and_each_is_paid_or_refused(holds: list[Hold], wallets: dict[OrgId, Wallet]) -> None:
    said = admit(holds, wallets)
    left = {org: wallet.budget for org, wallet in wallets.items()}
    for one in said.paid:
        left[one.org_id] -= one.amount
        assert left[one.org_id] >= 0
    assert {one.attempt_id for one in said.paid} | set(said.refused) == {one.attempt_id for one in holds}
    assert {one.attempt_id for one in said.paid} & set(said.refused) == set()


@given(holds=HOLDS, wallets=WALLETS)
def test_it_is_as_if_they_came_one_by_one_in_their_order(holds: list[Hold], wallets: dict[OrgId, Wallet]) -> None:
    whole = admit(holds, wallets)
    left = dict(wallets)
    refused: dict[AttemptId, str] = {}
    for one in holds:
        said = admit([one], left)
        refused.update(said.refused)
        for paid in said.paid:
            left[paid.org_id] = Wallet(budget=left[paid.org_id].budget - paid.amount, lockout=None)
    assert dict(whole.refused) == refused


@given(holds=HOLDS, wallets=WALLETS)
def test_only_who_cannot_pay_is_refused_and_told_why(holds: list[Hold], wallets: dict[OrgId, Wallet]) -> None:
    said = admit(holds, wallets)
    for one in holds:
        reason = said.refused.get(one.attempt_id)
        wallet = wallets.get(one.org_id)
        if wallet is None:
            assert reason == NO_WALLET
        elif wallet.lockout is not None:
            assert reason == wallet.lockout
        else:
            assert reason in (None, EXHAUSTED[Budget.TEXT])


def test_one_that_is_too_dear_does_not_stand_before_a_cheaper_one() -> None:
    said = admit([hold(1, 80), hold(2, 50), hold(3, 20)], {ORGS[0]: Wallet(budget=100, lockout=None)})
    assert said.paid == (hold(1, 80), hold(3, 20))
    assert said.refused == {hold(2, 50).attempt_id: EXHAUSTED[Budget.TEXT]}


def test_the_last_cent_is_enough() -> None:
    assert not admit([hold(1, 100)], {ORGS[0]: Wallet(budget=100, lockout=None)}).refused
    assert admit([hold(1, 100)], {ORGS[0]: Wallet(budget=99, lockout=None)}).refused
