"""Bytes are what was asked for, or a check says what they are: true files of all formats, and lies about each check."""

from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image

from consumer.media.validation import validate
from consumer.media.verdict import MediaCheck, MediaExpectation, MediaVerdict
from schemas.names import AssetKind, Verdict
from tests.support.media.lies import LIES, Lie
from tests.support.media.pictures import photograph, saved
from tests.support.media.tool_files import tool_images, tool_sounds
from tests.support.media.true_files import TRUE_FILES, TrueFile


@pytest.mark.parametrize("file", TRUE_FILES.values(), ids=TRUE_FILES.keys())
def test_a_true_file_passes_every_check(file: TrueFile) -> None:
    verdict = validate(file.make(), file.expected)
    assert verdict.verdict is Verdict.PASSED, verdict.detail


@pytest.mark.needs_tool("ffmpeg")
def test_true_images_of_ffmpeg_pass_every_check(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert _refused(tool_images(tmp_path_factory.mktemp("images"))) == {}


@pytest.mark.needs_tool("ffmpeg", "sox", "espeak-ng")
def test_true_speech_of_espeak_passes_every_check_in_every_format(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert _refused(tool_sounds(tmp_path_factory.mktemp("sounds"))) == {}


def _refused(files: Mapping[str, tuple[bytes, MediaExpectation]]) -> dict[str, str]:
    verdicts = {name: validate(content, expected) for name, (content, expected) in files.items()}
    return {name: one.detail for name, one in verdicts.items() if one.verdict is not Verdict.PASSED}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_lie_is_found_by_the_check_that_is_for_it_and_by_no_other(lie: Lie) -> None:
    verdict = validate(lie.make(), lie.expected)
    assert verdict.failed == (lie.found_by,), verdict
    assert verdict.verdict is Verdict.FAILED
    assert str(lie.found_by) in verdict.detail
    # So without this check it would pass.
    left = tuple(one for one in verdict.findings if one.check is not lie.found_by)
    assert all(one.verdict is Verdict.PASSED for one in left), left


@pytest.mark.parametrize("colour", ["white", "black", "#777777", "#808080", "#c0c0c0"])
def test_a_true_image_with_a_flat_lower_half_is_not_taken_for_filled(colour: str) -> None:
    on_it = Image.new("RGB", (256, 192), colour)
    on_it.paste(photograph(128, 80), (64, 8))
    assert _checks(saved(on_it, "PNG")) == ()
    for rows in (90, 144, 160):
        across = Image.new("RGB", (256, 192), colour)
        across.paste(photograph(256, rows), (0, 0))
        assert _checks(saved(across, "JPEG", quality=90)) == (), rows
        assert _checks(saved(across, "PNG")) == (), rows


@pytest.mark.parametrize("colour", ["black", "#008700"])
def test_where_pixels_do_not_tell_a_band_is_meant_if_it_was_asked_for(colour: str) -> None:
    odd = Image.new("RGB", (256, 192), colour)
    odd.paste(photograph(256, 117), (0, 0))
    content = saved(odd, "PNG")
    assert _checks(content) == (MediaCheck.FILLED,)
    assert _checks(content, band=True) == ()
    assert "let the prompt name it" in validate(content, MediaExpectation(kind=AssetKind.IMAGE)).detail


def test_a_night_is_not_taken_for_filled() -> None:
    dark = photograph().point([min(value, 4) for value in range(256)] * 3).crop((0, 100, 256, 192))
    night = photograph()
    night.paste(dark, (0, 101))
    assert _checks(saved(night, "PNG")) == ()


@pytest.mark.parametrize("mode", ["grey", "green", "black"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_jpeg_is_found_wherever_it_ends_and_whatever_fills_it(mode: str, kind: str) -> None:
    colour = {"grey": (128, 128, 128), "green": (0, 135, 0), "black": (0, 0, 0)}[mode]
    missed = []
    for row, column in ((16, 240), (48, 16), (96, 128), (160, 64)):
        image = photograph()
        image.paste(colour, (0, row + 16, 256, 192))
        image.paste(colour, (column, row, 256, row + 16))
        if _checks(saved(image, kind, quality=85)) != (MediaCheck.FILLED,):
            missed.append((row, column))
    assert missed == []


def test_a_true_image_that_fades_to_grey_is_not_taken_for_filled() -> None:
    down = np.linspace(255, 128, 120).repeat(256).reshape(120, 256)
    whole = np.vstack((down, np.full((72, 256), 128.0))).astype(np.uint8)
    assert _checks(saved(Image.fromarray(whole).convert("RGB"), "PNG")) == ()


def _checks(content: bytes, *, band: bool = False) -> tuple[MediaCheck, ...]:
    return validate(content, MediaExpectation(kind=AssetKind.IMAGE, band=band)).failed


def test_every_check_has_a_lie_that_it_alone_finds() -> None:
    assert {lie.found_by for lie in LIES.values()} == set(MediaCheck)


def test_bytes_and_verdicts_survive_json() -> None:
    file = TRUE_FILES["png"]
    content = file.make()
    verdict = validate(content, file.expected)
    assert MediaVerdict.from_json(verdict.as_json()) == verdict
    assert MediaExpectation.from_json(file.expected.as_json()) == file.expected
    assert verdict.evidence.size == len(content)
    assert (verdict.evidence.width, verdict.evidence.height, verdict.evidence.frames_read) == (256, 192, 1)


def test_a_sound_that_promises_no_length_is_not_proven_whole_without_one_asked_for() -> None:
    unknown = validate(TRUE_FILES["aac"].make(), MediaExpectation(kind=AssetKind.AUDIO))
    assert unknown.verdict is Verdict.INCONCLUSIVE
    assert "promises no length" in unknown.detail


@pytest.mark.parametrize(
    ("kind", "verdict"), [(AssetKind.OTHER, Verdict.PASSED), (AssetKind.VIDEO, Verdict.INCONCLUSIVE)]
)
def test_what_is_no_image_and_no_sound_is_not_taken_for_proven(kind: AssetKind, verdict: Verdict) -> None:
    assert validate(b"anything", MediaExpectation(kind=kind)).verdict is verdict
