"""Contract of a generator's client (`Generator`): what is to be made, and what came of it, as values."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

from consumer.catalog import WorkflowPolicy
from consumer.model import JsonObject, MicroAud, OrgId
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from schemas.names import AssetKind
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class AssetOrder:
    """What is to be made, as the failure tells it; the model and what else costs money is the catalog's."""

    org_id: OrgId
    workflow_name: str
    kind: AssetKind
    prompt: str
    voice: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    transparent: bool | None = None
    spoken: bool = True
    """Of sound: its prompt is spoken, and does not describe it."""
    parameters: JsonObject

    @property
    def size(self) -> str | None:
        """Its size as generators write it, such as `1024x1024`."""
        return f"{self.width}x{self.height}" if self.width is not None and self.height is not None else None


@value(frozen=True, slots=True, kw_only=True)
class Made:
    """An asset came. Whether it is one is yet to be seen."""

    content: bytes
    media_type: str | None
    """As its generator says."""
    cost: MicroAud
    said: str
    """What its generator said, and the id of the request where there is one."""


@value(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A job was ordered: it has to be looked at."""

    job_id: str
    said: str


class DeclineKind(StrEnum):
    """Why a generator made nothing, cut by what to do next."""

    PARAMETER = "parameter"
    """The same order would be refused again: the producer, or a person, mends it."""
    MODERATION = "moderation"
    """Its moderation refuses the prompt, which is never weakened: a person decides."""
    GONE = "gone"
    """The model is no more: its successors are tried, and it is not."""
    CREDENTIAL = "credential"
    MONEY = "money"
    BUSY = "busy"
    """Not now: nothing was made, and nothing is charged."""
    EMPTY = "empty"
    """An answer of success without an asset in it: it may be charged."""
    FAILED = "failed"
    """A job that ended with an error."""


@value(frozen=True, slots=True, kw_only=True)
class Declined:
    """The generator made nothing, and says so."""

    kind: DeclineKind
    reason: str
    parameter: str | None = None
    """The parameter that it names."""
    after: timedelta | None = None
    """Its Retry-After."""
    dependency_unhealthy: bool = False
    cost: MicroAud = MicroAud(0)
    """What it charges all the same."""


MakeResult: TypeAlias = Made | Submitted | Declined | NotSent | Ambiguous | EgressRefused


class JobPhase(StrEnum):
    """State of a job, independent of the generator's own names."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"
    """The generator does not know the job."""


@value(frozen=True, slots=True, kw_only=True)
class JobRuns:
    """The job is under way."""

    said: str
    after: timedelta | None = None


@value(frozen=True, slots=True, kw_only=True)
class JobLost:
    """The generator does not know the job: what it was paid for is not to be had."""

    said: str


@value(frozen=True, slots=True, kw_only=True)
class JobUnseen:
    """The look failed: how the job stands is not known."""

    reason: str
    dependency_unhealthy: bool = False
    after: timedelta | None = None


JobSeen: TypeAlias = Made | Declined | JobRuns | JobLost | JobUnseen


@value(frozen=True, slots=True, kw_only=True)
class NothingFound:
    """Nothing was made for the order, as far as the generator's history goes."""

    certain: bool
    """The history tells of everything that was made: then nothing was paid either."""


class Generator(Protocol):
    """Client of one generator, as the catalog declares it. It repeats no call by itself."""

    @property
    def name(self) -> str:
        """Its name in the catalog."""
        ...

    @property
    def identity(self) -> str:
        """What makes its assets, for the key of the cache: kind, address and model, with all that the catalog sets."""
        ...

    @property
    def is_keyed(self) -> bool:
        """Whether it makes, and charges for, what comes twice under one key once."""
        ...

    def refusal(self, order: AssetOrder, policy: WorkflowPolicy) -> str | None:
        """Return why it cannot make this (another kind, a parameter that it does not take, a host), or None. Pure."""
        ...

    def most(self, order: AssetOrder) -> MicroAud | None:
        """Return the most that one call may cost; None where no price is declared. Pure."""
        ...

    def dependency(self) -> str:
        """Return the origin that it is called at: `https://api.example.com:443`. Pure."""
        ...

    def longest_call(self) -> timedelta:
        """Return the timeout of one call. Pure."""
        ...

    async def make(self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, within: timedelta) -> MakeResult:
        """Make the asset, or order the job that does, by one call; `key` stays while an outcome is unknown."""
        ...

    async def look(self, job_id: str, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta) -> JobSeen:
        """Look at a job, and fetch what it made; without any effect."""
        ...

    async def find(
        self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, since: datetime, within: timedelta
    ) -> Made | Submitted | NothingFound | JobUnseen:
        """Look for what was made, or ordered, by a call since then whose answer never came; without any effect."""
        ...

    async def cancel(self, job_id: str, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta) -> str:
        """Take a job back where the generator can; returns what came of it, in words."""
        ...


class Generators(Protocol):
    """The generators of this deployment."""

    def of(self, policy: WorkflowPolicy) -> tuple[Generator, ...]:
        """Return a workflow's generators in the order in which they are tried, successors included."""
        ...
