"""Declaration of a token that an engine's API wants: where it is fetched, with which secrets, and where it is sent."""

import re
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal, TypeAlias
from urllib.parse import quote_plus

from pydantic import Field, field_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import Address, HeaderName, SentHeaders, fault, secrets_in
from consumer.catalog.runners.run_look import Pointer
from consumer.catalog.templates import read_url

_REFERENCE: Final = re.compile(r"secret://[A-Za-z0-9_.-]{1,128}")
SecretReference: TypeAlias = Annotated[str, Field(pattern=rf"^{_REFERENCE.pattern}$")]


class TokenRequest(Declared, ABC):
    """What all kinds of tokens have: where one is fetched, where it stands in the answer, and how it is sent."""

    media_type: ClassVar[str]
    url: Address
    headers: SentHeaders = Field(default_factory=dict)
    """Sent when the token is fetched, such as `authorization: Basic secret://CLIENT`."""
    token: Pointer = "/access_token"  # noqa: S105 - where it stands
    """Pointer to the token in the answer."""
    expires_in: Pointer = "/expires_in"
    """Pointer to its lifetime in seconds. Where there is none, a JWT says itself how long it lives."""
    lifetime: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=10)
    """How long it is kept where neither says."""
    header: HeaderName = "authorization"
    """Header of the engine's calls in which it is sent."""
    scheme: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = "Bearer"
    """Word before it; empty: none."""

    @property
    def origin(self) -> str:
        """Scheme, host and port of where it is fetched."""
        return read_url(self.url).origin

    @property
    @abstractmethod
    def parameters(self) -> dict[str, str]:
        """The body's members; a value may be a reference to a secret."""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets with which it is fetched."""
        return secrets_in(self.headers) | secrets_in(self.parameters)


class LoginToken(TokenRequest):
    """A token for a login: a POST with a JSON object."""

    media_type: ClassVar[str] = "application/json"
    by: Literal["login"]
    body: dict[str, str] = Field(min_length=1)
    """Such as `{username: healer, password: secret://ENGINE_PASSWORD}`."""

    @field_validator("body")
    @classmethod
    def _check_body(cls, body: dict[str, str]) -> dict[str, str]:
        for name, text in body.items():
            if "secret://" in name or ("secret://" in text and not _REFERENCE.fullmatch(text)):
                fault("a secret is a member's whole value: `secret://NAME`", name)
        return body

    @property
    def parameters(self) -> dict[str, str]:
        """The members of the login."""
        return self.body


class ClientCredentialsToken(TokenRequest):
    """A token by OAuth 2.0's client credentials (RFC 6749, 4.4): a POST of a form."""

    media_type: ClassVar[str] = "application/x-www-form-urlencoded"
    by: Literal["client_credentials"]
    client_id: str | None = None
    client_secret: SecretReference | None = None
    """Sent in the form. For a server that wants Basic authentication, leave both out and declare the header."""
    scope: str | None = None
    audience: str | None = None

    @field_validator("client_id", "scope", "audience")
    @classmethod
    def _check_plain(cls, text: str | None) -> str | None:
        if text is not None and "secret://" in text:
            fault("only `client_secret` and a header may name a secret")
        return text

    @property
    def parameters(self) -> dict[str, str]:
        """The form's fields."""
        fields = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}
        fields |= {"scope": self.scope, "audience": self.audience}
        return {name: text for name, text in fields.items() if text is not None}


DescribedToken: TypeAlias = Annotated[LoginToken | ClientCredentialsToken, Field(discriminator="by")]


def form_of(parameters: dict[str, str]) -> str:
    """Write a form in which the references to secrets stand as they are, to be replaced on the wire."""
    encoded = (
        (quote_plus(name), text if _REFERENCE.fullmatch(text) else quote_plus(text))
        for name, text in parameters.items()
    )
    return "&".join(f"{name}={text}" for name, text in encoded)
