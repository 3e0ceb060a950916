"""Validation shared by all declared engines: addresses, headers, the secrets in them, and errors with their path."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, NoReturn, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from consumer.catalog.templates import Template, header_fault, read_url, secret_names

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HeaderName: TypeAlias = Annotated[str, Field(pattern=rf"^{TOKEN.pattern}$", max_length=128)]


FRAMING: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
)


def secrets_in(texts: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the secrets that headers, or members of a body, refer to."""
    return frozenset(name for text in texts.values() for name in secret_names(text))


def check_address(address: str) -> str:
    """Return the address of an API without its last slash; an error where it is none, or holds values or a query."""
    try:
        read = read_url(address)
    except ValueError as error:
        fault(str(error))
    if read.query or any(template.places for template in read.templates):
        fault("an address without values and query")
    return address.rstrip("/")


def check_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return headers without values of a run; an error where one can never be sent."""
    for name, text in headers.items():
        if not TOKEN.fullmatch(name) or name.lower() in FRAMING:
            fault("not a header's name, or one that belongs to the connection", name)
        if header_fault(Template(parts=(text,))):
            fault("a header's value is printable ASCII", name)
    return headers


Address: TypeAlias = Annotated[str, AfterValidator(check_address)]
SentHeaders: TypeAlias = Annotated[dict[str, str], AfterValidator(check_headers)]


def fault(why: str, *path: int | str) -> NoReturn:
    """Raise a validation error; `path` leads from the declared field to the error."""
    # The path below the field: pydantic's own ends at the field, so the error would carry the field's first line.
    raise PydanticCustomError("template", "{why}", {"why": why, "path": path})
