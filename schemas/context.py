"""What the healer understands of a failure's `context`: every part optional, read when a strategy needs it.

A part that is not as described here never makes an event poison: the context keeps whatever it carries, and the
strategy that needs the part is told what is wrong with it (`ContextFault`). Error details are read for what they are
worth (`error_of`): evidence is never refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from schemas.asset import AssetContext
from schemas.entries import MAX_ERROR_HEADERS, MAX_ITEMS, MAX_STEPS, at_most
from schemas.fault_words import fault_in_words
from schemas.headers import plain_headers
from schemas.idempotency import KeyOfHeaders
from schemas.names import Effect, RunStatus
from schemas.part import Name, Part, Url
from schemas.rfc3339 import Time
from schemas.workflow import WorkflowDefinition, WorkflowStep

SECRET_PREFIX: Final = "secret://"  # noqa: S105 - the scheme, not a secret
"""A header value `secret://NAME` stands for the secret NAME of the healer's deployment."""

Method = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{1,16}$"),
    BeforeValidator(lambda v: v.upper() if isinstance(v, str) else v),
]
ReadMethod = Annotated[Literal["GET", "HEAD"], BeforeValidator(lambda v: v.upper() if isinstance(v, str) else v)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=8192)]
Headers = Annotated[
    dict[HeaderName, HeaderValue],
    Field(max_length=MAX_ITEMS, description="Header name to value; a value may be `secret://NAME` and then stays one."),
    at_most(MAX_ITEMS),
]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
StatusCode = Annotated[int, Field(ge=100, le=599)]
StatusRule = StatusCode | Annotated[str, StringConstraints(pattern=r"^[1-5]xx$")]
JsonSchema = dict[str, Any] | bool


class ErrorContext(Part):
    """What the failed party said."""

    code: str | None = Field(default=None, description="The error's code, such as `ETIMEDOUT` or `insufficient_quota`.")
    type: str | None = Field(default=None, description="The exception's class, such as `httpx.ReadTimeout`.")
    message: str | None = Field(default=None, description="The error's own text.")
    http_status: StatusCode | None = Field(default=None, description="The HTTP status that was answered.")
    grpc_status: str | int | None = Field(default=None, description="The gRPC status, by name or number.")
    provider: str | None = Field(default=None, description="Who answered, such as `openai` or `stripe`.")
    retry_after: float | str | None = Field(
        default=None, description="What Retry-After said: seconds, or an HTTP date as it came."
    )
    headers: Annotated[dict[str, str] | None, BeforeValidator(plain_headers), at_most(MAX_ERROR_HEADERS)] = Field(
        default=None, description="The answer's headers. What is none is left out; more than 1000 are, all of them."
    )
    body: Any = Field(default=None, description="The answer's body, parsed where it was JSON.")


class RunContext(Part):
    """The run that failed."""

    id: Name = Field(description="The run's id at its orchestrator.")
    epoch: int | None = Field(default=None, ge=0, description="How often the run was started anew; tells old news.")
    step: Name | None = Field(default=None, description="The step that failed or stands still.")
    status: RunStatus | None = Field(default=None, description="Where the run stood when the failure was noticed.")
    heartbeat: Time | None = Field(default=None, description="The run's last sign of life, RFC 3339.")
    plan: Annotated[tuple[WorkflowStep, ...] | None, Field(max_length=MAX_STEPS), at_most(MAX_STEPS)] = Field(
        default=None, description="The run's plan."
    )


class Assertion(Part):
    """One demand on a JSON body; every check that is given has to hold."""

    path: str = Field(pattern=r"^(/.*)?$", max_length=1024, description="RFC 6901 pointer; empty for the whole body.")
    exists: bool | None = Field(default=None, description="Whether there is anything at the path.")
    equals: Any = Field(default=None, description="What has to be there; counts when given, also as null.")
    one_of: tuple[Any, ...] | None = Field(default=None, min_length=1, description="One of these has to be there.")
    min: float | None = Field(default=None, description="A number not below this has to be there.")
    max: float | None = Field(default=None, description="A number not above this has to be there.")

    @model_validator(mode="after")
    def _checks_something(self) -> Self:
        if not self.model_fields_set & {"exists", "equals", "one_of", "min", "max"}:
            msg = "checks nothing: give exists, equals, one_of, min or max"
            raise ValueError(msg)
        return self


class Expectation(Part):
    """What the caller demands of an answer beyond its having come; all of it has to hold."""

    status: Annotated[
        StatusRule | Annotated[tuple[StatusRule, ...], Field(max_length=MAX_ITEMS)] | None, at_most(MAX_ITEMS)
    ] = Field(default=None, description="A status, a class such as `2xx`, or a list of them; absent: 2xx.")
    schema_: JsonSchema | None = Field(default=None, alias="schema", description="JSON Schema 2020-12 of the body.")
    json_: Annotated[tuple[Assertion, ...], at_most(MAX_ITEMS)] = Field(
        default=(), alias="json", max_length=MAX_ITEMS, description="Demands on single places of the body."
    )


class ReadBack(Part):
    """A look without effect that tells whether the failed call has worked: it has, it has not, or nobody can say."""

    url: Url = Field(description="Where to look. Its host has to be one that the catalog allows.")
    method: ReadMethod = Field(default="GET", description="GET or HEAD; read in any case. Nothing else is a look.")
    headers: Headers = Field(default_factory=dict)
    expect: Expectation | None = Field(
        default=None, description="What is seen if it worked. Default: a 2xx, with GET not empty; of a DELETE 404, 410."
    )
    absent: Expectation | None = Field(
        default=None,
        description="What is seen if it has not worked. Default: 404 or 410, and not as a page; of a DELETE a 2xx. "
        "Whatever shows neither, or both, tells nothing.",
    )
    after_seconds: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] | None = Field(
        default=None,
        description="How long the other side may still work on a call whose answer was lost, in seconds, together "
        "with the lag of what is looked at. Only after it an absence counts. Default: 10, or as long as one call may "
        "take where that is longer.",
    )
    first: bool = Field(
        default=False,
        description="Look before anything is sent also where the effect is not unsafe; where it is, that is always so.",
    )
    timeout_seconds: Seconds | None = Field(default=None, description="How long one look may take, in seconds.")

    @model_validator(mode="after")
    def _can_be_seen(self) -> Self:
        seen = (self.expect, self.absent)
        if self.method == "HEAD" and any(one and (one.json_ or one.schema_ is not None) for one in seen):
            msg = "HEAD brings no body: demand a status only, or use GET"
            raise ValueError(msg)
        return self


class RequestContext(KeyOfHeaders, Part):
    """The call that failed, so that it can be made again."""

    method: Method = Field(description="The HTTP method; read in any case.")
    url: Url = Field(description="The absolute http(s) URL. Its host has to be one that the catalog allows.")
    headers: Headers = Field(default_factory=dict)
    body: Any = Field(default=None, description="Sent as JSON, or as it is when it is a string; null: no body.")
    effect: Effect | None = Field(
        default=None,
        description="What a second call does. Absent: by the method (GET, HEAD, OPTIONS, TRACE: none; PUT, DELETE: "
        "idempotent), else keyed where there is a key, else unsafe.",
    )
    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")] | None = Field(
        default=None, description="The key that the caller already sent. Absent: its Idempotency-Key header's value."
    )
    idempotency_header: HeaderName = Field(default="Idempotency-Key", description="The header that carries the key.")
    timeout_seconds: Seconds | None = Field(default=None, description="How long one call may take, in seconds.")
    expect: Expectation | None = Field(default=None, description="What the answer has to be to count as healed.")
    read_back: ReadBack | None = Field(
        default=None, description="How to see whether the call has worked; a call without a key may be healed with it."
    )

    @property
    def effect_or_default(self) -> Effect:
        """The declared effect, or what HTTP says of the method (RFC 9110, 9.2)."""
        if self.effect is not None:
            return Effect.UNSAFE if self.effect is Effect.CONDITIONAL else self.effect
        if self.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
            return Effect.NONE
        if self.method in ("PUT", "DELETE"):
            return Effect.IDEMPOTENT
        return Effect.KEYED if self.idempotency_key else Effect.UNSAFE


class DependencyContext(Part):
    """The service that did not do its part."""

    name: Name = Field(description="The catalog's name of it.")
    operation: Name | None = Field(default=None, description="What was asked of it.")
    version: Name | None = Field(default=None, description="The version that was called.")


class WorkflowContext(Part):
    """The definition that failed."""

    version: Name | None = Field(default=None, description="Which version of the definition ran.")
    definition: WorkflowDefinition | None = Field(default=None, description="The definition itself.")


class ResumeContext(Part):
    """Where a recovered answer is handed over, so that the run goes on."""

    url: Url = Field(description="The absolute http(s) URL. Its host has to be one that the catalog allows.")
    method: Method = Field(default="POST", description="The HTTP method; read in any case.")
    headers: Headers = Field(default_factory=dict)


class PayloadContext(Part):
    """The payload that was refused and the schema that it ought to follow (`context.payload`, `context.schema`)."""

    payload: Any = Field(description="The payload as it was sent; any JSON.")
    schema_: JsonSchema | None = Field(
        default=None, alias="schema", description="Its JSON Schema, used only where the catalog declares none."
    )


class Context(Part):
    """All parts together: the documented form of `context`, for the generated schema and for publishers."""

    error: ErrorContext | None = Field(default=None, description="What the failed party said.")
    error_code: str | None = Field(default=None, description="Alias of error.code.")
    exception_type: str | None = Field(default=None, description="Alias of error.type.")
    http_status: int | None = Field(default=None, description="Alias of error.http_status.")
    run: RunContext | None = Field(default=None, description="The run that failed.")
    request: RequestContext | None = Field(default=None, description="The call that failed.")
    payload: Any = Field(default=None, description="The payload that was refused; any JSON.")
    schema_: JsonSchema | None = Field(
        default=None,
        alias="schema",
        description="The JSON Schema of the payload, used only where the catalog declares none.",
    )
    asset: AssetContext | None = Field(default=None, description="The asset that is missing or broken.")
    dependency: DependencyContext | None = Field(default=None, description="The service that did not do its part.")
    workflow: WorkflowContext | None = Field(default=None, description="The definition that failed.")
    resume: ResumeContext | None = Field(default=None, description="Where a recovered answer is handed over.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFault:
    """Why a part of the context cannot be used; it quotes no value."""

    path: str
    """Of the first fault, dotted: `context.request.expect.status`."""
    message: str
    missing: tuple[str, ...] = ()
    """Paths of every required field that is absent."""


_PartT = TypeVar("_PartT", bound=Part)
_ERROR_ALIASES = (("error_code", "code"), ("exception_type", "type"), ("http_status", "http_status"))


def error_of(context: Mapping[str, Any]) -> ErrorContext:
    """Gather the error's details; what is of an unusable type is left out, a plain string is the message."""
    said = context.get("error")
    details: dict[str, Any] = dict(said) if isinstance(said, Mapping) else {}
    if isinstance(said, str):
        details["message"] = said
    for alias, name in _ERROR_ALIASES:
        if details.get(name) is None and context.get(alias) is not None:
            details[name] = context[alias]
    try:
        return ErrorContext.model_validate(details)
    except ValidationError as error:
        unusable = {fault["loc"][0] for fault in error.errors(include_url=False, include_input=False)}
        return ErrorContext.model_validate({name: value for name, value in details.items() if name not in unusable})


def run_of(context: Mapping[str, Any]) -> RunContext | ContextFault | None:
    """Read `context.run`; None where there is none."""
    return _part(context, "run", RunContext)


def request_of(context: Mapping[str, Any]) -> RequestContext | ContextFault | None:
    """Read `context.request`; None where there is none."""
    return _part(context, "request", RequestContext)


def asset_of(context: Mapping[str, Any]) -> AssetContext | ContextFault | None:
    """Read `context.asset`; None where there is none."""
    return _part(context, "asset", AssetContext)


def dependency_of(context: Mapping[str, Any]) -> DependencyContext | ContextFault | None:
    """Read `context.dependency`; None where there is none."""
    return _part(context, "dependency", DependencyContext)


def workflow_of(context: Mapping[str, Any]) -> WorkflowContext | ContextFault | None:
    """Read `context.workflow`; None where there is none."""
    return _part(context, "workflow", WorkflowContext)


def resume_of(context: Mapping[str, Any]) -> ResumeContext | ContextFault | None:
    """Read `context.resume`; None where there is none."""
    return _part(context, "resume", ResumeContext)


def payload_of(context: Mapping[str, Any]) -> PayloadContext | ContextFault | None:
    """Read `context.payload` with `context.schema`; None where there is no payload. A payload of null is one."""
    if "payload" not in context:
        return None
    return _validated({name: context[name] for name in ("payload", "schema") if name in context}, "", PayloadContext)


_READERS: Final = (run_of, request_of, asset_of, dependency_of, workflow_of, resume_of, payload_of)


def unusable_parts(context: Mapping[str, Any]) -> dict[str, str]:
    """Return what is there and cannot be used, by its path, with what it has to be; it quotes no value."""
    read = (reader(context) for reader in _READERS)
    faults = (fault for fault in read if isinstance(fault, ContextFault))
    return {fault.path: fault.message for fault in faults if fault.path not in fault.missing}


def _part(context: Mapping[str, Any], name: str, model: type[_PartT]) -> _PartT | ContextFault | None:
    value = context.get(name)
    return None if value is None else _validated(value, f".{name}", model)


def _validated(value: object, at: str, model: type[_PartT]) -> _PartT | ContextFault:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        paths = [f"context{at}" + "".join(f".{step}" for step in _steps(fault["loc"], value)) for fault in faults]
        missing = tuple(path for path, fault in zip(paths, faults, strict=True) if fault["type"] == "missing")
        return ContextFault(path=paths[0], message=fault_in_words(faults[0]), missing=missing)


def _steps(loc: tuple[int | str, ...], value: object) -> list[str]:
    # pydantic's location also names branches of unions and "[key]": only what leads through the value is kept,
    # and the name of a field that is not there.
    steps: list[str] = []
    for index, step in enumerate(loc):
        match value, step:
            case Mapping(), _ if step in value:
                value = value[step]
            case list(), int() if step < len(value):
                value = value[step]
            case Mapping(), _ if index == len(loc) - 1:
                pass
            case _:
                continue
        steps.append(str(step))
    return steps
