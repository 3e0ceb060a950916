"""What auto-regenerate counts for whose health, and what it tells of money at each of its ends."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from consumer.errors import LostClaim
from consumer.heal.auto_regenerate.state import MakeState, Stage
from consumer.heal.kept import Kept, Suspended
from consumer.model import Healed, MicroAud, NotHealed, RetryLater
from tests.support.media.pictures import photograph, saved
from tests.support.worlds.asset_world import CHARGED, described, file_reply, missing_image
from tests.support.worlds.http_world import Reply, World, http_world, json_reply
from tests.support.worlds.workshop import Judge, Workshop, workshop

PICTURE: Final = saved(photograph(), "PNG")
HALF: Final = PICTURE[: len(PICTURE) // 2]
ILL: Final = json_reply({}, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A generator, a store and what stands before it, each at an address of its own."""

    shop: Workshop
    maker: World
    cdn: World

    def health(self, others: dict[str, bool]) -> dict[str, bool]:
        named = {self.maker.url(""): "maker", self.shop.world.url(""): "store", self.cdn.url(""): "cdn"}
        return {named[where]: healthy for where, healthy in others.items()}


@asynccontextmanager
async def apart(*replies: Reply) -> AsyncIterator[Apart]:
    async with AsyncExitStack() as stack:
        maker, cdn = await stack.enter_async_context(http_world()), await stack.enter_async_context(http_world())
        maker.on("/make", *(replies or (file_reply(PICTURE),)))
        opened = workshop(
            generators={"pictures": described(maker)}, media=Judge(), cdn=cdn, ports=(maker.port,), verify="PT0.1S"
        )
        yield Apart(shop=await stack.enter_async_context(opened), maker=maker, cdn=cdn)


async def test_the_store_and_what_stands_before_it_are_dependencies_beside_the_generator() -> None:
    async with apart() as here:
        given = here.shop.task(missing_image())
        assert given.plan.intent.dependency == here.maker.url("")
        assert given.plan.intent.others == (here.shop.world.url(""), here.cdn.url(""))
        assert isinstance(await here.shop.strategy.heal(given, here.shop.gate), Healed)
        assert here.health(given.others) == {"store": True, "cdn": True}


@pytest.mark.parametrize(
    ("ill", "expected"), [("store", {"cdn": True, "store": False}), ("cdn", {"cdn": False})], ids=["store", "cdn"]
)
async def test_an_ill_store_counts_against_itself_and_not_against_the_generator(
    ill: str, expected: dict[str, bool]
) -> None:
    async with apart() as here:
        given = here.shop.task(missing_image())
        world = here.cdn if ill == "cdn" else here.shop.world
        world.scripts = {path: (lambda _n, _seen: ILL) for path in (_pointer(here, "/store/"), _pointer(here, "/cdn/"))}
        ended = await here.shop.strategy.heal(given, here.shop.gate)
        assert isinstance(ended, RetryLater)
        assert not ended.dependency_unhealthy, "the generator was not even asked"
        assert here.health(given.others) == expected
        assert here.maker.seen == []


def _pointer(here: Apart, under: str) -> str:
    return here.shop.assets.pointer(here.shop.task(missing_image()).failure.org_id).replace("/store/", under)


async def test_an_ill_generator_counts_against_itself_alone() -> None:
    async with apart(Reply(drop=True)) as here:
        given = here.shop.task(missing_image())
        ended = await here.shop.strategy.heal(given, here.shop.gate)
        assert isinstance(ended, NotHealed)
        assert ended.dependency_unhealthy
        assert here.health(given.others) == {"store": True, "cdn": True}


MODERATED: Final = json_reply(
    {"error": {"code": "moderation_blocked", "message": "Rejected by the safety system"}}, 400
)


@pytest.mark.parametrize(
    ("makes", "paid"),
    [
        ([file_reply(PICTURE)], 1),
        ([file_reply(HALF), file_reply(PICTURE)], 2),
        ([file_reply(HALF)], 2),
        ([Reply(drop=True)], 2),
        ([file_reply(HALF), MODERATED], 1),
        ([MODERATED], 0),
    ],
    ids=["made", "made again", "never right", "never answered", "wrong, then refused", "refused"],
)
async def test_the_gate_is_told_what_was_paid_whatever_the_end(makes: list[Reply], paid: int) -> None:
    async with workshop(*makes, media=Judge()) as shop:
        ended = await shop.heal(missing_image())
        assert not isinstance(ended, Suspended)
        assert (shop.gate.charged, ended.spent) == (paid * CHARGED, 0), ended


async def test_what_was_paid_before_is_told_once_whoever_goes_on() -> None:
    async with workshop(file_reply(HALF), file_reply(PICTURE), media=Judge()) as shop:
        given = shop.task(missing_image())
        await shop.heal(missing_image())
        # The heir's gate knows what the state that it inherits was kept with: of two calls the second is in doubt.
        second = [state for state in shop.gate.states if isinstance(state, MakeState) and state.stage == "calls"][1]
        assert second.spent == CHARGED
        shop.gate.charged = second.spent
        shop.made.made.clear()
        shop.assets.files.clear()
        ended = await shop.go_on(given, second)
        assert isinstance(ended, NotHealed), "nothing is left of the hold after a call in doubt"
        assert (shop.gate.charged, ended.spent) == (2 * CHARGED, 0)


async def test_what_an_answer_cost_is_told_before_anything_else_and_counts_once_after_an_interruption() -> None:
    async with workshop(file_reply(PICTURE), media=Judge()) as shop:
        shop.gate.refuse_at, shop.gate.refusal = 5, LostClaim("another has it")  # after the store's and the call
        given = shop.task(missing_image())
        with pytest.raises(LostClaim):
            await shop.strategy.heal(given, shop.gate)
        assert (shop.gate.charged, shop.gate.covered) == (CHARGED, CHARGED), "its heir counts the call as well"
        (state,) = shop.gate.states
        assert isinstance(state, MakeState)
        shop.gate.refuse_at = None
        shop.gate.covered = 0
        ended = await shop.go_on(given, state)  # in the same process, with the charge on its claim
        assert isinstance(ended, Healed), ended
        assert (shop.gate.charged, ended.details["in_doubt_aud"]) == (2 * CHARGED, "0.020000")


@pytest.mark.parametrize("stage", ["calls", "waits", "answered"])
async def test_what_may_be_under_way_at_an_end_counts_with_all_that_is_held(stage: Stage) -> None:
    async with workshop(media=Judge()) as shop:
        given = shop.task(missing_image())
        state = MakeState(stage=stage, generator="pictures", job_id="j-1", spent=CHARGED)
        shop.gate.charged = CHARGED
        ended = shop.strategy.too_long(given, Kept(state=state, begun=True, charged=MicroAud(CHARGED)))
        assert shop.gate.charged + ended.spent == (CHARGED if stage == "answered" else given.plan.hold)


async def test_an_earlier_asset_that_takes_the_place_of_a_lost_call_leaves_it_paid() -> None:
    async with workshop(file_reply(PICTURE), media=Judge()) as shop:
        await shop.heal(missing_image())
        given = shop.task(missing_image())
        for path in list(shop.placed):
            del shop.assets.files[path]
        shop.gate.charged = 0
        ended = await shop.go_on(given, MakeState(stage="calls", generator="pictures", calls=1))
        assert isinstance(ended, Healed)
        assert ended.code is None, "it was paid for"
        assert shop.gate.charged == CHARGED
        assert ended.details["in_doubt_aud"] == "0.020000"
