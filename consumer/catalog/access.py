"""Who may speak, where a heal may connect, and which credentials it may name."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from consumer.catalog.declared import Declared


class Source(Declared):
    """Who may speak for whom. Kafka's ACLs decide who may write at all; a CloudEvents source is only a claim."""

    source: str
    """A CloudEvents source, or a pattern with `*`. Bare JSON has the source `urn:kafka:<topic>`."""
    organisations: Literal["*"] | tuple[UUID, ...]


class Host(Declared):
    """One place to which a heal may connect."""

    host: str
    """A name, `*.example.com` for its subdomains, or a literal address."""
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (443,)
    schemes: tuple[Literal["http", "https"], ...] = ("https",)
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that the name may resolve to although they are not public: the platform's own services."""


class Secret(Declared):
    """Where a credential is read when a request names it as `secret://NAME`; it is sent to these hosts only."""

    env: str | None = None
    file: str | None = None
    hosts: tuple[str, ...] = ()
