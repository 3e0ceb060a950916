"""Declaration of replaceable dependencies: the health call of the first, its contract, its rules, and its candidates.

A dependency is what calls below one URL reach. Only a candidate that stands here is ever called in its place, and only
where it keeps every rule: those of the dependency, and those for the organisation. Pure.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self, TypeAlias
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from consumer.catalog.access import Organisations, among
from consumer.catalog.candidates import Candidate, LookTemplate, Word, plain_url
from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import fault
from consumer.catalog.schema_autofix import PayloadSchema, Pointer
from consumer.catalog.templates import read_url

Span: TypeAlias = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=1))]
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Prefer(StrEnum):
    """Which of several candidates that keep the rules is taken; ties go by the order in which they are declared."""

    ORDER = "order"  # as they are declared
    PRICE = "price"  # the cheapest; one without a price is the dearest
    LATENCY = "latency"  # the one that answered soonest of late; one that was never called is the last
    HEALTH = "health"  # the one with the fewest strikes of this organisation against it


class Echo(Declared):
    """A member of the answer that has to be the same as one of the request, such as the currency."""

    request: Pointer
    """Pointer into the request's body."""
    answer: Pointer
    """Pointer into the answer, as the caller gets it."""


class Contract(Declared):
    """What the dependency does, whoever does it."""

    request: PayloadSchema | None = None
    """JSON Schema of the request's body; what misses it is an input that no candidate gets."""
    answer: PayloadSchema
    """JSON Schema of the answer's body. It has to tell an answer from an empty one."""
    requires: tuple[Word, ...] = ()
    """What a candidate has to provide."""
    echoes: Annotated[tuple[Echo, ...], Field(max_length=32)] = ()

    @field_validator("answer")
    @classmethod
    def _check_answer(cls, schema: dict[str, object] | bool) -> dict[str, object] | bool:
        if schema is True or schema == {}:
            fault("it accepts anything: an empty answer would count as one")
        return schema


class ReplacementRule(Declared):
    """A rule for the organisations that it names; all that apply hold together."""

    organisations: Organisations = "*"
    regions: tuple[Word, ...] | None = None
    """Where data may go; None: anywhere that is declared."""
    data_policy: tuple[Word, ...] = ()
    """What a candidate has to promise."""
    max_price_aud: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """The most that one call may cost."""


class BindingTimes(Declared):
    """How a binding begins, lasts and ends."""

    canary: Annotated[int, Field(ge=1, le=100)] = 3
    """Calls in a row that a candidate has to answer well, one at a time, before it gets all of them."""
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Share of the calls on trial: at the candidate at first, and at the first once it is well again."""
    lease: Span = timedelta(minutes=1)
    """How long a binding holds that nobody renews; each probe of the first renews it."""
    probe_every: Annotated[timedelta, Field(ge=timedelta(milliseconds=100), le=timedelta(minutes=10))] = timedelta(
        seconds=1
    )
    """Between two probes of the first while it is replaced; one at a time over all replicas."""
    steady: Span = timedelta(seconds=5)
    """How long every probe has to find the first well before a share goes back, and again before all goes."""
    eject: Span = timedelta(seconds=10)
    """Shortest time for which the first is replaced; doubled with each further time."""
    eject_cap: Span = timedelta(minutes=10)
    forgive: Span = timedelta(minutes=10)
    """Well for so long, it is replaced for the shortest time again."""
    shun: Span = timedelta(seconds=30)
    """How long a candidate that failed its contract is left out."""

    @model_validator(mode="after")
    def _check_spans(self) -> Self:
        if self.lease < 2 * self.probe_every + 2 * self.steady:
            fault("shorter than two probes and the way back: it would end while the first is ill", "lease")
        if self.eject_cap < self.eject:
            fault("below `eject`", "eject_cap")
        return self


class Dependency(Declared):
    """A service that calls below one URL reach, and what may stand in for it."""

    url: str
    """Calls to it and below it are the dependency's."""
    health: LookTemplate
    """A call without effect that shows whether the first is well. It goes to the same place as the calls."""
    contract: Contract
    rules: Annotated[tuple[ReplacementRule, ...], Field(max_length=256)] = ()
    prefer: Prefer = Prefer.ORDER
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1, max_length=32)]
    binding: BindingTimes = BindingTimes()

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        return plain_url(url)

    @model_validator(mode="after")
    def _check_candidates(self) -> Self:
        if (read_url(self.health.url).origin) != read_url(self.url).origin:
            fault("goes to another place than the dependency", "health", "url")
        names = [one.name for one in self.candidates]
        for index, name in enumerate(names):
            if name in names[:index]:
                fault(f"{name} stands there twice", "candidates", index, "name")
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return self.health.secrets.union(*(one.secrets for one in self.candidates))

    def rules_for(self, org_id: UUID) -> tuple[ReplacementRule, ...]:
        """Return the rules that hold for an organisation."""
        return tuple(rule for rule in self.rules if among(org_id, rule.organisations))

    def candidate(self, name: str | None) -> Candidate | None:
        """Return a candidate by its name."""
        return next((one for one in self.candidates if one.name == name), None)


def rest_below(url: str, called: str) -> str | None:
    """Return what follows a dependency's URL in a called one, query included; None where it is not below it.

    A path that a server might read as another one is never below: with dot segments, empty segments, backslashes, or
    such in percent-encoding.
    """
    base, given = urlsplit(url), _split(called)
    if given is None or _place(base) != _place(given):
        return None
    root, path = base.path.rstrip("/"), given.path
    if path != root and not path.startswith(f"{root}/"):
        return None
    rest = path[len(root) :]
    lowered = rest.lower()
    if "//" in rest or "\\" in rest or any(code in lowered for code in ("%2e", "%2f", "%5c")):
        return None
    if any(segment in (".", "..") for segment in rest.split("/")):
        return None
    return rest + (f"?{given.query}" if given.query else "")


def find_dependency(declared: Mapping[str, Dependency], context: Mapping[str, object]) -> tuple[str, Dependency] | None:
    """Return the dependency that a failure's call reaches, by the longest URL; None where none is declared for it.

    A failure that names one (`context.dependency.name`) has to name that one.
    """
    request = context.get("request")
    url = request.get("url") if isinstance(request, Mapping) else None
    if not isinstance(url, str) or not declared:
        return None
    below = [(name, one) for name, one in declared.items() if rest_below(one.url, url) is not None]
    found = max(below, key=lambda named: len(named[1].url), default=None)
    said = context.get("dependency")
    named = said.get("name") if isinstance(said, Mapping) else None
    return found if found is None or named is None or named == found[0] else None


def _split(url: str) -> SplitResult | None:
    try:
        found = urlsplit(url)
        _ = found.port
    except ValueError:
        return None
    return None if found.fragment or found.username is not None or found.password is not None else found


def _place(url: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = url.scheme.lower()
    return scheme, url.hostname, url.port or _DEFAULT_PORTS.get(scheme)
