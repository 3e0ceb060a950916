"""Renders a call template with the values of an order. Pure. No value changes the call's host, structure or headers."""

import json
from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import quote, unquote
from uuid import UUID

from consumer.catalog import CallTemplate
from consumer.catalog.templates import Placeholder, Template, read_template, read_url
from consumer.model import Json
from consumer.model.call import OutboundRequest
from consumer.outbound.credentials import references
from schemas.value import value

_MAX_VALUE: Final = 1024
"""Most characters of a value within a URL or a header: far above the ids of runs."""
_OMITTED: Final = "payload"
"""The value that may be absent: without a payload the step runs with its old input, and its member is left out."""


@value(frozen=True, slots=True, kw_only=True)
class Absent:
    """Marks a value that this order does not have."""


ABSENT: Final = Absent()
Found: TypeAlias = "Json | Absent"
Values: TypeAlias = Mapping[str, Found]


class UnfitValue(Exception):
    """A value is missing, or cannot stand where the catalog puts it; the message names it, but does not quote it."""


def unfit_document(document: Json) -> str | None:
    """Return why a document cannot be written as JSON, or None."""
    try:
        json_bytes(document)
    except UnfitValue as unfit:
        return str(unfit)
    return None


def render_call(call: CallTemplate, method: str, values: Values, *, org_id: UUID | None) -> OutboundRequest:
    """Render a call with its values; raises UnfitValue where one is missing, or would change more than itself."""
    headers = [(name, _render_header(name, read_template(text), values)) for name, text in call.headers.items()]
    body = _render_json(call.body, values)
    sends = call.body is not None and not isinstance(body, Absent)
    if sends and "content-type" not in {name.lower() for name in call.headers}:
        headers.append(("content-type", "application/json"))
    return OutboundRequest(
        method=method,
        url=_render_url(call, values),
        headers=tuple(headers),
        body=json_bytes(body) if sends else None,
        org_id=org_id,
    )


def json_bytes(document: object) -> bytes:
    """Serialize a body, in ASCII, so that a lone surrogate is escaped; raises UnfitValue where that is impossible."""
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (RecursionError, ValueError) as error:
        raise UnfitValue("the payload is nested too deep, or holds what is no JSON") from error


def render_document(template: Json, values: Values) -> Found:
    """Render a JSON template by itself; Absent where it is one value that is not there. Raises as `render_call`."""
    return _render_json(template, values)


def header_value(name: str, text: str) -> str:
    """Return a value as a header's whole value; raises UnfitValue where it cannot be one."""
    return _render_header(name, Template(parts=(Placeholder(name=name, optional=False),)), {name: text})


def _render_url(call: CallTemplate, values: Values) -> str:
    template = read_url(call.url)
    path = "".join(f"/{_render_segment(segment, values)}" for segment in template.segments)
    pairs = [
        name if text is None else f"{name}={_insert(text, values, quote_all=True)}" for name, text in template.query
    ]
    return template.origin + path + (f"?{'&'.join(pairs)}" if pairs else "")


def _render_segment(template: Template, values: Values) -> str:
    if not template.places:
        return template.text
    for place in template.places:
        text = _value_text(place, values)
        # Even percent-encoded: many servers decode before they split the path.
        if "/" in text or "\\" in text or not text:
            raise UnfitValue(f"{place.name} is empty or holds a slash: it cannot stand in a URL's path")
    segment = _insert(template, values, quote_all=True)
    if unquote(segment).strip(" .") == "":
        raise UnfitValue(f"{template.places[0].name} would point elsewhere in a URL's path")
    return segment


def _render_header(name: str, template: Template, values: Values) -> str:
    text = _insert(template, values, quote_all=False)
    plain = text.isascii() and (text.isprintable() or not text)
    if template.places and (not plain or text != text.strip()):
        raise UnfitValue(f"a value for the header {name} is not printable ASCII")
    if references(((name, text),)) != references(((name, template.text),)):
        raise UnfitValue(f"a value for the header {name} names a secret: only the catalog does")
    return text


def _insert(template: Template, values: Values, *, quote_all: bool) -> str:
    pieces = []
    for part in template.parts:
        text = part if isinstance(part, str) else _value_text(part, values)
        pieces.append(quote(text, safe="") if quote_all and isinstance(part, Placeholder) else text)
    return "".join(pieces)


def _value_text(place: Placeholder, values: Values) -> str:
    found = values.get(place.name, ABSENT)
    if isinstance(found, Absent):
        raise UnfitValue(f"{place.name} is missing")
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise UnfitValue(f"{place.name} is no text")
    text = str(found)
    if len(text) > _MAX_VALUE or not text.isprintable():
        raise UnfitValue(f"{place.name} is too long, or holds a control character")
    return text


def _render_json(template: Json, values: Values) -> Found:
    match template:
        case str():
            return _render_json_text(read_template(template), values)
        case dict():
            members = {name: _render_json(below, values) for name, below in template.items()}
            return {name: below for name, below in members.items() if not isinstance(below, Absent)}
        case list():
            items = (_render_json(below, values) for below in template)
            return [below for below in items if not isinstance(below, Absent)]
        case _:
            return template


def _render_json_text(template: Template, values: Values) -> Found:
    alone = template.alone
    if alone is None:
        return _insert(template, values, quote_all=False)
    found = values.get(alone.name, ABSENT)
    if isinstance(found, Absent) and not alone.optional and alone.name != _OMITTED:
        raise UnfitValue(f"{alone.name} is missing")
    return found
