"""Access rules of the catalog: sources that may report failures, hosts a heal may connect to, and its secrets."""

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, Field

from consumer.catalog.declared import Declared

Organisations: TypeAlias = Literal["*"] | tuple[UUID, ...]
"""All organisations, or the listed ones."""
_HOST: Final = re.compile(r"(\*\.)?[^\s/?#@:*\\%\[\]]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")


def among(org_id: UUID | None, organisations: Organisations) -> bool:
    """Return whether an organisation is among them; None, an unknown one, is only among `*`."""
    return organisations == "*" or org_id in organisations


def _check_host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ValueError("a host is a name, `*.` and a name, or an address: without scheme, port and path")
    return host


HostName: TypeAlias = Annotated[str, AfterValidator(_check_host)]


class Source(Declared):
    """A source that may report failures, and for which organisations.

    Kafka's ACLs decide which clients may write at all; a CloudEvents source is only a claim.
    """

    source: str
    """A CloudEvents source, or a pattern with `*`. Bare JSON has the source `urn:kafka:<topic>`."""
    organisations: Organisations


class Host(Declared):
    """A host to which a heal may connect."""

    host: HostName
    """A name, `*.example.com` for its subdomains, or a literal address."""
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (443,)
    schemes: tuple[Literal["http", "https"], ...] = ("https",)
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that the name may resolve to although they are not public: the platform's own services."""
    organisations: Organisations = "*"
    """Organisations whose heals may connect to it."""
    redirects: Annotated[int, Field(ge=0, le=5)] = 0
    """How many redirects of a GET or HEAD are followed, each checked like a call of its own; by default, none."""


class Secret(Declared):
    """Where the value of `secret://NAME` is read from, and to which hosts alone it may be sent."""

    env: str | None = None
    file: str | None = None
    hosts: tuple[HostName, ...] = ()
    organisations: Organisations = "*"
    """Organisations whose failures may refer to it."""
