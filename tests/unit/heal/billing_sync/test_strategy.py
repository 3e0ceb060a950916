"""Billing brought into step with what speaks as Stripe does: to the cent, each event once, and no lie believed."""

import os
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest

from consumer.heal.billing_sync import platform, reading, reconciling
from consumer.heal.billing_sync.platform import ObjectState
from consumer.model import Healed, NotHealed, Outcome, Refused, RetryLater
from consumer.model.approval import Approval, ApprovalState
from consumer.model.digest import digest
from schemas.names import Code, Verdict
from tests.support.healing import NOW
from tests.support.worlds.billing_lives import Lives
from tests.support.worlds.billing_world import BillingWorld, Doc, generated

FULL = os.environ.get("SHW_FAULT_MATRIX") == "full"
MANY = 10_000 if FULL else 300
ASKS = "  approval: {}\n"
DAY = timedelta(days=1)
ROOM = "consumer.heal.billing_sync"


def told(ended: Outcome) -> dict[str, Any]:
    assert isinstance(ended, Healed | NotHealed | Refused), ended
    found = ended.details["billing"]
    assert isinstance(found, dict)
    return found


def small(**of_world: Any) -> BillingWorld:  # noqa: ANN401 - fields of the world
    """Two paid invoices and a subscription, all of whose events were missed."""
    world = BillingWorld(**of_world)
    paid = {"customer": "cus_1", "currency": "usd", "status": "paid"}
    world.change("invoice", "in_1", NOW - 3 * DAY, "invoice.paid", missed=True, amount_paid=1099, **paid)
    world.change("invoice", "in_2", NOW - 2 * DAY, "invoice.paid", missed=True, amount_paid=2500, **paid)
    world.change("subscription", "sub_1", NOW - DAY, "customer.subscription.deleted", missed=True, status="canceled")
    return world


def held_to_its_word(world: BillingWorld, ended: Outcome) -> None:
    """What is said of an account has to be so."""
    if isinstance(ended, Healed):
        assert world.is_in_step(), "said to be in step, and is not"
        assert not world.missing(), "said to be in step, and events are missing"
    assert max(world.applied.values(), default=0) <= 1, "an event was applied twice"


async def test_a_month_is_brought_into_step_to_the_cent() -> None:
    world = generated(MANY, 1)
    missing = world.missing()
    assert len(missing) > MANY / 20
    assert not world.is_in_step()
    lives = Lives(world=world)
    ended = await lives.heal()
    assert isinstance(ended, Healed), ended
    held_to_its_word(world, ended)
    assert {one.verdict for one in ended.proofs} == {Verdict.PASSED}
    assert told(ended)["applied"]["count"] == len(missing)
    assert max(world.given.values()) == 1
    assert len(told(ended)["text"]) == 2


async def test_a_clean_account_has_no_findings() -> None:
    world = generated(MANY, 2, clean=True)
    ended = await Lives(world=world).heal()
    assert isinstance(ended, Healed)
    assert ended.code is Code.RECOVERED
    assert told(ended)["missing"] == 0
    assert told(ended)["sums"]["differ"] == 0
    assert not world.given


async def test_a_second_heal_finds_nothing_more() -> None:
    lives = Lives(world=generated(MANY, 3))
    assert isinstance(await lives.heal(), Healed)
    given = lives.world.given.total()
    again = await lives.heal()
    assert isinstance(again, Healed)
    assert again.code is Code.RECOVERED
    assert lives.world.given.total() == given


async def test_one_poisoned_event_stops_no_other() -> None:
    world = generated(MANY, 4)
    bad = world.change(
        "invoice",
        "in_bad",
        NOW - DAY,
        "invoice.paid",
        missed=True,
        amount_paid=777,
        status="paid",
        customer="cus_bad",
        currency="jpy",
    )
    world.poisoned.add(bad)
    lives = Lives(world=world)
    ended = await lives.heal()
    assert isinstance(ended, NotHealed)
    assert ended.code is Code.NOT_HEALED
    assert world.missing() == {bad}
    assert [one["event"] for one in told(ended)["failed"]["events"]] == [bad]
    assert told(ended)["sums"]["differences"] == [
        {
            "customer": "cus_bad",
            "currency": "JPY",
            "period": "2026-02",
            "processor": "777",
            "platform": "0",
            "ahead": False,
        }
    ]
    world.poisoned.clear()
    ended = await lives.heal()
    assert isinstance(ended, Healed)
    held_to_its_word(world, ended)


async def test_what_is_older_than_the_window_is_told_and_not_healed() -> None:
    world = small()
    old = {"customer": "cus_1", "currency": "usd", "status": "paid", "amount_paid": 5}
    world.change("invoice", "in_old", NOW - 30 * DAY - timedelta(seconds=1), "invoice.paid", missed=True, **old)
    on_border = world.change("invoice", "in_edge", NOW - 30 * DAY, "invoice.paid", missed=True, **old)
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed)
    assert world.applied[on_border] == 1
    assert [one["processor"] for one in told(ended)["sums"]["differences"]] == ["10"]


async def test_what_the_platform_has_too_much_is_told_and_never_taken_back() -> None:
    world = small()
    world.extra.append(("cus_1", "usd", "2026-02", 300))
    before = dict(world.has)
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed)
    assert "never taken back" in ended.reason
    assert world.extra
    assert before.items() <= world.has.items()
    (found,) = told(ended)["sums"]["differences"]
    assert found["ahead"] is True
    assert any("the platform has 3.00 USD more" in line for line in told(ended)["text"])


async def test_an_object_that_the_platform_has_more_of_is_not_taken_back() -> None:
    world = small()
    world.has["in_1"] = world.objects["in_1"] | {"amount_paid": 5000}
    world.applied["evt_000001"] = 1
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed)
    assert world.has["in_1"]["amount_paid"] == 5000
    assert "never taken back" in told(ended)["failed"]["events"][0]["why"]


def nothing(_: Doc) -> Doc | None:
    return None


def other_currency(document: Doc) -> Doc | None:
    return document | ({"currency": "eur"} if "currency" in document else {})


def twice(document: Doc) -> Doc | None:
    return document | ({"amount_paid": 2 * document["amount_paid"]} if "amount_paid" in document else {})


@pytest.mark.parametrize("lie", [nothing, other_currency, twice])
async def test_a_handler_that_lies_is_never_believed(lie: Any) -> None:  # noqa: ANN401 - a lie
    world = small(lies=lie)
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed), ended
    assert Verdict.FAILED in {one.verdict for one in ended.proofs}


async def test_an_event_that_is_applied_twice_by_the_platform_is_seen_in_the_sums() -> None:
    world = small()
    world.lies = partial(book_again, world)
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed)
    assert all(one["ahead"] for one in told(ended)["sums"]["differences"])


def book_again(world: BillingWorld, document: Doc) -> Doc:
    if "amount_paid" in document:
        world.extra.append((document["customer"], document["currency"], "2026-02", document["amount_paid"]))
    return document


async def test_what_moves_money_waits_for_a_persons_yes_to_exactly_that() -> None:
    world = small()
    refund = world.change(
        "refund",
        "re_1",
        NOW - DAY,
        "refund.created",
        missed=True,
        amount=1099,
        customer="cus_1",
        currency="usd",
        status="paid",
    )
    lives = Lives(world=world, approval=ASKS)
    ended = await lives.heal()
    assert isinstance(ended, Refused)
    assert ended.code is Code.AWAITING_APPROVAL
    assert world.missing() == {refund}
    assert world.given[refund] == 0
    assert ended.edits is not None
    assert ended.edits["events"] == [{"event": refund, "does": "refund.created: refund re_1 of 10.99 USD for cus_1"}]

    lives.approved = yes_to({"other": 1})
    assert isinstance(await lives.heal(), Refused), "a yes to something else is none"
    lives.approved = yes_to(ended.edits)
    ended = await lives.heal()
    assert isinstance(ended, Healed), ended
    held_to_its_word(world, ended)
    assert world.given[refund] == 1


async def test_without_anybody_to_ask_what_moves_money_is_told() -> None:
    world = small()
    world.change("refund", "re_1", NOW, "refund.created", missed=True, amount=1, customer="cus_1", currency="usd")
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed)
    assert "nobody can be asked" in ended.reason
    assert not world.has.get("re_1")


def yes_to(edits: Any) -> Approval:  # noqa: ANN401 - JSON
    return Approval(
        state=ApprovalState.APPROVED,
        step=1,
        strategy="dependency-replacement",
        plan_hash="",
        base_hash="",
        until=NOW + DAY,
        edits=digest(edits),
    )


async def test_pages_that_are_throttled_are_read_all_the_same() -> None:
    world = generated(300, 5)
    world.throttles = lambda n: n % 7 == 0
    ended = await Lives(world=world).heal()
    assert isinstance(ended, Healed)
    held_to_its_word(world, ended)


@pytest.mark.parametrize("side", ["processor", "platform"])
async def test_a_side_that_is_down_is_waited_for(side: str) -> None:
    world = small(down={side})
    ended = await Lives(world=world).heal()
    assert isinstance(ended, RetryLater), ended
    assert ended.dependency_unhealthy is (side == "processor")
    world.down.clear()
    assert isinstance(await Lives(world=world).heal(), Healed)


async def test_a_heal_that_runs_out_of_its_window_goes_on_under_the_next() -> None:
    world = generated(300, 6)
    lives = Lives(world=world, left=timedelta(seconds=15))
    ended = await lives.heal()
    assert isinstance(ended, Healed)
    assert lives.suspensions == 1


async def test_a_described_processor_is_read_as_stripe_is() -> None:
    world = generated(300, 7)
    ended = await Lives(world=world, kind="http", more={"types": "['invoice.*', 'customer.subscription.*']"}).heal()
    assert isinstance(ended, Healed | NotHealed), ended
    assert told(ended)["sums"]["differ"] == 0


async def test_killed_at_every_boundary_no_event_is_applied_twice() -> None:
    async def boundaries() -> list[str]:
        lives = Lives(world=small(dedupes=False))
        assert isinstance(await lives.heal(), Healed)
        return lives.boundaries

    names = await boundaries()
    assert {"before POST", "after POST", "before note", "after note", "before keep", "after keep"} <= set(names)
    for at in range(1, len(names) + 1):
        world = small(dedupes=False)
        lives = Lives(world=world)
        ended = await lives.heal([at])
        assert lives.lives == 2, names[at - 1]
        assert isinstance(ended, Healed), (names[at - 1], ended)
        held_to_its_word(world, ended)


async def test_killed_again_and_again_beside_a_platform_that_writes() -> None:
    random = Random(8)
    world = generated(MANY, 8)
    later, first = iter(range(MANY // 20)), world.missing()

    def beside() -> None:
        if not first & world.missing():
            return  # what comes after the last look is another failure's
        if random.random() < 0.02 and (missing := sorted(world.missing())):
            world.redeliver(random.choice(missing))
        if random.random() < 0.01 and (n := next(later, None)) is not None:
            own = {"customer": "cus_0001", "currency": "usd", "status": "paid", "amount_paid": n}
            world.change("invoice", f"in_new{n}", NOW, "invoice.paid", missed=bool(n % 2), **own)

    world.beside = beside
    lives = Lives(world=world)
    ended = await lives.heal(random.randrange(1, 40) for _ in range(400 if FULL else 40))
    for _ in range(3):
        if isinstance(ended, Healed):
            break
        ended = await lives.heal()
    assert isinstance(ended, Healed), ended
    assert lives.lives > 20
    held_to_its_word(world, ended)


# The oracle's mutants: each has to be caught by what `held_to_its_word` asks, or by a heal that ends otherwise.


async def test_mutant_that_does_not_look_first(monkeypatch: pytest.MonkeyPatch) -> None:
    real = platform.has_event
    seen = set[tuple[int, str]]()
    sessions: list[Any] = []  # kept, so that no other one gets the id of one that is gone

    async def only_after(session: Any, event: Any) -> bool:  # noqa: ANN401 - as the real one
        if (id(session), event.id) not in seen:
            sessions.append(session)
            seen.add((id(session), event.id))
            return False
        return await real(session, event)

    monkeypatch.setattr(f"{ROOM}.applying.has_event", only_after)
    lives = Lives(world=small(dedupes=False))
    await lives.heal()
    killed_after_a_call = lives.boundaries.index("after POST") + 1
    lives = Lives(world=small(dedupes=False))
    ended = await lives.heal([killed_after_a_call])
    with pytest.raises(AssertionError, match="twice"):
        held_to_its_word(lives.world, ended)


async def test_mutant_that_believes_an_events_own_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pictured(_: object, event: Any) -> ObjectState:  # noqa: ANN401 - as the real one
        return ObjectState(document=event.document["data"]["object"], deleted=False)

    monkeypatch.setattr(f"{ROOM}.applying.newest_state", pictured)
    world = generated(300, 9)
    ended = await Lives(world=world).heal()
    assert not world.is_in_step()
    assert isinstance(ended, NotHealed), "the comparison after it finds that out"


@pytest.mark.parametrize("blind_to", ["behind", "ahead", "currency"])
async def test_mutant_that_is_blind_to_a_difference(monkeypatch: pytest.MonkeyPatch, blind_to: str) -> None:
    real = reconciling.differences

    def blind(theirs: Any, ours: Any) -> Iterator[Any]:  # noqa: ANN401 - as the real one
        if blind_to == "currency":
            theirs, ours = ({(k[0], "", k[2]): v for k, v in one.items()} for one in (theirs, ours))
            yield from real(theirs, ours)
        else:
            yield from (one for one in real(theirs, ours) if one.is_ahead is (blind_to == "behind"))

    monkeypatch.setattr(reconciling, "differences", blind)
    world = small()
    if blind_to == "ahead":
        world.extra.append(("cus_1", "usd", "2026-02", 300))
    elif blind_to == "currency":
        world.lies = other_currency
    else:
        world.extra.append(("cus_1", "usd", "2026-02", -300))
    ended = await Lives(world=world).heal()
    with pytest.raises(AssertionError):
        held_to_its_word(world, ended)


async def test_mutant_that_reads_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missed while an account is read is found by the second reading alone."""

    async def once(session: Any) -> None:  # noqa: ANN401 - as the real one
        if session.state.readings == 0:
            await real(session)
        else:
            session.state = session.state.model_copy(update={"readings": session.state.readings + 1})

    real = reading.read_events
    for mutant in (False, True):
        if mutant:
            monkeypatch.setattr(f"{ROOM}.strategy.read_events", once)
        world = small()
        once_only = [True]

        def beside(world: BillingWorld = world, once_only: list[bool] = once_only) -> None:
            if world.given and once_only:
                once_only.clear()
                world.change(
                    "subscription", "sub_2", NOW, "customer.subscription.created", missed=True, status="active"
                )

        world.beside = beside
        ended = await Lives(world=world).heal()
        if mutant:
            with pytest.raises(AssertionError):
                held_to_its_word(world, ended)
        else:
            held_to_its_word(world, ended)
            assert told(ended)["applied"]["count"] == 4
