"""Each step of auto-regenerate believes what it has seen itself: and, broken on purpose, is found out."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, TypeAlias

import pytest

from consumer.generators import described as described_client
from consumer.generators.contract import DeclineKind
from consumer.generators.described import DescribedClient
from consumer.heal.auto_regenerate import making
from consumer.heal.auto_regenerate.session import RegenerateSession
from consumer.heal.auto_regenerate.state import MakeState
from consumer.media.verdict import MediaVerdict, passed
from consumer.media_store import read_back
from consumer.model import Healed, NotHealed, Outcome, Refused, RetryLater
from tests.support.healing import Gate, heal_to_its_end
from tests.support.media.pictures import photograph, saved
from tests.support.worlds.asset_world import described, file_reply, missing_image
from tests.support.worlds.http_world import Reply, World, json_reply
from tests.support.worlds.workshop import Judge, Workshop, workshop

PICTURE: Final = saved(photograph(), "PNG")
HALF: Final = PICTURE[: len(PICTURE) // 2]
OTHER: Final = saved(photograph(seed=9), "PNG")
MODERATED: Final = json_reply(
    {"error": {"code": "moderation_blocked", "message": "Rejected by the safety system"}}, 400
)


def pointer_of(shop: Workshop) -> str:
    return shop.assets.pointer(shop.task(missing_image()).failure.org_id)


async def test_what_stands_there_and_is_wrong_has_not_recovered() -> None:
    async with workshop(file_reply(PICTURE), media=Judge()) as shop:
        shop.assets.files[pointer_of(shop)] = HALF
        ended = await shop.heal(missing_image())
        assert isinstance(ended, Healed)
        assert shop.assets.files[pointer_of(shop)] == PICTURE, "it was left as it was"


async def test_what_was_made_before_and_is_not_what_is_asked_for_now_is_not_relinked() -> None:
    async with workshop(file_reply(PICTURE), media=Judge()) as shop:
        await shop.heal(missing_image())
        del shop.assets.files[pointer_of(shop)]
        ended = await shop.heal(missing_image(min_bytes=len(PICTURE) + 1))
        assert isinstance(ended, NotHealed)
        assert pointer_of(shop) not in shop.assets.files, "it was put in its place"


async def test_what_was_made_wrong_is_not_put_in_its_place() -> None:
    async with workshop(file_reply(HALF), media=Judge()) as shop:
        assert isinstance(await shop.heal(missing_image()), NotHealed)
        assert shop.placed == set(), "it was put in its place"


async def test_what_was_stored_is_judged_once_more_as_its_users_get_it() -> None:
    async with workshop(file_reply(PICTURE), media=Judge()) as shop:
        await shop.heal(missing_image())
        [state] = [one for one in shop.gate.states if isinstance(one, MakeState) and one.stage == "placed"]
        given = shop.task(missing_image(min_bytes=len(PICTURE) + 1))
        ended = await shop.go_on(given, state)
        assert isinstance(ended, NotHealed)


async def test_another_file_than_the_one_that_was_put_is_no_success_though_it_is_right() -> None:
    async with workshop(file_reply(PICTURE), media=Judge(), verify="PT0.1S") as shop:
        at = pointer_of(shop)
        shop.assets.served = lambda path, stands: OTHER if stands is not None and path == at else stands
        assert isinstance(await shop.heal(missing_image()), NotHealed)


async def test_a_job_that_completed_with_an_error_is_none_though_it_has_a_result() -> None:
    jobs = {"jobs": lambda world: described(world, job=True)}
    async with workshop(file_reply(PICTURE), generators=jobs, media=Judge(), calls=1) as shop:
        shop.assets.job_end, shop.assets.looks_to_done = {"error": "out of memory"}, 1
        assert isinstance(await _to_its_end(shop), NotHealed)
        assert shop.placed == set()


async def _to_its_end(shop: Workshop) -> Outcome:
    return await heal_to_its_end(shop.strategy, shop.task(missing_image()), shop.gate, _at_once)


async def _at_once(_: float) -> None:
    return


async def test_what_moderation_refuses_is_asked_of_no_other() -> None:
    def other(world: World) -> dict[str, Any]:
        found = described(world)
        return found | {"generate": found["generate"] | {"url": world.url("/other")}}

    async with workshop(MODERATED, generators={"first": described, "other": other}, media=Judge()) as shop:
        shop.world.on("/other", file_reply(PICTURE))
        assert isinstance(await shop.heal(missing_image()), Refused)
        assert shop.world.calls("/other") == []


async def test_what_moderation_holds_back_in_an_answer_of_success_is_refused() -> None:
    sign = {"held_back": [{"header": "finish-reason", "values": ["CONTENT_FILTERED"]}]}
    held = replace(file_reply(PICTURE), headers=(("Content-Type", "image/png"), ("finish-reason", "CONTENT_FILTERED")))
    async with workshop(held, generators={"pictures": lambda world: described(world) | sign}, media=Judge()) as shop:
        assert isinstance(await shop.heal(missing_image()), Refused)


class WatchedGate(Gate):
    """Remembers how many states were kept before each effect."""

    __slots__ = ("kept_before",)

    def __init__(self) -> None:
        super().__init__()
        self.kept_before: list[int] = []

    async def begin(self) -> None:
        self.kept_before.append(len(self.states))
        await super().begin()


async def test_a_call_that_may_be_paid_is_kept_before_it_begins() -> None:
    async with workshop(Reply(drop=True), media=Judge()) as shop:
        gate = WatchedGate()
        shop.gate = gate
        assert isinstance(await shop.heal(missing_image()), NotHealed)
        assert gate.kept_before == [0, 0, 0, 1, 2], "the store's conditions are tried first"


async def test_a_store_that_takes_no_notice_of_conditions_is_refused_before_anything_is_paid() -> None:
    async with workshop(file_reply(PICTURE), media=Judge()) as shop:
        shop.assets.compares = False
        ended = await shop.heal(missing_image())
        assert isinstance(ended, Refused)
        assert "two heals could both change one asset" in ended.reason
        assert (shop.gate.charged, shop.placed) == (0, set())


async def test_what_only_a_cache_has_has_not_recovered() -> None:
    async with workshop(file_reply(OTHER), media=Judge()) as shop:
        cached = PICTURE
        shop.assets.served = lambda path, stands: stands if stands is not None or "/assets/" not in path else cached
        ended = await shop.heal(missing_image())
        assert isinstance(ended, Healed)
        assert shop.assets.files[pointer_of(shop)] == OTHER, "its origin was left without it"


async def test_what_stands_behind_a_cache_that_has_nothing_yet_is_waited_for_and_not_made() -> None:
    async with workshop(file_reply(PICTURE), media=Judge()) as shop:
        shop.assets.files[pointer_of(shop)] = PICTURE
        shop.assets.served = lambda _path, _stands: None
        ended = await shop.heal(missing_image())
        assert isinstance(ended, RetryLater)
        assert "stands behind a cache" in ended.reason
        assert (shop.gate.begins, shop.gate.charged) == (0, 0)


Break: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def blind(step: str) -> Break:
    """Have one step take whatever it judges for right, and all others judge as they do."""

    def breaks(patch: pytest.MonkeyPatch) -> None:
        right = RegenerateSession.judge

        async def judge(self: RegenerateSession, content: bytes) -> MediaVerdict:
            asks = sys._getframe(1).f_code.co_name  # noqa: SLF001
            verdict = await right(self, content)
            right_then = tuple(passed(one.check, "") for one in verdict.findings)
            return replace(verdict, findings=right_then) if asks == step else verdict

        patch.setattr(RegenerateSession, "judge", judge)

    breaks.__name__ = f"takes whatever `{step}` sees for right"
    return breaks


def takes_another_file_for_the_one_that_was_put(patch: pytest.MonkeyPatch) -> None:
    async def is_new(_answer: object, _digest: str) -> bool:
        return True

    patch.setattr(read_back, "_is", is_new)


def hears_no_error_of_a_job(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(described_client, "_error_in", lambda _document, _places: None)


def asks_the_next_one_after_moderation(patch: pytest.MonkeyPatch) -> None:
    right = making.decline

    async def declines(session: Any, generator: Any, declined: Any, choice: Any) -> Any:  # noqa: ANN401
        return await right(session, generator, replace(declined, kind=DeclineKind.PARAMETER), choice)

    patch.setattr(making, "decline", declines)


def sees_nothing_held_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DescribedClient, "_held_back", lambda _self, _answer: None)


def keeps_nothing_before_a_call(patch: pytest.MonkeyPatch) -> None:
    right = RegenerateSession.keep

    async def keep(self: RegenerateSession, state: MakeState, covered: int = 0) -> None:
        if state.stage != "calls":
            await right(self, state, covered)

    patch.setattr(RegenerateSession, "keep", keep)


MUTANTS: Final[list[tuple[Break, Callable[[], Awaitable[None]]]]] = [
    (blind("_recovered"), test_what_stands_there_and_is_wrong_has_not_recovered),
    (blind("_whole"), test_what_was_made_before_and_is_not_what_is_asked_for_now_is_not_relinked),
    (blind("take"), test_what_was_made_wrong_is_not_put_in_its_place),
    (blind("_judged"), test_what_was_stored_is_judged_once_more_as_its_users_get_it),
    (
        takes_another_file_for_the_one_that_was_put,
        test_another_file_than_the_one_that_was_put_is_no_success_though_it_is_right,
    ),
    (hears_no_error_of_a_job, test_a_job_that_completed_with_an_error_is_none_though_it_has_a_result),
    (asks_the_next_one_after_moderation, test_what_moderation_refuses_is_asked_of_no_other),
    (sees_nothing_held_back, test_what_moderation_holds_back_in_an_answer_of_success_is_refused),
    (keeps_nothing_before_a_call, test_a_call_that_may_be_paid_is_kept_before_it_begins),
]


@pytest.mark.parametrize(("broken", "guarded"), MUTANTS, ids=[broken.__name__ for broken, _ in MUTANTS])
async def test_a_step_that_is_broken_on_purpose_is_found_out(
    monkeypatch: pytest.MonkeyPatch, broken: Break, guarded: Callable[[], Awaitable[None]]
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        await guarded()
