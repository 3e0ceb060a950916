"""Headers of an answer, as a failure tells of them: whatever shape a client gave them, each stands for itself."""

from collections.abc import Mapping


def plain_headers(headers: object) -> object:
    """Return headers as texts: one that is odd (null, a nested object) drops itself and not the others."""
    if isinstance(headers, list):
        headers = dict(pair for one in headers if (pair := _header_pair(one)) is not None)
    if not isinstance(headers, Mapping):
        return None
    return {str(name): said for name, value in headers.items() if (said := _header_text(value)) is not None}


def _header_pair(one: object) -> tuple[str, object] | None:
    match one:
        case [str(name), value] | {"name": str(name), "value": value} | {"key": str(name), "value": value}:
            return name, value
        case _:
            return None


def _header_text(value: object) -> str | None:
    match value:
        case str():
            return value
        case bool() | None:
            return None
        case int() | float():
            return str(value)
        case list():  # Node's clients give set-cookie, and others every header, as a list
            return ", ".join(one for one in value if isinstance(one, str)) or None
        case _:
            return None
