"""What a supervisor tells the healer and what it hears back: commands, their results, heartbeats of runs."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from schemas.bulk import Bulk, BulkPreview, BulkStart, BulkStop
from schemas.command_base import AnyOrder
from schemas.edit import Edit
from schemas.errors import EnvelopeError
from schemas.fault_words import fault_in_words
from schemas.heal_result import Published, Sha256
from schemas.names import CommandName, CommandOutcome, FailureType, PoisonReason, RunStatus, StrategyName
from schemas.reason import PlaceName
from schemas.rfc3339 import Time

COMMAND_TYPE: Final = "workflow.heal_command.v1"
COMMAND_RESULT_TYPE: Final = "workflow.command_result.v1"
HEARTBEAT_TYPE: Final = "workflow.heartbeat.v1"

CommandId = Annotated[str, Field(min_length=1, max_length=512)]


class _OnePlan(AnyOrder):
    org_id: UUID = Field(description="The failure's organisation; a command for another one is refused.")
    failure_id: UUID = Field(description="The failure whose plan is answered.")
    plan_hash: Sha256 = Field(description="The hash that was published; a plan that has changed is not touched.")
    step: int = Field(ge=0, strict=True, description="The step of the status event that asked for it.")


class Approve(_OnePlan):
    """The plan with this hash may run; with changes, the plan that it becomes by them."""

    command: Literal[CommandName.APPROVE] = CommandName.APPROVE
    changes: dict[str, Any] | None = Field(
        default=None,
        description="New parts of the context, each whole: `payload` (schema-autofix), `request` (auto-retry).",
    )


class Deny(_OnePlan):
    """The plan with this hash never runs."""

    command: Literal[CommandName.DENY] = CommandName.DENY


class _OneFailure(AnyOrder):
    org_id: UUID = Field(description="The failure's organisation; a command for another one is refused.")
    failure_id: UUID = Field(description="The failure.")


class Heal(_OneFailure):
    """Look at this failure now, also when it was given up."""

    command: Literal[CommandName.HEAL] = CommandName.HEAL


class GiveUp(_OneFailure):
    """Close this failure: it is not to be healed. A live heal of it starts nothing more."""

    command: Literal[CommandName.GIVE_UP] = CommandName.GIVE_UP


class Resolve(_OneFailure):
    """Close this failure: its effect did happen, or it was mended by hand."""

    command: Literal[CommandName.RESOLVE] = CommandName.RESOLVE


class DidNotHappen(_OneFailure):
    """The effect of unknown outcome did not happen: it may be made again."""

    command: Literal[CommandName.DID_NOT_HAPPEN] = CommandName.DID_NOT_HAPPEN


class _Reach(AnyOrder):
    org_id: UUID | None = Field(default=None, description="Within this organisation only; null: in all.")
    workflow_name: PlaceName | None = Field(default=None, description="This workflow only; null: all.")
    failure_type: FailureType | None = Field(default=None, description="This failure type only; null: all.")
    strategy: StrategyName | None = Field(default=None, description="This strategy only; null: all.")
    dependency: PlaceName | None = Field(
        default=None,
        description="Heals that call this only, as `https://api.example.com:443`; null: all.",
    )


class Pause(_Reach):
    """Start no new heal within the named reach; failures are still taken in."""

    command: Literal[CommandName.PAUSE] = CommandName.PAUSE
    starts_at: Time | None = Field(default=None, description="From then on; null: now.")
    until: Time | None = Field(default=None, description="Ends by itself then; null: lasts until resumed.")


class Resume(_Reach):
    """Start heals again: end one pause by its id, or all that stand with exactly this reach."""

    command: Literal[CommandName.RESUME] = CommandName.RESUME
    pause_id: UUID | None = Field(default=None, description="This pause, whatever its reach; null: those of the reach.")


AnyCommand: TypeAlias = (
    Approve | Deny | Heal | GiveUp | Resolve | DidNotHappen | Edit | Bulk | BulkStart | BulkStop | Pause | Resume
)
Command = Annotated[AnyCommand, Field(discriminator="command")]


class CommandResult(Published):
    """What became of a command; the event's id is `issuer:command_id`, and longer where it was refused at the door."""

    command_id: CommandId = Field(description="The command's id: the `jti` of its token.")
    issuer: str = Field(description="Whose key signed it, as the healer's key file has it; ids are unique within one.")
    command: CommandName | None = Field(
        default=None, description="What was asked for; null where the token did not say it in this contract's words."
    )
    issued_by: str = Field(default="", description="Who asked, as the command says, and the issuer who vouches for it.")
    key_id: str = Field(default="", description="The key that signed it; empty for one that was not signed.")
    outcome: CommandOutcome = Field(description="What became of it.")
    reason: str = Field(default="", description="Why it was refused, in words.")
    org_id: UUID | None = Field(default=None, description="The organisation that the command named.")
    failure_id: UUID | None = Field(default=None, description="The failure that the command named.")
    bulk: BulkPreview | None = Field(default=None, description="What a bulk has frozen, in the answer to its command.")
    pauses: tuple[UUID, ...] = Field(default=(), description="The pauses that were made or ended.")
    plan_hash: Sha256 | None = Field(
        default=None, description="The plan that was approved: with changes another one than was asked for."
    )
    decided_at: Time = Field(description="When it was decided.")


class Heartbeat(BaseModel):
    """A run's sign of life, by which a stall is seen and a repaired route is believed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    org_id: UUID = Field(description="The organisation that the workflow belongs to.")
    workflow_name: str = Field(min_length=1, max_length=512, description="The workflow's name.")
    run_id: str = Field(min_length=1, max_length=512, description="The run; recommended as the record's key.")
    run_epoch: int | None = Field(default=None, ge=0, description="How often the run was started anew.")
    step: str | None = Field(default=None, max_length=512, description="The step that it is at.")
    status: RunStatus = Field(description="Where the run stands.")
    progress: int | None = Field(default=None, ge=0, description="Grows with the work done, in any unit of the run's.")
    beat_at: Time = Field(description="When it was alive.")


_COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(Command)


def decode_command(data: Mapping[str, Any]) -> AnyCommand:
    """Validate a command; EnvelopeError `wrong_shape` or `bad_time` names the field at fault."""
    try:
        return _COMMANDS.validate_python(data)
    except ValidationError as error:
        raise _refused(error, branches=frozenset(CommandName)) from error


def decode_heartbeat(data: Mapping[str, Any]) -> Heartbeat:
    """Validate a heartbeat; EnvelopeError `wrong_shape` or `bad_time` names the field at fault."""
    try:
        return Heartbeat.model_validate(data)
    except ValidationError as error:
        raise _refused(error, branches=frozenset()) from error


def _refused(error: ValidationError, *, branches: frozenset[str]) -> EnvelopeError:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"].startswith("union_tag"):
        names = ", ".join(CommandName)
        return EnvelopeError(PoisonReason.WRONG_SHAPE, f"data.command: must be one of {names}")
    # Only the first one is the kind of the command: a field may have a kind's name, as `did_not_happen` has.
    steps = [str(step) for at, step in enumerate(first["loc"]) if at or step not in branches]
    kind = PoisonReason.BAD_TIME if steps and steps[-1] in ("until", "beat_at") else PoisonReason.WRONG_SHAPE
    return EnvelopeError(kind, ".".join(["data", *steps]) + f": {fault_in_words(first)}")
