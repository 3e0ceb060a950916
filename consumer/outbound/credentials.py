"""Credentials by reference: replaces `secret://NAME` in a header by the secret, for the hosts that may receive it."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote_plus
from uuid import UUID

from consumer.catalog import Secret, WorkflowPolicy
from consumer.catalog.access import among
from consumer.errors import own_fault
from consumer.model.call import EgressRefused, OutboundRequest
from consumer.outbound.allowed_hosts import any_host_matches
from consumer.outbound.decoded_echoes import DecodedEchoes
from consumer.outbound.echoes import Echoes, plain_forms

_REFERENCE: Final = re.compile(r"secret://([A-Za-z0-9_.-]{0,128})")
FORM: Final = "application/x-www-form-urlencoded"
_SENDABLE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")


Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""
_ISSUED: Final = "token"
"""How an answer names a token that it echoed."""


class IssuedToken:
    """A token that an engine issued to this process; it is sent to that engine's origin alone, in one header."""

    __slots__ = ("_header", "_origin", "_scheme", "_value", "credentials")

    def __init__(self, value: str, *, header: str, scheme: str, origin: Origin) -> None:
        self._value = value
        self._header = header
        self._scheme = scheme
        self._origin = origin
        self.credentials = Credentials({}, self)

    def __repr__(self) -> str:
        return "IssuedToken()"

    @property
    def value(self) -> str:
        """The token, to be found again where an answer echoes it."""
        return self._value

    def header_for(self, origin: Origin) -> tuple[bytes, bytes] | None:
        """Return the header for a call to an origin, or None where the token is another one's."""
        if origin != self._origin:
            return None
        return self._header.encode("ascii"), f"{self._scheme} {self._value}".strip().encode("ascii")


class Credentials:
    """The secret values that one call sends, by name; none of them ever appears in a repr or a message."""

    __slots__ = ("_decoded", "_echoes", "_values", "token")

    def __init__(self, values: Mapping[str, str], token: IssuedToken | None = None) -> None:
        self._values = dict(values)
        self.token = token
        searched = dict(values) if token is None else {**values, _ISSUED: token.value}
        self._echoes = Echoes(searched)
        self._decoded = DecodedEchoes({name: plain_forms(value) for name, value in searched.items()})

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._values))})"

    def put_in(self, text: str) -> str:
        """Replace the references in a header's value by the secrets."""
        return _REFERENCE.sub(lambda found: self._values[found[1]], text)

    def put_in_body(self, body: bytes, media_type: str) -> bytes:
        """Replace the references in a body, as its type writes a text: JSON, or a form."""
        write = quote_plus if media_type == FORM else _in_json
        return _REFERENCE.sub(lambda found: write(self._values[found[1]]), body.decode()).encode()

    def taken_out(self, data: bytes, *, cut: bool = False) -> bytes:
        """Replace each secret in an answer, in every usual encoding, by its reference, so that no credential leaks on.

        `cut`: the data may end in the middle of a secret.
        """
        return self._echoes.taken_out(data, cut=cut)

    def taken_out_of_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
        """Do the same to the values of an answer's headers, each and all together."""
        values = [self._echoes.taken_out(value).decode("latin-1") for _, value in headers]
        names = [name.decode("latin-1") for name, _ in headers]
        return tuple(zip(names, self._decoded.taken_out_of_texts(values), strict=True))

    async def taken_out_of_body(self, data: bytes, content_type: str, *, cut: bool) -> bytes:
        """Do the same to a body of any size, also to what it says once decoded; the event loop turns in between."""
        clean = await self._echoes.taken_out_of_body(data, cut=cut)
        return await self._decoded.taken_out(clean, content_type, truncated=cut)


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def references(headers: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the names of the secrets that the headers refer to, each once."""
    return tuple(dict.fromkeys(name for _, value in headers for name in _REFERENCE.findall(value)))


def body_references(request: OutboundRequest) -> tuple[str, ...]:
    """Return the names of the secrets that a body refers to: only one that the operator wrote refers to any."""
    if not request.secret_body or request.body is None:
        return ()
    return tuple(dict.fromkeys(_REFERENCE.findall(request.body.decode())))


def forbidden_reference(
    names: Sequence[str],
    host: str,
    policy: WorkflowPolicy,
    declared: Mapping[str, Secret],
    org_id: UUID | None = None,
) -> str | None:
    """Return why a named secret must not be sent to a host for an organisation, or None."""
    for name in names:
        if name not in policy.secrets or name not in declared:
            return (
                f"secret://{name} is not allowed: declare it and list it under the workflow's `secrets` in the catalog"
            )
        if not among(org_id, declared[name].organisations):
            return f"secret://{name} is not allowed for this organisation: list it under the secret's `organisations`"
        if not any_host_matches(host, declared[name].hosts):
            return f"secret://{name} may not be sent to {host}: add the host to the secret's `hosts` in the catalog"
    return None


def read_credentials(
    names: Sequence[str],
    declared: Mapping[str, Secret],
    environ: Mapping[str, str] = os.environ,
    token: IssuedToken | None = None,
) -> Credentials | EgressRefused:
    """Read the named secrets anew, from environment or files, so that a rotated one counts at once; blocks on files."""
    values: dict[str, str] = {}
    for name in names:
        value = _read_secret(declared[name], environ)
        if not value:
            return EgressRefused(reason=f"secret://{name} has no value here: set {_describe_place(declared[name])}")
        if not _SENDABLE.fullmatch(value):
            return EgressRefused(
                reason=f"secret://{name} cannot be sent in a header: check {_describe_place(declared[name])}"
            )
        values[name] = value
    return Credentials(values, token)


def _read_secret(secret: Secret, environ: Mapping[str, str]) -> str | None:
    if secret.env is not None and secret.env in environ:
        return environ[secret.env].strip()
    if secret.file is not None:
        try:
            return Path(secret.file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            if own_fault(error) is not None:
                raise
            return None
    return None


def _describe_place(secret: Secret) -> str:
    places = [f"the variable {secret.env}" if secret.env else "", f"the file {secret.file}" if secret.file else ""]
    return " or ".join(place for place in places if place) or "its `env` or `file` in the catalog"
