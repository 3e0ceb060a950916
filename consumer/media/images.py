"""Decodes a whole image with Pillow, JPEG by a strict decoder too, and measures it.

A truncated JPEG that is closed by an end marker decodes in Pillow, its lower part grey; libjpeg warns, and the strict
decoder makes an error of the warning. Its data is decoded in full and its pixels at an eighth of their size, which
costs little.
"""

import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from math import ceil, sqrt
from typing import Final, TypeAlias

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import AvifImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from consumer.media.decoder_fill import Filling, find_filling
from consumer.media.media_types import MediaType

Pixels: TypeAlias = NDArray[np.float32]

MAX_PIXELS: Final = 50_000_000
MAX_ALL_PIXELS: Final = 200_000_000
"""Of all frames together."""
MAX_FRAMES: Final = 2000
_MEASURED_PIXELS: Final = 4_000_000
"""Larger images are measured at a smaller size."""
_STRIP_PIXELS: Final = 1_000_000
_CROP: Final = 512
_COARSE: Final = 16
_HASH_SIZE: Final = 32
_HASH_BITS: Final = 8
_OPAQUE: Final = 255
_FLAT_STEPS: Final = 5
_FORMATS: Final = {
    MediaType.PNG: PngImagePlugin.PngImageFile.format,
    MediaType.JPEG: JpegImagePlugin.JpegImageFile.format,
    MediaType.GIF: GifImagePlugin.GifImageFile.format,
    MediaType.WEBP: WebPImagePlugin.WebPImageFile.format,
    MediaType.AVIF: AvifImagePlugin.AvifImageFile.format,
}
"""One decoder for each type: none is left to guess."""
_DAMAGE: Final = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError),
    *(AssertionError, OverflowError, RuntimeError, ZeroDivisionError, struct.error, zlib.error),
)
"""What Pillow's plugins raise on damaged files."""
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
PngImagePlugin.MAX_TEXT_MEMORY = 4 * 1024 * 1024


class UnreadableImage(Exception):
    """A decoder cannot read it; the message says why."""


class OversizedImage(Exception):
    """Its header promises more than may be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMeasures:
    """What a whole image measures."""

    width: int
    height: int
    frames: int
    transparent: bool
    deviation: float
    """Of the pixels' values, of 255, on black and on white, whichever shows more."""
    likeness: float
    """Correlation of neighbouring pixels: 0 for white noise."""
    coarse_share: float
    """Share of the deviation that is left at a sixteenth of the size: a sixteenth for white noise."""
    flat_share: float
    """Share of the pixels within two steps of the most frequent value: nearly all of a sky with stars."""
    perceptual_hash: str
    filling: Filling | None
    """What looks like that which a decoder puts in place of data that it lacks."""


def measure(content: bytes, media_type: MediaType, promised: int | None) -> ImageMeasures:
    """Decode all frames of an image and measure the first; `promised` is the number of frames its container has.

    Raises
    ------
    UnreadableImage
    OversizedImage

    """
    try:
        with warnings.catch_warnings():
            # What Pillow only warns of (a profile that it cannot read) is no damage to the picture.
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(content), formats=(str(_FORMATS[media_type]),)) as image:
                size = image.size
                _check_size(*size, promised or int(getattr(image, "n_frames", 1)))
                if media_type is MediaType.JPEG:
                    _decode_strictly(content)
                if isinstance(image, WebPImagePlugin.WebPImageFile):
                    first, frames = _decode_webp(image)
                else:
                    image.load()
                    first = measured_pixels(image)
                    frames = _decode_the_rest(image)
    except Image.DecompressionBombError as error:
        raise OversizedImage("more pixels than may be decoded") from error
    except _DAMAGE as error:
        raise UnreadableImage(f"{type(error).__name__}: {str(error)[:80]}") from error
    return measures_of(first, size, frames)


def _check_size(width: int, height: int, frames: int) -> None:
    if width * height > MAX_PIXELS:
        raise OversizedImage(f"{width} x {height} pixels")
    if frames > MAX_FRAMES or width * height * frames > MAX_ALL_PIXELS:
        raise OversizedImage(f"{frames} frames of {width} x {height} pixels")


def _decode_strictly(content: bytes) -> None:
    height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    simplejpeg.decode_jpeg(
        content,
        colorspace="CMYK" if colours in ("CMYK", "YCCK") else "GRAY",
        min_height=ceil(height / 8),
        min_width=ceil(width / 8),
        min_factor=1,
        strict=True,
    )


def _decode_webp(image: WebPImagePlugin.WebPImageFile) -> tuple[Image.Image, int]:
    """Decode all frames of a WebP and return the first one's pixels, measured, and their number.

    Its decoder, which is that of animations, has two canvases of its own; a frame is measured in the bytes that it
    gives out. Loaded as an image it would stand in memory once more: 80 MB of 20 megapixels.
    """
    first = None
    for _ in range(image.n_frames):
        pixels, *_ = image._get_next()  # noqa: SLF001 - there is no public way past the copy
        if image.n_frames == 1:
            del image._decoder  # noqa: SLF001 - its canvases, which are no longer needed
        if first is None:
            first = measured_pixels(Image.frombuffer(image.rawmode, image.size, pixels, "raw", image.rawmode, 0, 1))
        del pixels
    if first is None:
        raise UnreadableImage("without a frame")
    return first, image.n_frames


def _decode_the_rest(image: Image.Image) -> int:
    frames = 1
    while True:
        try:
            image.seek(frames)
        except EOFError:
            return frames
        if frames * image.width * image.height > MAX_ALL_PIXELS or frames >= MAX_FRAMES:
            raise OversizedImage(f"more than {frames} frames")
        image.load()
        frames += 1


def measured_pixels(image: Image.Image) -> Image.Image:
    """Return an image's pixels at a size at which measuring them is cheap, with transparency where it has some.

    A large image is made smaller strip by strip: converted as a whole, it would stand in memory twice.
    """
    mode = "RGBA" if image.has_transparency_data else "RGB"
    factor = ceil(sqrt(image.width * image.height / _MEASURED_PIXELS))
    if factor == 1:
        return _eight_bit(image).convert(mode)
    smaller = Image.new(mode, (ceil(image.width / factor), ceil(image.height / factor)))
    step = factor * max(1, _STRIP_PIXELS // (image.width * factor))
    for top in range(0, image.height, step):
        strip = image.crop((0, top, image.width, min(top + step, image.height)))
        smaller.paste(_eight_bit(strip).convert(mode).reduce(factor), (0, top // factor))
    return smaller


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale samples of 16 bits down; Pillow's own conversion would cut them off at 255."""
    if not image.mode.startswith(("I", "F")):
        return image
    return Image.fromarray((np.asarray(image).astype(np.float64) / 257).clip(0, 255).astype(np.uint8))


def measures_of(pixels: Image.Image, size: tuple[int, int], frames: int) -> ImageMeasures:
    """Measure decoded pixels; `size` and `frames` are those of the file."""
    alpha = pixels.getchannel("A").histogram() if pixels.mode == "RGBA" else None
    on_white = _on(pixels, "white")
    grey = on_white.convert("L")
    deviation = max(_deviation(on_white), _deviation(_on(pixels, "black")) if alpha else 0.0)
    return ImageMeasures(
        width=size[0],
        height=size[1],
        frames=frames,
        transparent=alpha is not None and any(alpha[:_OPAQUE]),
        deviation=deviation,
        likeness=_likeness(grey),
        coarse_share=_deviation(grey.reduce(_COARSE)) / deviation if deviation else 1.0,
        flat_share=_flat_share(grey),
        perceptual_hash=perceptual_hash(grey),
        filling=find_filling(
            np.asarray(on_white), np.asarray(pixels.getchannel("A")) if alpha is not None else None, size[1]
        ),
    )


def _on(pixels: Image.Image, colour: str) -> Image.Image:
    if pixels.mode != "RGBA":
        return pixels
    ground = Image.new("RGBA", pixels.size, colour)
    return Image.alpha_composite(ground, pixels).convert("RGB")


def _deviation(image: Image.Image) -> float:
    """Return the largest standard deviation of a band, from its histogram."""
    counts = np.asarray(image.histogram(), np.float64).reshape(-1, 256)
    values = np.arange(256)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    return float(np.sqrt(np.maximum(share @ np.square(values) - np.square(mean), 0)).max())


def _flat_share(grey: Image.Image) -> float:
    counts = np.asarray(grey.histogram(), np.float64)
    return float(np.convolve(counts, np.ones(_FLAT_STEPS), "same").max() / counts.sum())


def _likeness(grey: Image.Image) -> float:
    """Return the correlation of neighbours in the middle of an image, the larger of both directions."""
    left, top = max(0, (grey.width - _CROP) // 2), max(0, (grey.height - _CROP) // 2)
    crop = grey.crop((left, top, min(left + _CROP, grey.width), min(top + _CROP, grey.height)))
    values: Pixels = np.asarray(crop, np.float32)
    return max(_correlation(values[:, 1:], values[:, :-1]), _correlation(values[1:], values[:-1]))


def _correlation(one: Pixels, other: Pixels) -> float:
    if not one.size or not one.std() or not other.std():
        return 1.0
    return abs(float(np.corrcoef(one.ravel(), other.ravel())[0, 1]))


def perceptual_hash(grey: Image.Image) -> str:
    """Return the signs of an image's 64 lowest frequencies against their median, as 16 hex digits (pHash)."""
    values = np.asarray(grey.resize((_HASH_SIZE, _HASH_SIZE), Image.Resampling.LANCZOS), np.float64)
    low = (_COSINES @ values @ _COSINES.T)[:_HASH_BITS, :_HASH_BITS].ravel()
    bits = low > np.median(low[1:])
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def _cosines(size: int) -> Pixels:
    steps = np.arange(size)
    return np.asarray(np.cos(np.pi / size * (steps[None, :] + 0.5) * steps[:, None]), np.float32)


_COSINES: Final = _cosines(_HASH_SIZE)
