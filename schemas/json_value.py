"""JSON values compared and pointed into; pure, and quick to import."""

from collections.abc import Sequence
from typing import Any


def same(left: Any, right: Any) -> bool:  # noqa: ANN401 - JSON is anything
    """Compare as JSON does: true is not 1, and 1.0 is 1."""
    match left, right:
        case (bool(), _) | (_, bool()):
            return left is right
        case (dict(), dict()):
            return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
        case (list() | tuple(), list() | tuple()):
            return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
        case _:
            return bool(left == right)


def pointer(steps: Sequence[str]) -> str:
    """Write an RFC 6901 pointer."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def steps_of(text: str) -> tuple[str, ...]:
    """Read an RFC 6901 pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


def value_at(document: Any, text: str, absent: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Follow an RFC 6901 pointer; `absent` where it leads nowhere."""
    for name in steps_of(text):
        match document:
            case dict() if name in document:
                document = document[name]
            case list() if name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < len(document):
                document = document[int(name)]
            case _:
                return absent
    return document
