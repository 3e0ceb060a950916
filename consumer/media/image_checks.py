"""Judges what an image measures. Pure.

Entropy cannot tell a blank image from a drawing: faint noise has more of it than a logo. The deviation of its pixels
can.
"""

from collections.abc import Iterator
from typing import Final

from consumer.media.decoder_fill import Edge, Filling
from consumer.media.images import ImageMeasures
from consumer.media.promise import Promise
from consumer.media.verdict import MediaCheck, MediaExpectation, MediaFinding, failed, passed

_BLANK: Final = 2.0
"""Of 255: a grey image with noise of one step has 0.7, a grey sign with grey letters 5."""
_LIKENESS: Final = 0.2
_COARSE_SHARE: Final = 0.15
_FLAT_SHARE: Final = 0.9
"""Of a flat ground with dots on it; of the faintest noise that is not blank four fifths are as flat."""
_ASPECT_SHARE: Final = 0.02
_MEANT: Final = ": where a band is meant, let the prompt name it"
_NEAR: Final = 6
"""Bits by which the hashes of one placeholder differ that was scaled or compressed anew; chance gives 32."""


def image_findings(image: ImageMeasures, promise: Promise, expected: MediaExpectation) -> Iterator[MediaFinding]:
    """Make all checks of a decoded image, in their order."""
    yield _complete(image, promise)
    yield from shape_findings(image.width, image.height, expected)
    if expected.alpha is not None:
        found = "transparent" if image.transparent else "opaque"
        yield _within(MediaCheck.ALPHA, image.transparent == expected.alpha, f"it is {found}")
    yield from content_findings(image, expected)
    yield _filled(image.filling, expected)


def _filled(filling: Filling | None, expected: MediaExpectation) -> MediaFinding:
    if filling is None:
        return passed(MediaCheck.FILLED, "no decoder's filling")
    detail = f"its lower {filling.share:.0%} are {filling.fill.value}, with a {filling.edge.value} edge"
    is_decoders = filling.is_decoders(band_asked=expected.band)
    return _within(MediaCheck.FILLED, not is_decoders, f"{detail}{'' if filling.edge is Edge.STEP else _MEANT}")


def _within(check: MediaCheck, is_right: bool, detail: str) -> MediaFinding:
    return passed(check, detail) if is_right else failed(check, detail)


def _complete(image: ImageMeasures, promise: Promise) -> MediaFinding:
    if promise.broken is not None:
        return failed(MediaCheck.COMPLETE, promise.broken)
    promised = promise.frames or image.frames
    return _within(MediaCheck.COMPLETE, promised == image.frames, f"{image.frames} frames read of {promised} promised")


def shape_findings(width: int, height: int, expected: MediaExpectation) -> Iterator[MediaFinding]:
    """Check an image's size and its ratio."""
    if expected.width is not None or expected.height is not None:
        right = (expected.width or width, expected.height or height)
        detail = f"{width} x {height} of {expected.width or 'any'} x {expected.height or 'any'} asked for"
        yield _within(MediaCheck.DIMENSIONS, (width, height) == right, detail)
    if expected.aspect is not None:
        found = width / height if height else 0.0
        near = abs(found - expected.aspect) <= expected.aspect * _ASPECT_SHARE
        yield _within(MediaCheck.ASPECT, near, f"{found:.3f} of {expected.aspect:.3f} asked for")


def content_findings(image: ImageMeasures, expected: MediaExpectation) -> Iterator[MediaFinding]:
    """Check that there is a picture, and not one that stands for a missing one."""
    yield _within(MediaCheck.BLANK, image.deviation >= _BLANK, f"its pixels deviate by {image.deviation:.1f} of 255")
    noise = image.deviation >= _BLANK and image.likeness < _LIKENESS and image.coarse_share < _COARSE_SHARE
    noise = noise and image.flat_share < _FLAT_SHARE
    detail = f"neighbours correlate by {image.likeness:.2f}, {image.coarse_share:.2f} of it is left from afar"
    yield _within(MediaCheck.PICTURE, not noise, detail)
    if expected.placeholders:
        least = min(_distance(image.perceptual_hash, known) for known in expected.placeholders)
        yield _within(MediaCheck.PLACEHOLDER, least > _NEAR, f"{least} bits from the nearest placeholder")


def _distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()
