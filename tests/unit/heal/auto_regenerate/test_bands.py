"""A flat band in a picture is believed where the prompt names one: pixels do not tell it from the end of a cut file."""

import pytest
from PIL import Image

from consumer.model import Healed, NotHealed
from tests.support.media.pictures import photograph, saved
from tests.support.worlds.asset_world import file_reply, missing_image
from tests.support.worlds.workshop import Judge, workshop


@pytest.mark.parametrize(
    ("prompt", "is_right"),
    [
        ("a lighthouse in a storm", False),
        ("a lighthouse in a storm above a black caption", True),
        ("a Banner: a lighthouse", True),
        ("abandoned bars of soap", True),
        ("an abandoned barn", False),
    ],
)
async def test_a_band_is_believed_where_the_prompt_names_one(prompt: str, *, is_right: bool) -> None:
    image = Image.new("RGB", (256, 192), "black")
    image.paste(photograph(256, 117), (0, 0))
    async with workshop(file_reply(saved(image, "PNG")), media=Judge(), calls=1) as shop:
        ended = await shop.heal(missing_image(prompt=prompt))
        assert isinstance(ended, Healed if is_right else NotHealed)
