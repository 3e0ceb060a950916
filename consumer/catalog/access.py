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


def _check_path(path: str) -> str:
    if not path.startswith("/") or "?" in path or "#" in path or not path.isascii() or " " in path:
        raise ValueError(
            "a path begins with `/` and has no query: `/v1/orders/*` (one segment), `/v1/orders/**` (all below)"
        )
    return path


PathPattern: TypeAlias = Annotated[str, AfterValidator(_check_path)]
Method: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z]{1,32}$")]
HeaderName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$")]


class Source(Declared):
    """A source that may report failures, for which organisations, and for which of their workflows.

    Kafka's ACLs decide which clients may write at all; a CloudEvents source is only a claim.
    """

    source: str
    """A CloudEvents source, or a pattern with `*`. Bare JSON has the source `urn:kafka:<topic>`."""
    organisations: Organisations
    workflows: Literal["*"] | tuple[str, ...] | None = None
    """Workflows (names or patterns) whose failures are healed when it reports them; a failure of another workflow is
    recorded and diagnosed only. None: only of workflows whose entry has no secrets."""
    publish_refusals: bool = False
    """Whether its events that become dead letters are told on the results topic (`workflow.failure_refused.v1`)."""


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
    """Where the value of `secret://NAME` is read from, and in which calls alone it may be sent.

    While methods, paths or headers are not declared, it is sent nowhere.
    """

    env: str | None = None
    file: str | None = None
    hosts: tuple[HostName, ...] = ()
    methods: Literal["*"] | tuple[Method, ...] | None = None
    """Methods of the calls that may carry it."""
    paths: Literal["*"] | tuple[PathPattern, ...] | None = None
    """Paths of the calls that may carry it; `*` is a part of one segment, `**` any number of segments."""
    headers: Literal["*"] | tuple[HeaderName, ...] | None = None
    """Headers in which it may stand, in any case."""
    body: bool = False
    """Whether it may stand in the body of the request for a runner's token; it stands in no other body."""
    organisations: Organisations = "*"
    """Organisations whose failures may refer to it."""

    @property
    def unbound(self) -> tuple[str, ...]:
        """Return which of its bindings are not declared."""
        # Who may stand in such a body needs no header.
        needed = ("methods", "paths") if self.body else ("methods", "paths", "headers")
        return tuple(name for name in needed if getattr(self, name) is None)
