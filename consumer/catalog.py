"""What the healer may touch, as its operator declares it: no event can ever widen it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Final, Literal, TypeVar
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumer.errors import ConfigError
from consumer.model import MicroAud
from schemas.names import StrategyName

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_REMEMBERED: Final = 4096


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Declared):
    """Who may speak for whom. Kafka's ACLs decide who may write at all; a CloudEvents source is only a claim."""

    source: str
    """A CloudEvents source, or a pattern with `*`. Bare JSON has the source `urn:kafka:<topic>`."""
    organisations: Literal["*"] | tuple[UUID, ...]


class Host(_Declared):
    """One place to which a heal may connect."""

    host: str
    """A name, `*.example.com` for its subdomains, or a literal address."""
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (443,)
    schemes: tuple[Literal["http", "https"], ...] = ("https",)
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that the name may resolve to although they are not public: the platform's own services."""


class Secret(_Declared):
    """Where a credential is read when a request names it as `secret://NAME`; it is sent to these hosts only."""

    env: str | None = None
    file: str | None = None
    hosts: tuple[str, ...] = ()


class AutoRetryLimits(_Declared):
    """How hard a failed call is tried again."""

    tries: Annotated[int, Field(ge=1, le=10)] = 3
    """Calls within one attempt."""
    timeout: timedelta = timedelta(seconds=10)
    """For one call, connect to last byte. A request may ask for less, never for more."""
    inline_wait: timedelta = timedelta(seconds=5)
    """A Retry-After longer than this becomes a durable timer instead of a wait in a slot."""
    base: timedelta = timedelta(milliseconds=50)
    """First step of the full jitter: rand(0,1) * min(base * 2^(n-1), cap)."""
    throttled_base: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(seconds=20)
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    """A larger answer is not read to its end, and not counted as healed."""


class SameLimit(_Declared):
    """How often the same thing (organisation, workflow, strategy, masked reason) is healed before it is left alone."""

    heals: Annotated[int, Field(ge=1, le=1000)]
    """At most so many within the span, whoever they belong to; the next waits."""
    within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(hours=1)
    cool_down: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=7))] = timedelta(0)
    """And at least so long after the last one began."""


class Brake(_Declared):
    """When so much of a workflow is sick at once that its cause lies elsewhere, and healing one by one is no use."""

    runs: Annotated[int, Field(ge=1)]
    """Runs of the workflow that an organisation usually has under way: the whole of which a share may be sick."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Open failures above this share of them stop its heals, until fewer are left or no new ones come."""
    within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(minutes=10)
    """Only failures detected within this span count as sick at once."""


class WorkflowPolicy(_Declared):
    """What may be done for the workflows whose name matches; the first match counts."""

    name: str
    """A workflow's name, or a pattern with `*` and `?`."""
    hosts: tuple[Host, ...] = ()
    secrets: tuple[str, ...] = ()
    strategies: tuple[StrategyName, ...] | None = None
    """Only these may act; None allows all that are installed."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Attempts that act, over the failure's whole life."""
    lifetime_attempts: Annotated[int, Field(ge=1, le=1000)] = 20
    """The same when heals were asked for in between, which begin `attempts` anew."""
    same: SameLimit | None = None
    """No limit unless one is declared: a broken dependency is the breaker's to notice, money the wallet's."""
    brake: Brake | None = None
    """No brake unless one is declared: only its operator knows how many runs a workflow has."""
    backoff: timedelta = timedelta(seconds=5)
    """Before the second attempt; doubles each time, with jitter, up to `backoff_cap`."""
    backoff_cap: timedelta = timedelta(minutes=10)
    max_age: timedelta = timedelta(hours=24)
    """A failure detected longer ago is not worth healing: its world has moved on."""
    auto_retry: AutoRetryLimits = AutoRetryLimits()
    allowance_aud: Decimal = Decimal("0.05")
    """What the organisation's wallet must be able to pay before a heal starts; held until it ends."""


class _Document(_Declared):
    version: Literal[1]
    sources: tuple[Source, ...] = ()
    workflows: tuple[WorkflowPolicy, ...] = ()
    secrets: dict[str, Secret] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A valid catalog. `version` is the SHA-256 of its text, cut to 12 digits: every plan carries it."""

    version: str
    sources: tuple[Source, ...]
    workflows: tuple[WorkflowPolicy, ...]
    secrets: dict[str, Secret]
    _spoken: dict[tuple[str, UUID], bool] = field(default_factory=dict, compare=False, repr=False)
    _policies: dict[str, WorkflowPolicy | None] = field(default_factory=dict, compare=False, repr=False)

    def may_speak(self, source: str, org_id: UUID) -> bool:
        """Tell whether a source may report failures of an organisation."""
        return _remembered(self._spoken, (source, org_id), lambda: self._may_speak(source, org_id))

    def _may_speak(self, source: str, org_id: UUID) -> bool:
        return any(
            (rule.organisations == "*" or org_id in rule.organisations) and fnmatchcase(source, rule.source)
            for rule in self.sources
        )

    def policy(self, workflow_name: str) -> WorkflowPolicy | None:
        """Give the first policy whose pattern matches, or None: then nothing may be done for that workflow."""
        return _remembered(
            self._policies,
            workflow_name,
            lambda: next((p for p in self.workflows if fnmatchcase(workflow_name, p.name)), None),
        )


def _remembered(known: dict[KeyT, ValueT], key: KeyT, find: Callable[[], ValueT]) -> ValueT:
    """Match patterns once for each name: a catalog has many patterns, and the names come again and again."""
    if key not in known:
        if len(known) >= _REMEMBERED:
            known.clear()  # names are the publishers' to choose: bounded, whatever they send
        known[key] = find()
    return known[key]


def micro_aud(amount: Decimal) -> MicroAud:
    """Convert Australian dollars to millionths, exactly to the sixth digit."""
    return MicroAud(int((amount * 1_000_000).to_integral_value()))


def parse_catalog(text: str, name: str = "catalog") -> Catalog:
    """Read a catalog.

    Raises
    ------
    ConfigError
        With the line of each fault, and what was expected there.

    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = _Document.model_validate(yaml.safe_load(text) if root is not None else {})
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigError("; ".join(_faults(error, root, name))) from error
    unknown = {secret for policy in document.workflows for secret in policy.secrets} - set(document.secrets)
    if unknown:
        raise ConfigError(f"{name}: secrets without a declaration under `secrets:`: {', '.join(sorted(unknown))}")
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Catalog(
        version=version, sources=document.sources, workflows=document.workflows, secrets=dict(document.secrets)
    )


def _faults(error: ValidationError, root: yaml.Node | None, name: str) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        path = ".".join(str(part) for part in fault["loc"])
        yield f"{name}:{_line(root, fault['loc'])}: {path}: {fault['msg']}"


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    line = node.start_mark.line + 1 if node is not None else 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            below = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if below is None:
                break
            line, node = below[0].start_mark.line + 1, below[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
