"""Declaration of a Prefect server: its API's address, headers, and the parameter that takes a payload."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import FRAMING, TOKEN, fault, secrets_in
from consumer.catalog.templates import Template, header_fault, read_url


class PrefectRunner(Declared):
    """A Prefect server (3.x), called by its REST API."""

    kind: Literal["prefect"]
    api: str
    """Its API's address, such as `https://prefect.example.com/api`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with each call, such as `authorization: Bearer secret://PREFECT`."""
    parameter: str | None = None
    """The flow's parameter that a new payload becomes, the others being the failed run's; None: it becomes all."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=10)
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024

    @field_validator("api")
    @classmethod
    def _check_api(cls, api: str) -> str:
        try:
            read = read_url(api)
        except ValueError as error:
            fault(str(error))
        if read.query or any(template.places for template in read.templates):
            fault("an address without values and query")
        return api.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, text in headers.items():
            if not TOKEN.fullmatch(name) or name.lower() in FRAMING:
                fault("not a header's name, or one that belongs to the connection", name)
            if header_fault(Template(parts=(text,))):
                fault("a header's value is printable ASCII", name)
        return headers

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return secrets_in(self.headers)
