"""Reads SVG: well-formed, without anything that acts or refers elsewhere, and drawn to pixels like any other image.

Expat reads it, with every declaration of an entity refused: a kilobyte of those expands to gigabytes. It is drawn by
resvg, which runs no script; references to other places are refused before it sees them, as it would open files.
"""

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Final
from xml.parsers import expat

import resvg_py
from PIL import Image

from consumer.media.images import ImageMeasures, UnreadableImage, measured_pixels, measures_of

_SVG: Final = "http://www.w3.org/2000/svg"
_DRAWN_WIDTH: Final = 512
_MAX_RATIO: Final = 16
_MAX_ELEMENTS: Final = 100_000
_MAX_DEPTH: Final = 256
_ACTIVE: Final = frozenset({"script", "foreignobject", "iframe", "embed", "object", "handler", "listener"})
_REFERENCES: Final = frozenset({"href", "src"})
_ELSEWHERE: Final = re.compile(r"url\(\s*[\"']?(?!#|data:image/)|@import", re.IGNORECASE)
_LENGTH: Final = re.compile(r"\s*(\d{1,7}(?:\.\d{1,6})?)(?:px)?\s*")
_SEPARATOR: Final = re.compile(r"[\s,]+")


class ActiveContent(Exception):
    """It holds what acts, or refers to another place; the message says what."""


@dataclass(slots=True)
class _SvgReading:
    depth: int = 0
    elements: int = 0
    root: dict[str, str] | None = None
    has_text: bool = False
    text_depth: int = 0
    within_style: bool = False
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorImage:
    """A vector image, and what it measures drawn."""

    measures: ImageMeasures
    has_text: bool
    """It shows text, which is drawn only where its font is installed."""


def read_vector(content: bytes) -> VectorImage:
    """Read and draw one.

    Raises
    ------
    UnreadableImage
    ActiveContent

    """
    reading = _parse(content)
    if _ELSEWHERE.search(reading.style):
        raise ActiveContent("its style refers to another place")
    width, height = _size(reading.root or {})
    ratio = width / height
    if not 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
        raise UnreadableImage(f"its shape is {width:g} x {height:g}")
    try:
        text = content.decode("utf-8-sig")
        height_drawn = max(1, round(_DRAWN_WIDTH / ratio))
        # Without this machine's fonts: a verdict is the same everywhere, and whether text shows is not asked.
        drawn = resvg_py.svg_to_bytes(svg_string=text, width=_DRAWN_WIDTH, height=height_drawn, skip_system_fonts=True)
        with Image.open(BytesIO(bytes(drawn)), formats=("PNG",)) as image:
            image.load()
            pixels = measured_pixels(image)
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise UnreadableImage(f"it cannot be drawn ({type(error).__name__})") from error
    return VectorImage(measures=measures_of(pixels, (round(width), round(height)), 1), has_text=reading.has_text)


def _parse(content: bytes) -> _SvgReading:
    reading = _SvgReading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, attributes: _begin(reading, name, attributes)
    parser.EndElementHandler = lambda name: _end(reading, name)
    parser.CharacterDataHandler = lambda text: _text(reading, text)
    parser.EntityDeclHandler = _refuse_entity
    parser.ExternalEntityRefHandler = _refuse_external
    parser.ProcessingInstructionHandler = _refuse_instruction
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise UnreadableImage(f"not well-formed: line {error.lineno}") from error
    if reading.root is None:
        raise UnreadableImage("its first element is no `svg` of SVG's name space")
    return reading


def _begin(reading: _SvgReading, name: str, attributes: dict[str, str]) -> None:
    space, _, local = name.rpartition(" ")
    reading.depth += 1
    reading.elements += 1
    if reading.elements > _MAX_ELEMENTS or reading.depth > _MAX_DEPTH:
        raise UnreadableImage("more elements, or deeper, than is drawn")
    if reading.depth == 1 and local == "svg" and space == _SVG:
        reading.root = attributes
    if local.lower() in _ACTIVE:
        raise ActiveContent(f"an element `{local[:40]}`")
    reading.text_depth += local == "text" or reading.text_depth > 0
    reading.within_style = local.lower() == "style"
    for key, value in attributes.items():
        _check_attribute(key.rpartition(" ")[2].lower(), value)


def _check_attribute(name: str, value: str) -> None:
    plain = value.strip().lower()
    if name.startswith("on"):
        raise ActiveContent(f"an attribute `{name[:40]}`")
    if name in _REFERENCES and not plain.startswith(("#", "data:image/")):
        raise ActiveContent(f"an attribute `{name}` that leads elsewhere")
    if "javascript:" in plain or _ELSEWHERE.search(value):
        raise ActiveContent(f"an attribute `{name[:40]}` that leads elsewhere")


def _text(reading: _SvgReading, text: str) -> None:
    if reading.within_style:
        reading.style += text
    elif reading.text_depth and text.strip():
        reading.has_text = True


def _end(reading: _SvgReading, _: str) -> None:
    reading.depth -= 1
    reading.text_depth -= reading.text_depth > 0
    reading.within_style = False


def _refuse_entity(*_: object) -> None:
    raise ActiveContent("it declares entities")


def _refuse_external(*_: object) -> int:
    raise ActiveContent("it refers to another file")


def _refuse_instruction(target: str, _: str) -> None:
    if target.lower() == "xml-stylesheet":
        raise ActiveContent("it refers to a style sheet")


def _size(root: dict[str, str]) -> tuple[float, float]:
    """Return width and height in pixels: as written, else those of its view box."""
    width, height = _length(root.get("width", "")), _length(root.get("height", ""))
    box = [_length(part) for part in _SEPARATOR.split(root.get("viewBox", "").strip())[2:4]]
    known = [side for side in box if side]
    if len(known) == 2:  # noqa: PLR2004 - width and height
        if width and not height:
            height = width * known[1] / known[0]
        elif height and not width:
            width = height * known[0] / known[1]
        width, height = width or known[0], height or known[1]
    if not width or not height:
        raise UnreadableImage("it says no size: neither width and height in pixels nor a view box")
    return width, height


def _length(text: str) -> float | None:
    found = _LENGTH.fullmatch(text)
    return float(found[1]) if found else None
