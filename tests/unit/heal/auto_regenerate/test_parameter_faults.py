"""Whether a person is needed or the asset is made again: by what the error says, and not by its type alone."""

from typing import Any, Final

import pytest

from consumer.diagnose.diagnosis import diagnose
from consumer.heal.auto_regenerate.rules import hopeless
from consumer.plan.default_ladder import ladder, nobody_may
from schemas.names import Disposition, StrategyName
from tests.support.healing import failure
from tests.support.worlds.asset_world import missing_image

VOICE: Final = {"asset": {"id": "v", "kind": "audio", "prompt": "Hello", "format": "mp3", "voice": "alloy"}}
PARAMETERS: Final = {
    "Invalid size 256x192, supported sizes are 1024x1024": "width and height",
    "unsupported aspect ratio 17:3": "width and height",
    "width must be a multiple of 64": "width and height",
    "prompt is too long (33000 > 32000 characters)": "prompt",
    "prompt exceeds maximum length": "prompt",
    "copyrighted character": "prompt",
    "unknown parameter 'styel'": "parameters",
    "output_format tiff is not supported": "format",
    "voice_not_found": "voice",
    "unknown voice 'alloyx'": "voice",
    "voice 'x' does not exist": "voice",
    "invalid voice id": "voice",
    "voice is not licensed for commercial use": "voice",
    "voice_not_fine_tuned": "voice",
    "text too long: 5200 characters, the maximum is 4096": "prompt",
    "input string too long. Expected at most 4096 characters, but got 5200": "prompt",
    "max_character_limit_exceeded": "prompt",
    "invalid ssml": "prompt",
    "empty text": "prompt",
    "language 'xx' is not supported by model": "parameters",
    "invalid value for speed: 7.0 (must be between 0.25 and 4.0)": "parameters",
    "sample rate 96000 not supported": "format",
    "- input.width: Must be less than or equal to 1440": "width and height",
    "prompt: must be less than 10000 characters": "prompt",
    "english_only: only english supported": "parameters",
    "Input should be less than or equal to 14142": "parameters",
    "String should have at most 4096 characters": "parameters",
    "background must be one of transparent, opaque, auto": "parameters",
}
PEOPLE: Final = (
    "content_policy_violation",
    "NSFW content detected",
    "license expired for stock photo",
    "text violates usage policy",
    "prompt blocked by moderation",
)
MADE_AGAIN: Final = (
    "the hero image is missing",
    "it could not be generated",
    "hero image not found in bucket",
    "image is corrupt: truncated PNG",
    "Image has invalid dimensions: got 512x512, expected 1024x1024",
    "generated image was returned in an unsupported format",
    "image format invalid: file is HTML",
    "image width should be 1024, but came out as 512",
    "upstream returned an empty image list",
    "model gpt-image-1 has been deprecated",
    "no audio",
    "audio file is silent",
    "voice clip is not available at its url",
    "voice note not found for message 12",
    "the voice file is corrupt",
    "0 bytes",
)


def ruled_out(said: str) -> str | None:
    """Why the plan makes nothing: nobody may, or its strategy refuses."""
    is_voice = any(word in said for word in ("voice", "audio", "text", "ssml", "speed", "language", "sample"))
    context: dict[str, Any] = VOICE if is_voice else missing_image()
    reason = f"{'Voice' if is_voice else 'Image'} generation failed: {said}"
    failed, diagnosis = failure(context, reason=reason), diagnose(reason, context)
    why = nobody_may(diagnosis, context)
    if why is None:
        assert StrategyName.AUTO_REGENERATE in ladder(diagnosis, context)
        why = hopeless(failed, diagnosis)
    return why


@pytest.mark.parametrize(("said", "parameter"), PARAMETERS.items(), ids=PARAMETERS)
def test_an_error_that_names_a_parameter_is_never_paid_for_again(said: str, parameter: str) -> None:
    why = ruled_out(said)
    assert why is not None
    assert why.startswith(f"context.asset.{parameter}: ")


@pytest.mark.parametrize("said", PEOPLE)
def test_what_a_person_has_to_decide_is_left_to_one(said: str) -> None:
    why = ruled_out(said)
    assert why is not None
    assert why.startswith(Disposition.NEEDS_PERSON)


@pytest.mark.parametrize("said", MADE_AGAIN)
def test_an_asset_of_which_no_more_is_known_is_made_again(said: str) -> None:
    assert ruled_out(said) is None
