"""JSON Schema format checker, shared by every validator of ours."""

import re
from datetime import datetime
from typing import Final

from jsonschema import FormatChecker
from rfc3986_validator import validate_rfc3986

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
FORMATS: Final = FormatChecker()


# Without its optional packages the library accepts every date-time.
@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _TIME.fullmatch(value) is not None and datetime.fromisoformat(value.upper()).tzinfo is not None


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
