"""Billing beside sides that answer oddly: one object stops no other, and nothing is believed that was not said."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from consumer.model import Healed, NotHealed, Refused
from consumer.model.approval import Approval, ApprovalState
from consumer.model.digest import digest
from schemas.names import Code
from tests.support.healing import NOW
from tests.support.worlds.billing_lives import Lives
from tests.support.worlds.billing_world import BillingWorld, Doc

DAY = timedelta(days=1)
PAID = {"customer": "cus_1", "currency": "usd", "status": "paid"}
Answered = tuple[int, Any, dict[str, str]]


@dataclass(slots=True, kw_only=True)
class OddWorld(BillingWorld):
    """A world some of whose answers are changed on their way."""

    odd: Callable[[str, str, Answered], Answered] = lambda _method, _path, answered: answered
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answered:
        self.asked.append(f"{method} {urlsplit(url).path}")
        # By name: a dataclass with slots has no `super()` of its own.
        return self.odd(method, urlsplit(url).path, BillingWorld.answer(self, method, url, headers, body))


def missed(**of_world: Any) -> OddWorld:  # noqa: ANN401 - fields of the world
    """Three paid invoices whose events were missed; what is odd is the first one's."""
    world = OddWorld(**of_world)
    for n in range(1, 4):
        world.change("invoice", f"in_{n}", NOW - (5 - n) * DAY, "invoice.paid", missed=True, amount_paid=n, **PAID)
    return world


async def test_an_event_about_what_has_no_id_is_applied_as_it_is_shown_and_leaves_the_account_proven() -> None:
    world = missed()
    balance = {"object": "balance", "available": [{"amount": 7, "currency": "usd"}]}
    event = world.events[-1] | {"id": "evt_balance", "type": "balance.available", "data": {"object": balance}}
    world.events.append(event)
    world.undelivered.add("evt_balance")
    ended = await Lives(world=world).heal()
    assert isinstance(ended, Healed), ended
    assert ended.code is None
    assert world.given["evt_balance"] == 1
    assert world.shown["evt_balance"] == balance


async def test_a_page_in_place_of_an_answer_is_no_word_that_the_platform_has_an_event() -> None:
    def paged(_: str, path: str, answered: Answered) -> Answered:
        missing = path.startswith("/platform/events/") and answered[0] == 404
        return (200, "<html>welcome</html>", {"content-type": "text/html; charset=utf-8"}) if missing else answered

    world = OddWorld(odd=paged)
    world.change("customer", "cus_1", NOW - DAY, "customer.updated", missed=True, email="new")
    ended = await Lives(world=world).heal()
    assert isinstance(ended, Refused), ended
    assert "a page" in ended.reason
    assert not world.given


def failures(ended: NotHealed | Refused) -> list[str]:
    billing: Any = ended.details["billing"]
    return [one["object"] for one in billing["failed"]["events"]]


@pytest.mark.parametrize("status", [200, 400, 406, 500])
@pytest.mark.parametrize("path", ["/v1/invoices/in_1", "/platform/objects/in_1"])
async def test_an_object_that_cannot_be_read_stops_no_other(path: str, status: int) -> None:
    world = await one_broken(path, status)
    assert world.given["evt_000001"] == (not path.startswith("/v1"))


@pytest.mark.parametrize("status", [400, 406, 500])
async def test_an_event_of_which_the_platform_does_not_tell_stops_no_other(status: int) -> None:
    world = await one_broken("/platform/events/evt_000001", status)
    assert world.given["evt_000001"] == 0


async def one_broken(path: str, status: int) -> OddWorld:
    """Heal a world of which one path answers oddly: the first event fails for it, and no other."""
    odd: Answered = (status, None, {})

    def broken(_: str, asked: str, answered: Answered) -> Answered:
        return odd if asked == path else answered

    world = missed(odd=broken)
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed), ended
    assert (world.applied["evt_000002"], world.applied["evt_000003"]) == (1, 1)
    assert failures(ended) == ["in_1"]
    return world


async def test_a_list_that_says_there_is_more_and_shows_nothing_proves_nothing() -> None:
    def empty(_: str, path: str, answered: Answered) -> Answered:
        return (200, {"object": "list", "data": [], "has_more": True}, {}) if path == "/v1/events" else answered

    world = missed(odd=empty)
    for one in ("in_1", "in_2", "in_3"):
        world.has[one] = dict(world.objects[one])
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed | Refused), ended


@pytest.mark.parametrize("path", ["/v1/events", "/v1/invoices", "/platform/totals"])
async def test_pages_that_go_round_in_a_circle_are_left(path: str) -> None:
    turns = iter(range(10**6))

    def circle(_: str, asked: str, answered: Answered) -> Answered:
        if asked != path:
            return answered
        turn = next(turns)
        assert turn < 20, "it goes round for ever"
        return 200, first[path] | {"next": "12"[turn % 2]}, {}

    world = missed(odd=circle)
    first: Doc = {"/v1/events": {"data": []}, "/v1/invoices": {"data": []}, "/platform/totals": {"rows": []}}
    ended = await Lives(world=world, kind="http", more={"types": "['invoice.*']"}).heal()
    assert isinstance(ended, NotHealed | Refused), ended


@pytest.mark.parametrize(("theirs", "ours"), [("10.99", "50.00"), (10.5, 50.5), (1099, 5000.0), ("9", "10")])
async def test_more_is_never_taken_back_however_it_is_written(theirs: object, ours: object) -> None:
    world = missed()
    world.objects["in_1"]["amount_paid"] = 1
    world.objects["in_1"]["status"] = theirs
    world.has["in_1"] = world.objects["in_1"] | {"status": ours}
    world.applied["evt_000001"] = 1
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed), ended
    assert world.has["in_1"]["status"] == ours
    assert failures(ended) == ["in_1"]


def refunded() -> OddWorld:
    world = missed()
    refund: Doc = {"customer": "cus_1", "currency": "usd", "status": "pending", "amount": 2}
    world.change("refund", "re_1", NOW - DAY, "refund.created", missed=True, **refund)
    return world


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


async def test_a_refund_that_changes_after_the_yes_is_not_made() -> None:
    world = refunded()
    lives = Lives(world=world, approval="  approval: {}\n")
    asked = await lives.heal()
    assert isinstance(asked, Refused)
    lives.approved = yes_to(asked.edits)
    looks = iter(range(10**6))

    def grows(_: str, path: str, answered: Answered) -> Answered:
        if path == "/v1/refunds/re_1" and next(looks) > 0:
            return 200, answered[1] | {"amount": 200_000}, {}
        return answered

    world.odd = grows
    ended = await lives.heal()
    assert isinstance(ended, NotHealed), ended
    assert world.given["evt_000004"] == 0
    assert failures(ended) == ["re_1"]


async def test_a_refund_that_is_there_in_another_state_is_not_touched_without_a_yes() -> None:
    world = refunded()
    world.applied["evt_000004"] = 1
    world.has["re_1"] = world.objects["re_1"] | {"status": "canceled"}
    lives = Lives(world=world, approval="  approval: {}\n")
    asked = await lives.heal()
    assert isinstance(asked, Refused), asked
    assert asked.code is Code.AWAITING_APPROVAL
    assert world.has["re_1"]["status"] == "canceled"
    assert "PUT /platform/objects/re_1" not in world.asked
    lives.approved = yes_to(asked.edits)
    ended = await lives.heal()
    assert isinstance(ended, Healed), ended
    assert world.has["re_1"]["status"] == "pending"


async def test_an_object_on_two_pages_counts_once() -> None:
    def overlapping(_: str, path: str, answered: Answered) -> Answered:
        if path != "/v1/invoices":
            return answered
        pages = world.asked.count("GET /v1/invoices")
        listed = answered[1]["data"] or [world.objects["in_1"]]
        return 200, {"object": "list", "data": listed, "has_more": pages % 2 == 1}, {}

    world = missed(odd=overlapping)
    assert isinstance(await Lives(world=world).heal(), Healed)
    # What the platform has too much is not made up for by what was read twice.
    world.extra.append(("cus_1", "usd", (NOW - 4 * DAY).strftime("%Y-%m"), 1))
    ended = await Lives(world=world).heal()
    assert isinstance(ended, NotHealed), ended
