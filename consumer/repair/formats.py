"""JSON Schema format checker, shared by every validator of ours: the formats that are checked, each in linear time.

The library checks more, of which `regex` compiles the value, in seconds for some kilobytes. A format that is not in
the list is an annotation, as the JSON Schema specification allows: nothing fails by it.
"""

from collections.abc import Callable
from typing import Final

from jsonschema import FormatChecker
from rfc3986_validator import validate_rfc3986

from consumer.repair import format_rules as rules

FORMATS: Final = FormatChecker(("color", "uri", "uri-reference"))
_RULES: Final[dict[str, Callable[[str], bool]]] = {
    "date": rules.is_date,
    "time": rules.is_time,
    "date-time": rules.is_date_time,
    "duration": rules.is_duration,
    "hostname": rules.is_hostname,
    "idn-hostname": rules.is_idn_hostname,
    "email": rules.is_email,
    "idn-email": rules.is_idn_email,
    "ipv4": rules.is_ipv4,
    "ipv6": rules.is_ipv6,
    "uuid": rules.is_uuid,
    "json-pointer": rules.is_pointer,
    "relative-json-pointer": rules.is_relative_pointer,
    "uri-template": rules.is_uri_template,
}


def _of_texts(rule: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or rule(value)


# The library's own are loose, or need packages of which one alone tells a time from a date.
for _name, _rule in _RULES.items():
    FORMATS.checks(_name)(_of_texts(_rule))


@FORMATS.checks("iri")
def _is_iri(value: object) -> bool:
    """Validate an IRI by the URI that it maps to (RFC 3987, 3.1)."""
    return not isinstance(value, str) or bool(validate_rfc3986(_as_uri(value), rule="URI"))


@FORMATS.checks("iri-reference")
def _is_iri_reference(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3986(_as_uri(value), rule="URI_reference"))


def _as_uri(text: str) -> str:
    return "".join(
        letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in text
    )
