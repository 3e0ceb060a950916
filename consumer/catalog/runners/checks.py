"""Validation shared by all declared engines: header names, secrets in headers, and errors with their path."""

import re
from typing import Final, NoReturn

from pydantic_core import PydanticCustomError

from consumer.catalog.templates import secret_names

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


FRAMING: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
)


def secrets_in(headers: dict[str, str]) -> frozenset[str]:
    """Return the names of the secrets that headers refer to."""
    return frozenset(name for text in headers.values() for name in secret_names(text))


def fault(why: str, *path: int | str) -> NoReturn:
    """Raise a validation error; `path` leads from the declared field to the error."""
    # The path below the field: pydantic's own ends at the field, so the error would carry the field's first line.
    raise PydanticCustomError("template", "{why}", {"why": why, "path": path})
