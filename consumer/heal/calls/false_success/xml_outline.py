"""The outer elements of an XML document.

It is not parsed into a tree: expat reads the outer elements of its beginning, without entities, and stops.
"""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from consumer.heal.calls.false_success.members import plain_name

READ: Final = 128 * 1024
"""Characters that are read of a document."""
DEEPEST: Final = 4
"""Depth of the elements that are kept."""
_MAX_ELEMENTS: Final = 2000
_MAX_TEXT: Final = 200


@dataclass(slots=True)
class Element:
    """One of the outer elements of a document."""

    name: str
    depth: int
    attributes: dict[str, str]
    parent: str
    text: str = ""
    has_content: bool = False


@dataclass(slots=True)
class Outline:
    """The outer elements of a document, in their order, and whether it came to its end."""

    elements: list[Element] = field(default_factory=list)
    is_broken: bool = False


class _Enough(Exception):
    pass


@dataclass(slots=True)
class _Reading:
    """The events of expat, kept as an outline."""

    outline: Outline = field(default_factory=Outline)
    stack: list[Element] = field(default_factory=list)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.outline.elements) >= _MAX_ELEMENTS:
            raise _Enough
        named = {_local(key): value for key, value in attributes.items()}
        parent = self.stack[-1] if self.stack else None
        if parent is not None:
            parent.has_content = True
        element = Element(_local(name), len(self.stack), named, "" if parent is None else parent.name)
        self.stack.append(element)
        if element.depth <= DEEPEST:
            self.outline.elements.append(element)

    def end(self, _: str) -> None:
        self.stack.pop()

    def said(self, text: str) -> None:
        if self.stack and len(self.stack[-1].text) < _MAX_TEXT:
            self.stack[-1].text += text[:_MAX_TEXT]

    def entity(self, *_: object) -> None:
        raise _Enough


def _local(name: str) -> str:
    return plain_name(name.rpartition(":")[2])


def outline(text: str) -> Outline:
    """Read the outer elements of an XML document, down to the level of a part's status."""
    reading = _Reading()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reading.begin, reading.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = reading.said, reading.entity
    try:
        parser.Parse(text[:READ].lstrip("\ufeff \t\r\n"), len(text) <= READ)
    except _Enough:
        pass
    except (expat.ExpatError, ValueError):
        reading.outline.is_broken = bool(reading.stack) or not reading.outline.elements
    return reading.outline
