"""Declaration of what may stand in for a dependency: its call, its probe, what it costs and promises. Pure."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, JsonValue, field_validator, model_validator

from consumer.catalog.access import Organisations
from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import FRAMING, TOKEN, fault, secrets_in
from consumer.catalog.runners.http import CallTemplate
from consumer.catalog.schema_autofix import Pointer
from consumer.catalog.templates import Placeholder, header_fault, read_template, read_url
from consumer.model import MicroAud
from schemas.context import Expectation

Word: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A region, a promise of a data policy, a capability: names that the operator chooses."""
_OURS: Final = frozenset({"org_id", "key"})
"""Values of a candidate's call that are none of the request's members."""


class MovableCalls(StrEnum):
    """Which calls may go to a candidate, by what a second one at another place would do."""

    NONE = "none"  # those without effect only
    NOT_RUN = "not_run"  # also those with an idempotency key that have certainly not run at the first
    SHARED_KEYS = "shared_keys"  # also those that may have run there: the candidate knows the keys of the first


class DeclaredExpectation(Expectation):
    """What an answer has to be; a misspelt demand is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class LookTemplate(CallTemplate):
    """Template of a call without effect: the health of the first, or the probe of a candidate's contract."""

    places: ClassVar[frozenset[str]] = frozenset({"org_id"})
    demanded: ClassVar[frozenset[str]] = frozenset()
    method: Literal["GET", "HEAD", "POST"] = "GET"
    """POST for services that know no other: declared here, it is without effect."""
    expect: DeclaredExpectation = DeclaredExpectation()
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(seconds=10))] = timedelta(seconds=2)

    @model_validator(mode="after")
    def _check_call(self) -> Self:
        if self.body is not None and self.method != "POST":
            fault(f"a {self.method} has no body", "body")
        if self.method == "HEAD" and (self.expect.json_ or self.expect.schema_ is not None):
            fault("HEAD brings no body: demand a status only, or use GET", "expect")
        return self


class Translation(Declared):
    """A JSON document made from another one: `{name}` in its texts is the value at that name's pointer."""

    values: dict[Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")], Pointer] = Field(default_factory=dict)
    body: JsonValue = None


class CandidateCall(CallTemplate):
    """Template of a call to a candidate with another wire; its values are pointers into the failed request.

    They point into `{"body": …, "query": {…}, "path": …, "method": …}`, the path being what follows the URL of the
    dependency.
    """

    demanded: ClassVar[frozenset[str]] = frozenset()
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    values: dict[Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")], Pointer] = Field(default_factory=dict)

    @classmethod
    def _check_places(cls, places: tuple[Placeholder, ...] | list[Placeholder], path: tuple[int | str, ...]) -> None:
        """Accept any name here: whether each has a pointer is known once all fields are read."""

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if unknown := sorted(self.used - self.values.keys() - _OURS):
            fault(f"there is no value `{{{unknown[0]}}}`: give its pointer under `values`", "values")
        return self


class AnswerTranslation(Translation):
    """How a candidate's answer is told in the words of the first: the body that the caller would have got."""

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        for path, text in _texts(self.body, ()):
            try:
                named = {place.name for place in read_template(text).places}
            except ValueError as error:
                fault(str(error), "body", *path)
            if unknown := sorted(named - self.values.keys()):
                fault(f"there is no value `{{{unknown[0]}}}`: give its pointer under `values`", "body", *path)
        return self


class CandidateLimits(Declared):
    """What a candidate takes."""

    per_minute: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Calls that one process makes to it in a minute; what is beyond waits."""
    request_bytes: Annotated[int, Field(ge=1, le=64 * 1024 * 1024)] | None = None
    """Longest body that is sent to it."""


class Candidate(Declared):
    """One service that may stand in for the dependency."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    url: str | None = None
    """For one with the same wire: what follows the dependency's URL follows this one, and the body stays as it is."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Its own headers with the same wire; credentials as `secret://NAME`. None of the first's credentials is sent."""
    call: CandidateCall | None = None
    """For one with another wire."""
    answer: AnswerTranslation | None = None
    """How its answer is translated back; without it, it answers as the first does."""
    probe: LookTemplate
    """A call without effect whose answer shows that it keeps the contract; made before a failed call goes to it."""
    provides: tuple[Word, ...] = ()
    regions: tuple[Word, ...] = ()
    """Everywhere where it may keep or process what it is sent. Not declared, it keeps no rule of regions."""
    data_policy: tuple[Word, ...] = ()
    """What it promises of the data: `no-training`, `no-retention`."""
    price_aud: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """The most that one call costs. Not declared, it keeps no rule of prices."""
    limits: CandidateLimits = CandidateLimits()
    moves: MovableCalls = MovableCalls.NONE
    organisations: Organisations = "*"

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return None if url is None else plain_url(url)

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, text in headers.items():
            if not TOKEN.fullmatch(name) or name.lower() in FRAMING:
                fault("not a header's name, or one that belongs to the connection", name)
            if why := header_fault(read_template(text)):
                fault(why, name)
            if read_template(text).places:
                fault("with the same wire a header is a constant: declare a `call`", name)
        return headers

    @model_validator(mode="after")
    def _check_wire(self) -> Self:
        if (self.url is None) == (self.call is None):
            fault("give either `url`, for one with the same wire, or `call`", "url")
        if self.call is not None and self.headers:
            fault("the headers of a `call` stand in it", "headers")
        return self

    @property
    def price(self) -> MicroAud | None:
        """The most that one call costs, in millionths: a part of one counts as a whole."""
        if self.price_aud is None:
            return None
        return MicroAud(int((self.price_aud * 1_000_000).to_integral_value(ROUND_CEILING)))

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        called = self.call.secrets if self.call is not None else frozenset()
        return secrets_in(self.headers) | self.probe.secrets | called


def plain_url(url: str) -> str:
    """Validate a URL without places and query; raises as a validator does."""
    try:
        read = read_url(url)
    except ValueError as error:
        fault(str(error))
    if read.query or any(template.places for template in read.templates):
        fault("a plain URL: without query and places")
    return url


def _texts(body: JsonValue, path: tuple[int | str, ...]) -> Iterable[tuple[tuple[int | str, ...], str]]:
    match body:
        case str():
            yield path, body
        case dict():
            for name, below in body.items():
                yield from _texts(below, (*path, name))
        case list():
            for index, below in enumerate(body):
                yield from _texts(below, (*path, index))
        case _:
            return
