"""References of a definition: `${workflow.input.total}`, `${charge.output.amount}`, found in values and resolved."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from consumer.model import Json
from consumer.workflows.definition import Condition, Operator
from schemas.json_value import same
from schemas.value import value

WORKFLOW: Final = "workflow"
_TEMPLATE: Final = re.compile(r"\$\{([^{}]*)\}")
_PATH: Final = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,6})\]")
_STEP: Final = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*?(?=\.(?:input|output)(?:[.\[]|$))")


@value(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a template refers to: a member of the workflow's input, or of a step's output."""

    source: str
    """`workflow`, or the id of a step."""
    side: str
    """`input` or `output`."""
    path: tuple[str, ...]


class Unresolved(LookupError):
    """A template that refers to nothing, or cannot be read."""


def parse_reference(inner: str) -> Reference | None:
    """Parse what stands between the braces; None where it is no reference."""
    found = _STEP.match(inner)
    if found is None:
        return None
    side, _, _ = inner[found.end() + 1 :].replace("[", ".").partition(".")
    rest = inner[found.end() + 1 + len(side) :]
    parts = list(_PATH.finditer(rest))
    if side not in {"input", "output"} or sum(len(part.group()) for part in parts) != len(rest):
        return None
    return Reference(source=found.group(), side=side, path=tuple(part[1] or part[2] for part in parts))


def templates(document: Json) -> Iterator[str]:
    """Yield what stands between the braces of each template within a value, names of members included."""
    match document:
        case str():
            yield from (found[1] for found in _TEMPLATE.finditer(document))
            if "${" in _TEMPLATE.sub("", document):
                yield document
        case list():
            for item in document:
                yield from templates(item)
        case dict():
            for name, item in document.items():
                yield from templates(name)
                yield from templates(item)


def sources(document: Json) -> frozenset[str]:
    """Return the steps (or `workflow`) that a value refers to."""
    parsed = (parse_reference(inner) for inner in templates(document))
    return frozenset(reference.source for reference in parsed if reference is not None)


def literal_pieces(text: str) -> list[str]:
    """Return a text without its templates, in pieces."""
    return [piece for piece in _TEMPLATE.split(text)[::2] if piece]


def resolve(document: Json, context: Mapping[str, Json]) -> Json:
    """Replace the templates of a value; one that stands alone keeps its type. Raises Unresolved."""
    match document:
        case str():
            whole = _TEMPLATE.fullmatch(document)
            if whole is not None:
                return _look_up(whole[1], context)
            return _TEMPLATE.sub(lambda found: _as_text(_look_up(found[1], context)), document)
        case list():
            return [resolve(item, context) for item in document]
        case dict():
            return {name: resolve(item, context) for name, item in document.items()}
        case _:
            return document


def holds(condition: Condition, context: Mapping[str, Json]) -> bool:
    """Evaluate a condition; raises Unresolved."""
    left = resolve(condition.left, context)
    right = resolve(condition.right, context)
    match condition.op:
        case Operator.PRESENT:
            return left is not None
        case Operator.EQUALS:
            return same(left, right)
        case Operator.DIFFERS:
            return not same(left, right)
        case Operator.ONE_OF | Operator.NONE_OF:
            listed = isinstance(right, list) and any(same(left, each) for each in right)
            return listed is (condition.op is Operator.ONE_OF)
        case Operator.AT_MOST | Operator.AT_LEAST:
            if not (_is_number(left) and _is_number(right)):
                return False
            return left <= right if condition.op is Operator.AT_MOST else left >= right  # type: ignore[operator]


def _is_number(found: Json) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


def _as_text(found: Json) -> str:
    match found:
        case None:
            return "null"
        case bool():
            return "true" if found else "false"
        case _:
            return str(found)


def _look_up(inner: str, context: Mapping[str, Json]) -> Json:
    reference = parse_reference(inner)
    node = None if reference is None else context.get(reference.source)
    if reference is None or not isinstance(node, dict):
        raise Unresolved(f"${{{inner}}}")
    found: Json = node.get(reference.side)
    for name in reference.path:
        match found:
            case dict():
                found = found.get(name)
            case list() if name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            case _:
                return None
    return found
