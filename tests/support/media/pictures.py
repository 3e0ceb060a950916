"""Pictures to be encoded: a photograph, a drawing, and things that are none."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.uint8]


def photograph(width: int = 256, height: int = 192, *, seed: int = 1) -> Image.Image:
    """Something with large shapes, fine grain and many colours."""
    grain = np.random.default_rng(seed).normal(0, 10, (height, width, 3))
    across = np.linspace(0, 1, width)[None, :].repeat(height, 0)
    down = np.linspace(0, 1, height)[:, None].repeat(width, 1)
    waves = 0.5 + 0.5 * np.sin(9 * across + 5 * down * down)
    image = Image.fromarray((np.stack([across, down, waves], -1) * 220 + grain + 15).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill="#20407a")
    draw.rectangle((width // 2, height // 2, width - 2, height - 2), outline="#f0e020", width=max(1, width // 50))
    return image


def drawing(width: int = 256, height: int = 256) -> Image.Image:
    """A flat logo: two colours, most of it empty."""
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill="#c00000")
    return image


def cut_out(width: int = 256, height: int = 256) -> Image.Image:
    """A drawing on a transparent ground."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    ImageDraw.Draw(image).polygon(((20, 230), (128, 20), (230, 230)), fill=(10, 120, 60, 255))
    return image


def sign(text: str = "Image not available", size: tuple[int, int] = (256, 256)) -> Image.Image:
    """What stands for a missing image."""
    image = Image.new("RGB", size, "#eeeeee")
    draw = ImageDraw.Draw(image)
    draw.rectangle((size[0] // 5, size[1] // 4, size[0] * 4 // 5, size[1] * 3 // 5), outline="#777777", width=4)
    draw.line((size[0] // 5, size[1] * 3 // 5, size[0] // 2, size[1] // 3), fill="#777777", width=4)
    draw.text((size[0] // 4, size[1] * 7 // 10), text, fill="#888888")
    return image


def noise(width: int = 256, height: int = 256) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


def stars(width: int = 256, height: int = 192) -> Image.Image:
    """A night sky: single bright pixels, none of which is like its neighbour."""
    random, sky = np.random.default_rng(6), np.zeros((height, width), np.uint8)
    sky[random.integers(0, height, 150), random.integers(0, width, 150)] = random.integers(60, 255, 150)
    return Image.fromarray(sky).convert("RGB")


def nearly_blank(width: int = 256, height: int = 256) -> Image.Image:
    """Grey with grain that nobody sees, and more entropy than a drawing."""
    grain = np.random.default_rng(4).normal(128, 0.7, (height, width, 3))
    return Image.fromarray(grain.round().clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 - an encoder's own
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
