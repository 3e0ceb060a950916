"""What every engine with one API has in common: its address, headers, token, and the bounds of a call."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import FRAMING, Address, SentHeaders, fault, secrets_in
from consumer.catalog.runners.token import DescribedToken
from consumer.catalog.runners.watch import RunnerWatch


class EngineServer(Declared):
    """The server of a workflow engine, called by its own API."""

    api: Address
    """Its API's address, such as `https://engine.example.com/api`."""
    headers: SentHeaders = Field(default_factory=dict)
    """Sent with each call, such as `authorization: Bearer secret://ENGINE`."""
    token: DescribedToken | None = None
    """The token that each call carries, where the server wants one that it issues itself."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=10)
    """Timeout of one call, connect to last byte."""
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    watch: RunnerWatch | None = None
    """Looks for failed and wedged runs that nobody reports; none by default."""

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        check_token_header(self.token, self.headers)
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return secrets_in(self.headers) | (self.token.secrets if self.token is not None else frozenset())


def check_token_header(token: DescribedToken | None, *headers: dict[str, str]) -> None:
    """Raise a validation error where a token would stand in a header that has another use."""
    if token is None:
        return
    used = FRAMING | {name.lower() for each in headers for name in each}
    if token.header.lower() in used:
        fault(f"the token would stand in the header {token.header}, which has another use", "token")
