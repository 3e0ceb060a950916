"""Declaration of a generator behind HTTP: templates of the calls that generate, look at a job, fetch and cancel."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.generators.common import GeneratorBase
from consumer.catalog.generators.presets import PresetName, with_preset
from consumer.catalog.runners.checks import FRAMING, HeaderName, fault
from consumer.catalog.runners.http import CallTemplate, Status
from consumer.catalog.runners.run_look import Pointer
from consumer.catalog.templates import Placeholder
from schemas.names import Effect

_ASSET_PLACES: Final = frozenset(
    {"prompt", "voice", "format", "width", "height", "size", "seconds", "transparent", "org_id", "workflow_name"}
)
_PARAMETERS: Final = "parameters."
Pointers: TypeAlias = Annotated[tuple[Pointer, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
"""One place, or several of which the first counts at which something stands."""
JobPhaseName: TypeAlias = Literal["running", "done", "failed", "gone"]
"""The values of `consumer.generators.contract.JobPhase`."""


class AssetCall(CallTemplate):
    """Template of one call of a generator."""

    places: ClassVar[frozenset[str]] = _ASSET_PLACES
    demanded: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def _check_places(cls, places: tuple[Placeholder, ...] | list[Placeholder], path: tuple[int | str, ...]) -> None:
        super()._check_places([place for place in places if not place.name.startswith(_PARAMETERS)], path)

    @property
    def parameter_names(self) -> Iterator[str]:
        """The event's parameters that it passes on."""
        return (name.removeprefix(_PARAMETERS) for name in self.used if name.startswith(_PARAMETERS))


class GenerateCall(AssetCall):
    """Template of the call that generates, or orders a job that does."""

    places: ClassVar[frozenset[str]] = _ASSET_PLACES | {"key"}
    demanded: ClassVar[frozenset[str]] = frozenset({"prompt"})
    method: Literal["POST", "PUT"] = "POST"
    form: bool = False
    """The body is sent as `multipart/form-data`: an object of texts and numbers, each a field."""
    effect: Literal[Effect.KEYED, Effect.UNSAFE] = Effect.UNSAFE
    """`keyed`: the generator does what comes twice under one key once, and charges for it once."""
    key_header: HeaderName | None = None
    accepted: tuple[Status, ...] = ()
    """Statuses of success; 2xx when empty."""

    @model_validator(mode="after")
    def _check_call(self) -> Self:
        if self.form and not _is_flat(self.body):
            fault("a form's body is an object of texts and numbers", "body")
        if self.key_header is not None and self.key_header.lower() in FRAMING | {name.lower() for name in self.headers}:
            fault("the key would stand in a header that has another use", "key_header")
        if self.effect is Effect.KEYED and self.key_header is None and "key" not in self.used:
            fault("a keyed call needs a `key_header`, or `{key}` somewhere", "effect")
        return self


class JobCall(AssetCall):
    """Template of a call about a job that was ordered."""

    places: ClassVar[frozenset[str]] = frozenset({"job.id", "org_id", "workflow_name"})
    demanded: ClassVar[frozenset[str]] = frozenset({"job.id"})
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"


class JobLook(JobCall):
    """Template of the look at a job."""

    status: Pointer
    """Pointer to the generator's word for the job's state."""
    job_id: Pointer | None = None
    """Pointer to the id of the job that is told of, by default the generator's; another job's answer tells nothing."""
    phases: dict[str, JobPhaseName] = Field(min_length=1)
    """What its words mean; one that is not listed tells nothing."""
    errors: tuple[Pointer, ...] = ("/error",)
    """Where an error stands: a job that is done and has one is none."""
    gone: tuple[Status, ...] = (404, 410)


class FindCall(AssetCall):
    """Template of the look for a job by the key under which it was ordered."""

    places: ClassVar[frozenset[str]] = frozenset({"key", "org_id", "workflow_name"})
    demanded: ClassVar[frozenset[str]] = frozenset({"key"})
    method: Literal["GET", "POST"] = "GET"
    job_id: Pointer
    """Pointer to the job's id; where nothing stands there, none was ordered under the key."""


class AssetContent(Declared):
    """Where the asset is in an answer: the answer's body itself, a base64 text in it, or an address to fetch."""

    base64: Pointers = ()
    url: Pointers = ()
    units: Pointer | None = None
    """Pointer to the units that are charged by `unit_aud`."""
    units_header: HeaderName | None = None

    @model_validator(mode="after")
    def _check_single_place(self) -> Self:
        if self.base64 and self.url:
            fault("either `base64` or `url`; neither, where the answer's body is the asset", "url")
        return self


class HeldBackSign(Declared):
    """A sign by which a generator tells, in an answer of success too, that its moderation holds the asset back."""

    header: HeaderName | None = None
    pointer: Pointer | None = None
    values: tuple[str, ...] = Field(min_length=1)


class HttpGenerator(GeneratorBase):
    """A generator that is called over HTTP by templates: at one origin; an asset's own address may be another."""

    kind: Literal["http"]
    preset: PresetName | None = None
    """A known service whose templates are filled in; with `api`, `model` and `headers`."""
    api: str | None = None
    model: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    generate: GenerateCall
    content: AssetContent = AssetContent()
    job_id: Pointer | None = None
    """Pointer into the answer to the id of a job; the asset is then in the look's answer, or in that of `result`."""
    look: JobLook | None = None
    result: JobCall | None = None
    cancel: JobCall | None = None
    find: FindCall | None = None
    held_back: tuple[HeldBackSign, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:  # noqa: ANN401 - pydantic's raw input
        return with_preset(given) if isinstance(given, dict) and given.get("preset") is not None else given

    @model_validator(mode="after")
    def _check_job(self) -> Self:
        if (self.job_id is None) != (self.look is None):
            fault("a job needs both `job_id` and `look`", "look")
        if self.look is None and (self.result or self.cancel or self.find):
            fault("only a job is looked for, fetched or cancelled", "look")
        if self.preset is None and (self.api or self.model or self.headers):
            fault("`api`, `model` and `headers` are a preset's: write them into the templates", "preset")
        for name, call in self.calls.items():
            if call.origin != self.generate.origin:
                fault(
                    f"goes to {call.origin}, but `generate` to {self.generate.origin}: one generator, one place", name
                )
        return self

    @property
    def calls(self) -> dict[str, AssetCall]:
        """The calls that are declared, by name."""
        named: dict[str, AssetCall | None] = {"generate": self.generate, "look": self.look, "result": self.result}
        named |= {"cancel": self.cancel, "find": self.find}
        return {name: call for name, call in named.items() if call is not None}

    @property
    def passed_on(self) -> frozenset[str]:
        """The names of the event's parameters that it passes on."""
        return frozenset(self.generate.parameter_names) | frozenset(self.parameters)

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return frozenset[str]().union(*(call.secrets for call in self.calls.values()))


def _is_flat(body: JsonValue) -> bool:
    return isinstance(body, dict) and all(isinstance(value, str | int | float) for value in body.values())
