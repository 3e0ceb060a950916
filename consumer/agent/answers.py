"""What the agent may answer in each state: typed, bounded, and nothing else. A model's word proves nothing."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from schemas.names import Disposition, FailureType

Words: TypeAlias = Annotated[str, Field(max_length=2000)]
Risk: TypeAlias = Literal["low", "medium", "high"]


class AgentAnswer(BaseModel):
    """Base of an answer: a member that is not asked for is an error, and is asked for once more."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Understood(AgentAnswer):
    """What seems to have gone wrong, from the failure alone."""

    hypothesis: Words
    look_at: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=12)] = ()
    """Ids of steps, actions and runs that would confirm it or refute it."""


class Collected(AgentAnswer):
    """What was found in the definition, the catalogue and the recorded runs."""

    findings: Words
    cause: Words


class Patch(AgentAnswer):
    """A JSON Patch (RFC 6902) of the definition, why it should help, and what it may break."""

    operations: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=50)]
    hypothesis: Words
    risk: Risk


class NeedInfo(AgentAnswer):
    """It cannot be told from what there is: what is missing, for whoever publishes such failures."""

    missing: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=1, max_length=10)]
    why: Words


class GivesUp(AgentAnswer):
    """Nothing is wrong with the definition, or no safe change of it would help. That is an end like any other."""

    reason: Words


class Criticised(AgentAnswer):
    """What somebody says of a patch who has seen nothing but the patch, the definition and the findings."""

    verdict: Literal["accept", "object"]
    objections: Words = ""


class Quoted(AgentAnswer):
    """A piece of the failure, word for word."""

    source: Annotated[str, Field(max_length=512)]
    """`failure_reason`, or the JSON Pointer of a value in the context."""
    text: Annotated[str, Field(min_length=1, max_length=200)]


class Recognised(AgentAnswer):
    """What is broken, with the pieces of the failure that say so."""

    failure_type: FailureType
    disposition: Disposition
    evidence: Annotated[tuple[Quoted, ...], Field(min_length=1, max_length=5)]
    why: Words


class NotRecognised(AgentAnswer):
    """The failure does not say what is broken. That is an answer like any other."""

    why: Words


Proposal: TypeAlias = Patch | NeedInfo | GivesUp
