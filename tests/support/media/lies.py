"""What a generator answers with status 200 and is not the file: each with the one check that finds it."""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from consumer.media.images import perceptual_hash
from consumer.media.media_types import MediaType
from consumer.media.verdict import MediaCheck, MediaExpectation
from schemas.names import AssetKind
from tests.support.media.broken_files import (
    first_scans,
    half_a_frame,
    half_the_rows,
    png_chunk,
    strip_above_grey,
    unfilled_avif,
    unfilled_frame,
    unfilled_middle,
    whole_frames,
    without_middle,
)
from tests.support.media.pictures import cut_out, nearly_blank, noise, photograph, saved, sign
from tests.support.media.true_files import TRUE_FILES, streamed, svg
from tests.support.media.voices import RATE, TEXT, Samples, brown, encoded, reader, tone, voice, wav, white


@dataclass(frozen=True, kw_only=True)
class Lie:
    make: Callable[[], bytes]
    found_by: MediaCheck
    expected: MediaExpectation


IMAGE: Final = MediaExpectation(kind=AssetKind.IMAGE, width=256, height=192)
ANY_IMAGE: Final = MediaExpectation(kind=AssetKind.IMAGE)
SPEECH: Final = MediaExpectation(kind=AssetKind.AUDIO, text=TEXT)
NUMBERS: Final = replace(SPEECH, text="4719 3012 5588 0461")
SOUND: Final = MediaExpectation(kind=AssetKind.AUDIO)
HTML: Final = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>" * 20


def cut(name: str, share: float) -> Callable[[], bytes]:
    def make() -> bytes:
        whole = TRUE_FILES[name].make()
        return whole[: int(len(whole) * share)]

    return make


def closed_jpeg(name: str, share: float) -> Callable[[], bytes]:
    """A truncated JPEG with an end marker: the lower part of what it shows is grey."""
    return lambda: cut(name, share)() + b"\xff\xd9"


def closed_png() -> bytes:
    """A truncated PNG with its end behind it."""
    whole = TRUE_FILES["png"].make()
    return whole[: len(whole) // 2] + whole[-12:]


def flipped(name: str, share: float = 0.5) -> Callable[[], bytes]:
    def make() -> bytes:
        content = bytearray(TRUE_FILES[name].make())
        content[int(len(content) * share)] ^= 0xFF
        return bytes(content)

    return make


def _said(samples: Callable[[], "np.ndarray[tuple[int], np.dtype[np.float64]]"]) -> Callable[[], bytes]:
    return lambda: wav(np.asarray(samples()))


def decoded_anew(kind: str, share: float = 0.5, **options: object) -> Callable[[], bytes]:
    """A truncated JPEG that was decoded, grey below, and encoded again: nothing is missing from this file."""

    def make() -> bytes:
        with Image.open(BytesIO(closed_jpeg("jpeg", share)())) as read:
            return saved(read.convert("RGB"), kind, **options)

    return make


def filled_with(colour: tuple[int, int, int]) -> Callable[[], bytes]:
    """As decoders do that fill with another colour than grey: in blocks, from the one that is missing."""

    def make() -> bytes:
        image = photograph()
        image.paste(colour, (0, 128, 256, 192))
        image.paste(colour, (96, 112, 256, 128))
        return saved(image, "JPEG", quality=90)

    return make


def half_png(mode: str) -> Image.Image:
    """A truncated PNG as a forgiving decoder reads it: rows that are missing are black, or nothing."""
    image = photograph().convert(mode)
    image.paste((0,) * len(mode), (0, 117, 256, 192))
    return image


def _not_numbers() -> bytes:
    whole = TRUE_FILES["wav, float"].make()
    return whole[:-400] + b"\xff" * 400


def _turned_over() -> bytes:
    """On one loudspeaker nothing of it is left."""
    return wav(np.column_stack((voice(), -voice())).ravel(), channels=2)


def _padded() -> bytes:
    """Half of the sentence, and silence up to its length."""
    whole = voice()
    whole[whole.size // 2 :] = 0
    return wav(whole)


def _twice() -> Samples:
    """The sentence of a quick voice, and again: as long as a slow voice takes for it."""
    quick = voice(3.5)
    return np.concatenate((quick, np.zeros(RATE // 4), quick))


def _half_read() -> Samples:
    """The first half of a sentence, as long as a quick voice takes for all of it."""
    return reader(TEXT[: TEXT.index("stairs")], speed=0.8)


def _cut_number() -> Samples:
    """As long as a quick voice takes for all of them, if each is read as a number."""
    whole = reader("four seven one nine three zero one two")
    return whole[: np.flatnonzero(np.abs(whole) > 0.3)[-1]]


def _lie(found_by: MediaCheck, make: Callable[[], bytes], expected: MediaExpectation = ANY_IMAGE) -> Lie:
    return Lie(make=make, found_by=found_by, expected=expected)


def _unfilled() -> bytes:
    whole = TRUE_FILES["webp"].make()
    return whole[: len(whole) * 3 // 5].ljust(len(whole), b"\0")


_C = MediaCheck
_SIGNS: Final = replace(ANY_IMAGE, placeholders=(perceptual_hash(sign().convert("L")),))
LIES: Final[Mapping[str, Lie]] = {
    "empty": _lie(_C.SIZE, lambda: b""),
    "one pixel": _lie(_C.SIZE, lambda: saved(Image.new("RGB", (1, 1)), "GIF"), replace(ANY_IMAGE, min_bytes=500)),
    "an error page as an image": _lie(_C.MEDIA_TYPE, lambda: HTML),
    "an error page as a voice": _lie(_C.MEDIA_TYPE, lambda: HTML, SPEECH),
    "an error in json": _lie(_C.MEDIA_TYPE, lambda: b'{"images": []}', replace(IMAGE)),
    "a jpeg for a png": _lie(_C.MEDIA_TYPE, TRUE_FILES["jpeg"].make, replace(IMAGE, media_types=(MediaType.PNG,))),
    "a voice for an image": _lie(_C.MEDIA_TYPE, TRUE_FILES["mp3"].make),
    "an image for a voice": _lie(_C.MEDIA_TYPE, TRUE_FILES["png"].make, SPEECH),
    "half a png": _lie(_C.DECODES, cut("png", 0.5)),
    "half a png with its end": _lie(_C.DECODES, closed_png),
    "a png without its end": _lie(_C.COMPLETE, lambda: TRUE_FILES["png"].make()[:-12]),
    "half the rows of a png": _lie(_C.COMPLETE, half_the_rows),
    "half of an animated png's last frame": _lie(_C.COMPLETE, half_a_frame),
    "the first scan of a progressive jpeg": _lie(_C.COMPLETE, lambda: first_scans(1)),
    "all scans of a progressive jpeg but the last": _lie(_C.COMPLETE, lambda: first_scans(-1)),
    "the first blocks of a picture above grey": _lie(_C.FILLED, strip_above_grey),
    "half a jpeg": _lie(_C.DECODES, cut("jpeg", 0.5)),
    "half a gif": _lie(_C.DECODES, cut("gif", 0.5)),
    "half an animation": _lie(_C.COMPLETE, lambda: _without_last_frame(TRUE_FILES["gif, animated"].make())),
    "half a webp": _lie(_C.DECODES, cut("webp", 0.5)),
    "a webp whose end was never filled": _lie(_C.COMPLETE, _unfilled),
    "an animated webp whose first frame was never filled": _lie(_C.COMPLETE, unfilled_frame),
    "an avif whose end was never filled": _lie(_C.COMPLETE, unfilled_avif),
    "half an avif": _lie(_C.DECODES, cut("avif", 0.5)),
    "half an svg": _lie(_C.DECODES, cut("svg", 0.6)),
    "a damaged png": _lie(_C.DECODES, flipped("png")),
    **{
        f"a {share:.0%} {name} with an end marker": _lie(_C.DECODES, closed_jpeg(name, share))
        for name in ("jpeg", "jpeg, progressive", "jpeg, grey", "jpeg, cmyk", "jpeg, fine", "jpeg, restarts")
        for share in (0.6, 0.9)
    },
    "blank": _lie(_C.BLANK, lambda: saved(Image.new("RGB", (256, 256), "#fafafa"), "PNG")),
    "nearly blank": _lie(_C.BLANK, lambda: saved(nearly_blank(), "PNG")),
    "transparent throughout": _lie(_C.BLANK, lambda: saved(Image.new("RGBA", (256, 256), (9, 9, 9, 0)), "PNG")),
    "a blank svg": _lie(_C.BLANK, lambda: svg('<rect width="256" height="192" fill="#eee"/>')),
    "an svg whose text says nothing": _lie(_C.BLANK, lambda: svg('<text x="20" y="90"> </text>')),
    "noise": _lie(_C.PICTURE, lambda: saved(noise(), "PNG")),
    "noise in jpeg": _lie(_C.PICTURE, lambda: saved(noise(), "JPEG", quality=92)),
    "a placeholder": _lie(_C.PLACEHOLDER, lambda: saved(sign(), "PNG"), _SIGNS),
    "a placeholder in another size": _lie(_C.PLACEHOLDER, lambda: saved(sign().resize((400, 400)), "JPEG"), _SIGNS),
    **{
        f"half a jpeg, encoded anew as {kind}": _lie(_C.FILLED, decoded_anew(kind, **options))
        for kind, options in (("PNG", {}), ("JPEG", {"quality": 90}), ("WEBP", {"quality": 80}))
    },
    **{
        f"half a jpeg, its rest {fill}": _lie(_C.FILLED, filled_with(colour))
        for fill, colour in (("black", (0, 0, 0)), ("green", (0, 135, 0)))
    },
    "half a png, encoded anew": _lie(_C.FILLED, lambda: saved(half_png("RGB"), "JPEG", quality=90)),
    "half a png with transparency, encoded anew": _lie(_C.FILLED, lambda: saved(half_png("RGBA"), "PNG")),
    "half a png, where a band was asked for, stepped": _lie(
        _C.FILLED, filled_with((0, 0, 0)), replace(ANY_IMAGE, band=True)
    ),
    "another size": _lie(_C.DIMENSIONS, lambda: saved(photograph(128, 96), "PNG"), IMAGE),
    "another shape": _lie(_C.ASPECT, lambda: saved(photograph(256, 256), "PNG"), replace(ANY_IMAGE, aspect=16 / 9)),
    "not cut out": _lie(_C.ALPHA, TRUE_FILES["png, opaque with alpha"].make, replace(ANY_IMAGE, alpha=True)),
    "cut out": _lie(_C.ALPHA, lambda: saved(cut_out(), "PNG"), replace(ANY_IMAGE, alpha=False)),
    "an svg that acts": _lie(_C.ACTIVE_CONTENT, lambda: svg("<script>alert(1)</script><circle r='60'/>")),
    "an svg that refers elsewhere": _lie(_C.ACTIVE_CONTENT, lambda: svg('<image href="https://example.com/x.png"/>')),
    "a bomb": _lie(_C.LIMITS, lambda: png_head(60_000, 60_000)),
    "half a wav": _lie(_C.COMPLETE, cut("wav", 0.5), SOUND),
    "a wav that lacks its last second": _lie(_C.COMPLETE, cut("wav", 0.8), SPEECH),
    "half an mp3": _lie(_C.COMPLETE, cut("mp3", 0.5), SOUND),
    "half an mp3 without a count": _lie(_C.SPEECH_LENGTH, whole_frames("mp3, without a count", 0.5), SPEECH),
    "an mp3 without a count that ends within a frame": _lie(_C.COMPLETE, cut("mp3, without a count", 0.93), SPEECH),
    "an mp3 without its middle": _lie(_C.COMPLETE, without_middle("mp3, without a count"), SOUND),
    "an mp3 whose middle was never filled": _lie(_C.COMPLETE, unfilled_middle("mp3, without a count"), SOUND),
    "an adts stream that ends within a frame": _lie(_C.COMPLETE, cut("aac", 0.93), SPEECH),
    "an adts stream without its middle": _lie(_C.COMPLETE, without_middle("aac"), SOUND),
    "an adts stream whose middle was never filled": _lie(_C.COMPLETE, unfilled_middle("aac"), SOUND),
    "a flac with a damaged frame": _lie(_C.COMPLETE, flipped("flac", 0.3), SPEECH),
    "half a streamed wav": _lie(_C.SPEECH_LENGTH, lambda: streamed(cut("wav", 0.5)()), SPEECH),
    "half an ogg": _lie(_C.COMPLETE, cut("ogg, opus", 0.5), SOUND),
    "half a vorbis": _lie(_C.COMPLETE, cut("ogg, vorbis", 0.6), SOUND),
    "half a flac": _lie(_C.COMPLETE, cut("flac", 0.5), SOUND),
    "half an m4a": _lie(_C.COMPLETE, cut("m4a, index first", 0.6), SOUND),
    "an m4a without its index": _lie(_C.DECODES, cut("m4a", 0.5), SOUND),
    "samples that are no numbers": _lie(_C.DECODES, _not_numbers, SOUND),
    "a head alone": _lie(_C.DECODES, lambda: TRUE_FILES["wav"].make()[:44], SOUND),
    "half a sentence": _lie(_C.SPEECH_LENGTH, _said(lambda: voice(2.1)), SPEECH),
    "half a sentence and silence": _lie(_C.SPEECH_LENGTH, _padded, SPEECH),
    "three sentences": _lie(_C.SPEECH_LENGTH, _said(lambda: voice(14)), SPEECH),
    "a sentence twice": _lie(_C.SPOKEN_TWICE, _said(_twice), SPEECH),
    "shorter than asked for": _lie(_C.DURATION, _said(lambda: voice(4.4)), replace(SOUND, seconds=6)),
    "a voice that nobody can hear": _lie(_C.SILENCE, _said(lambda: voice() * 0.012), SPEECH),
    "silence": _lie(_C.SILENCE, _said(lambda: np.zeros(100_000)), SOUND),
    "near silence": _lie(_C.SILENCE, _said(lambda: white(level=10**-3.5)), SOUND),
    "a voice whose two channels cancel each other": _lie(_C.SILENCE, _turned_over, SPEECH),
    "clipped": _lie(_C.CLIPPING, _said(lambda: voice() * 40), SOUND),
    "with an offset": _lie(_C.OFFSET, _said(lambda: voice() * 0.5 + 0.2), SOUND),
    "hum": _lie(_C.HUM, _said(lambda: _swelling(tone(50) + 0.5 * tone(150))), SPEECH),
    "white noise": _lie(_C.HISS, _said(lambda: _swelling(white())), SPEECH),
    "a ringing tone": _lie(_C.HUM, _said(lambda: _dialled(tone(440) + tone(480))), SPEECH),
    "a quarter of a sentence, looped": _lie(_C.SPOKEN_TWICE, _said(lambda: np.tile(voice(1.1), 4)), SPEECH),
    "a third of a sentence, looped": _lie(_C.SPOKEN_TWICE, _said(lambda: np.tile(voice(1.5), 3)), SPEECH),
    "a steady rumble": _lie(_C.MODULATION, _said(brown), SPEECH),
    "a sentence backwards": _lie(_C.BACKWARDS, _said(lambda: reader(TEXT)[::-1]), SPEECH),
    "half a sentence of a slow voice": _lie(_C.UNFINISHED, _said(_half_read), SPEECH),
    "half of some numbers, cut within a sound": _lie(_C.SPEECH_LENGTH, _said(_cut_number), NUMBERS),
}


def _dialled(samples: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Give it pulses of uneven loudness, none of which comes again."""
    pulses = np.random.default_rng(11).uniform(0.02, 1, 40)
    return samples * np.interp(np.arange(samples.size), np.linspace(0, samples.size, pulses.size), pulses)


def _swelling(
    samples: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Make it rise and fall as a voice does, so that no other check finds it."""
    at = np.arange(samples.size) / samples.size
    return np.asarray(samples * (0.12 + 0.88 * np.abs(np.sin(2 * np.pi * 9 * at))))


def _without_last_frame(gif: bytes) -> bytes:
    """Cut between two frames: all that are there are whole."""
    return gif[: gif.rindex(b"\x21\xf9\x04")]


def png_head(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its 1,000 bytes hold."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"\0" * 1_000)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


__all__ = ["HTML", "IMAGE", "LIES", "SOUND", "SPEECH", "Lie", "encoded", "png_head"]
