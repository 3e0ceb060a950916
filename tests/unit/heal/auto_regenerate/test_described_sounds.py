"""A sound that its prompt describes: judged by the length that was asked for, and not as speech."""

from typing import Any, Final

import numpy as np
import pytest

from consumer.catalog import AutoRegenerateLimits, WorkflowPolicy
from consumer.heal.auto_regenerate.rules import expectation_of, missing
from consumer.model import Healed, NotHealed
from schemas.asset import AssetContext
from schemas.context import asset_of
from tests.support.media.voices import RATE, tone, voice, wav
from tests.support.worlds.asset_world import described, file_reply
from tests.support.worlds.http_world import World
from tests.support.worlds.workshop import Judge, workshop

PROMPT: Final = (
    "an old brass door bell that rings in the hall of a house by the sea and fades slowly, recorded close by"
)
RING: Final = wav(tone(880, 2.0) * np.exp(-np.linspace(0, 4, 2 * RATE)))


def bell(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of an asset
    return {"asset": {"id": "bell", "kind": "audio", "format": "wav", "prompt": PROMPT, "spoken": False} | more}


def sounds(world: World) -> dict[str, Any]:
    return described(world, makes="audio") | {"can": {"sounds": True}}


@pytest.mark.parametrize(
    ("made", "is_right"),
    [
        (RING, True),
        (RING[: len(RING) // 2], False),
        (wav(tone(880, 1.0)), False),
        (wav(np.zeros(2 * RATE)), False),
        (b"", False),
    ],
    ids=["a bell", "cut", "half as long", "silence", "nothing"],
)
async def test_a_described_sound_is_judged_by_its_length(made: bytes, *, is_right: bool) -> None:
    async with workshop(file_reply(made), generators={"bells": sounds}, media=Judge(), calls=1) as shop:
        assert isinstance(await shop.heal(bell(seconds=2), "audio"), Healed if is_right else NotHealed)
        assert len(shop.placed) == is_right


async def test_a_prompt_that_is_spoken_is_still_judged_as_speech() -> None:
    async with workshop(file_reply(wav(voice(2.0))), generators={"bells": sounds}, media=Judge(), calls=1) as shop:
        assert isinstance(await shop.heal(bell(seconds=2, spoken=True), "audio"), NotHealed)


async def test_a_generator_that_is_not_declared_to_make_sounds_is_never_paid_for_one() -> None:
    speaks = {"voices": lambda world: described(world, makes="audio")}
    async with workshop(file_reply(RING), generators=speaks, media=Judge()) as shop:
        assert not isinstance(await shop.heal(bell(seconds=2), "audio"), Healed)
        assert not shop.world.calls("/make")


def test_a_described_sound_needs_its_length() -> None:
    assert missing(bell()) == ("context.asset.seconds",)
    assert missing(bell(spoken=True)) == missing(bell(seconds=2)) == ()


@pytest.mark.parametrize(
    ("parameters", "speed"),
    [({}, 1), ({"speed": 0.5}, 0.5), ({"speed": True}, 1), ({"speed": "2"}, 1), ({"speed": 9}, 1)],
)
def test_a_voice_is_judged_by_its_pace_and_the_speed_that_was_asked_for(
    parameters: dict[str, Any], speed: float
) -> None:
    asset = asset_of(bell(spoken=True, parameters=parameters))
    assert isinstance(asset, AssetContext)
    limits = AutoRegenerateLimits(seconds_per_character=0.05)
    expected = expectation_of(asset, WorkflowPolicy(name="*", auto_regenerate=limits))
    assert (expected.seconds_per_character, expected.speed) == (0.05, speed)
