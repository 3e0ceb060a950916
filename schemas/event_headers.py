"""CloudEvents attributes in a record's headers, in every spelling in which producers write them."""

import json
import re
from collections.abc import Mapping
from typing import Final

from schemas.errors import EnvelopeError
from schemas.names import PoisonReason

_PREFIX: Final = re.compile(r"(?:(?:x-)?(?:ce|cloudevents?)[:_.-]|camelcloudevent[_-]?)(?=[a-z0-9])")
"""Kafka's binding writes `ce_`, HTTP's and Spring Cloud Stream `ce-`, AMQP's `cloudEvents:`, Camel its own; gateways
put `x-` before them, and who maps properties to headers puts a dot or colon behind."""
_CAMEL: Final = {"version": "specversion", "datacontenttype": "datacontenttype", "schemaurl": "dataschema"}
REQUIRED: Final = ("specversion", "id", "source", "type")
_KNOWN: Final = frozenset((*REQUIRED, "subject", "time", "datacontenttype", "dataschema", "dataencoding"))
_OF_SPRING: Final = "spring_json_header_types"
"""Spring Kafka writes this header where it has written the others as JSON, a text in quotes."""
_QUOTED_VERSION: Final = '"1.0"'
_IDENTITY: Final = frozenset((*REQUIRED, "datacontenttype"))


def attributes_in(named: Mapping[str, bytes]) -> dict[str, str]:
    """Return the attributes in headers, which are given by their lower-case names; EnvelopeError where they disagree.

    In an attribute that identifies nothing, what is no text becomes U+FFFD.
    """
    found: dict[str, str] = {}
    for header in named:
        prefix = _PREFIX.match(header)
        if prefix is None:
            continue
        name = header[prefix.end() :]
        if prefix[0].startswith("camel"):
            name = _CAMEL.get(name, name)
        text = _text(named, header, strict=name in _IDENTITY)
        if found.setdefault(name, text) != text:
            message = f"attribute {name} stands in two headers, with two values: send it once, as ce_{name}"
            raise EnvelopeError(PoisonReason.WRONG_SHAPE, message)
    if found.get("specversion") == _QUOTED_VERSION:  # written as JSON, without Spring's header that says so
        return {name: _unquoted(text) for name, text in found.items()}
    return found


def is_half_a_set(attributes: Mapping[str, str]) -> bool:
    """Return whether there are CloudEvents attributes, and not the one that makes them a binary event."""
    return "specversion" not in attributes and not _KNOWN.isdisjoint(attributes)


def half_a_set(attributes: Mapping[str, str]) -> EnvelopeError:
    """Return the refusal of a record with some attributes: as bare data its id would be lost."""
    given = ", ".join(f"ce_{name}" for name in sorted(_KNOWN & attributes.keys()))
    missing = ", ".join(f"ce_{name}" for name in REQUIRED if name not in attributes)
    message = f"the headers hold {given}, but not {missing}: send all of a CloudEvent's attributes, or none"
    return EnvelopeError(PoisonReason.WRONG_SHAPE, message)


def content_type_of(named: Mapping[str, bytes]) -> str:
    """Return the record's content type in lower case; Spring names its header `contentType`."""
    name = "content-type" if "content-type" in named else "contenttype"
    return lenient(named, name).strip().strip('"').lower()


def lenient(named: Mapping[str, bytes], name: str) -> str:
    """Return a header as ASCII, with a mark for what is none."""
    return named.get(name, b"").decode("ascii", "replace")


def _text(named: Mapping[str, bytes], header: str, *, strict: bool) -> str:
    raw = named[header]
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if strict:
            raise EnvelopeError(PoisonReason.BAD_TEXT, f"header {header} is not UTF-8") from error
        text = raw.decode("utf-8", "replace")
    if "\0" in text:
        if strict:
            raise EnvelopeError(PoisonReason.BAD_TEXT, f"header {header} holds NUL, which no database stores")
        text = text.replace("\0", "\ufffd")
    return _unquoted(text) if _OF_SPRING in named and text[:1] == text[-1:] == '"' else text


def _unquoted(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) and value.isprintable() else text
