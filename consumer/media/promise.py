"""What a file's own structure promises, as it is read before anything is decoded. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a container says it holds; `broken` says what of that is not in the bytes."""

    broken: str | None = None
    frames: int | None = None
    """Frames of an image, samples of a channel of sound; None where it says nothing of them."""
    slack: int = 0
    """By how many frames what is decoded may differ: encoders' delay and padding."""


NOTHING: Final = Promise()
