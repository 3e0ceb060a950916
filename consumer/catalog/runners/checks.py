"""What every declared engine is checked for: its headers' names, and how a fault is told with its place."""

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
    """Give the credentials that headers name."""
    return frozenset(name for text in headers.values() for name in secret_names(text))


def fault(why: str, *path: int | str) -> NoReturn:
    """Refuse a declaration; `path` leads from its field to the fault."""
    # The path below the field: pydantic's own ends at the field, and the line would be that of its first line.
    raise PydanticCustomError("template", "{why}", {"why": why, "path": path})
