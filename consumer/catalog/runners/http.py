"""Declaration of an engine behind HTTP: templates of the calls that look, rerun, resume and replace."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import Field, JsonValue, field_validator, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import FRAMING, TOKEN, HeaderName, fault, secrets_in
from consumer.catalog.runners.run_look import PhaseName, Pointer, StepsLook, WaitsForName
from consumer.catalog.runners.server import check_token_header
from consumer.catalog.runners.token import DescribedToken
from consumer.catalog.templates import Placeholder, Template, header_fault, read_template, read_url, secret_names
from schemas.names import Effect

_RUN_PLACES: Final = frozenset({"run.id", "run.epoch", "run.step", "org_id", "workflow_name"})
_DOCUMENTS: Final = frozenset({"payload", "definition", "input"})
"""Places of arbitrary JSON: they stand alone in a body, never within a text."""
_BODILESS: Final = frozenset({"GET", "DELETE"})

Status: TypeAlias = Annotated[int, Field(ge=200, le=599)]
ORDER_NAMES: Final = (
    "rerun_step",
    "rerun_changed",
    "resume_run",
    "replace_definition",
    "start_run",
    "terminate",
    "move_to_queue",
    "skip_step",
    "remap_step",
)


class CallTemplate(Declared):
    """Template of one HTTP call; no value ever chooses its host, the structure of its path, or a header's name."""

    places: ClassVar[frozenset[str]] = _RUN_PLACES
    demanded: ClassVar[frozenset[str]] = frozenset({"run.id"})
    """Required places, without which the call could not be meant for this run."""
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    """A credential is referred to as `secret://NAME`, in headers only."""
    body: JsonValue = None
    """JSON template. A text that is a single place takes the JSON value itself; without a payload its member is left
    out. None sends no body."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        try:
            read = read_url(url)
        except ValueError as error:
            fault(str(error))
        cls._check_places([place for template in read.templates for place in template.places], ())
        return url

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, text in headers.items():
            if not TOKEN.fullmatch(name) or name.lower() in FRAMING:
                fault("not a header's name, or one that belongs to the connection", name)
            template = _parse_template(text, (name,))
            cls._check_places(template.places, (name,))
            why = header_fault(template)
            if why is None and any(place.optional for place in template.places):
                why = "a value in a header has to be there: leave out its `?`"
            if why:
                fault(why, name)
        return headers

    @field_validator("body")
    @classmethod
    def _check_body(cls, body: JsonValue) -> JsonValue:
        for path, text in _texts(body, ()):
            template = _parse_template(text, path)
            if template.alone is None:
                cls._check_places(template.places, path)
                if any(place.optional for place in template.places):
                    fault("only a value that stands alone can be left out", *path)
            elif template.alone.name not in cls.places:
                cls._check_places(template.places, path)
            if secret_names(text):
                fault("only a header may name a secret", *path)
        return body

    @model_validator(mode="after")
    def _check_demanded_places(self) -> Self:
        missing = self.demanded - self.used
        if missing:
            fault(f"nothing in it says {', '.join(f'`{{{name}}}`' for name in sorted(missing))}")
        return self

    @classmethod
    def _check_places(cls, places: tuple[Placeholder, ...] | list[Placeholder], path: tuple[int | str, ...]) -> None:
        for place in places:
            if place.name not in cls.places:
                known = ", ".join(sorted(cls.places))
                fault(f"there is no value `{{{place.name}}}` here: only {known}", *path)
            if place.name in _DOCUMENTS:
                fault(f"`{{{place.name}}}` is a whole document: it stands alone in the body", *path)

    @property
    def used(self) -> frozenset[str]:
        """The names of all places that the template uses."""
        templates = [*read_url(self.url).templates, *map(read_template, self.headers.values())]
        templates += [read_template(text) for _, text in _texts(self.body, ())]
        return frozenset(place.name for template in templates for place in template.places)

    @property
    def origin(self) -> str:
        """Origin of the call: scheme, host and port."""
        return read_url(self.url).origin

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that it refers to."""
        return secrets_in(self.headers)


class AnswerCheck(Declared):
    """What an answer has to say besides its status, for engines that answer a refusal with 200."""

    at: Pointer
    """Pointer to the word that says it."""
    taken: tuple[str, ...] = Field(min_length=1)
    """Words that mean that the engine took the order."""
    refused: tuple[str, ...] = ()
    """Words that mean that it did not; with any other one it may have."""


class OrderCall(CallTemplate):
    """Template of a call that has an effect at the engine."""

    places: ClassVar[frozenset[str]] = _RUN_PLACES | {"run.fence", "key"}
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    effect: Literal[Effect.IDEMPOTENT, Effect.KEYED, Effect.CONDITIONAL, Effect.UNSAFE] = Effect.UNSAFE
    """Effect class: what sending the order twice does; unsafe unless its operator declares otherwise.

    `conditional`: the engine does nothing where the run no longer stands where it failed, by its state or by the fence.
    """
    key_header: HeaderName | None = None
    """Header of the idempotency key, if the engine wants it in a header; otherwise it stands at `{key}`."""
    accepted: tuple[Status, ...] = ()
    """Statuses that mean that the engine accepted the order; 2xx when empty."""
    answer: AnswerCheck | None = None
    """What an accepted answer has to say, where its status alone says too little."""
    new_run: Pointer | None = None
    """Pointer to the id of the run in the answer that is to be looked at from now on."""

    @model_validator(mode="after")
    def _check_call(self) -> Self:
        if self.body is not None and self.method in _BODILESS:
            fault(f"a {self.method} has no body", "body")
        if self.key_header is not None and self.key_header.lower() in FRAMING | {name.lower() for name in self.headers}:
            fault("the key would stand in a header that has another use", "key_header")
        if self.effect is Effect.KEYED and self.key_header is None and "key" not in self.used:
            fault("a keyed order needs a `key_header`, or `{key}` somewhere", "effect")
        return self


class RerunCall(OrderCall):
    """Template of the order to rerun the failed step. `{latest?}` is true where it is to run on the newest version."""

    places: ClassVar[frozenset[str]] = OrderCall.places | {"payload", "latest"}


class ReplaceCall(OrderCall):
    """Template of the order to replace a workflow's definition."""

    places: ClassVar[frozenset[str]] = OrderCall.places | {"definition", "definition.replaces"}
    demanded: ClassVar[frozenset[str]] = frozenset({"definition"})


class StartCall(OrderCall):
    """Template of the order to start a run of a definition that is not in force: its body takes that whole."""

    places: ClassVar[frozenset[str]] = (OrderCall.places - {"run.fence", "run.epoch", "run.step"}) | {
        "definition",
        "definition.replaces",
        "input",
    }
    demanded: ClassVar[frozenset[str]] = frozenset({"definition", "input"})
    new_run: Pointer
    """Pointer to the id of the new run in the answer."""


class StepCall(OrderCall):
    """Template of an order that concerns one step: to go on without it."""

    demanded: ClassVar[frozenset[str]] = frozenset({"run.id", "run.step"})


class MoveCall(StepCall):
    """Template of the order to have a step taken from another queue."""

    places: ClassVar[frozenset[str]] = OrderCall.places | {"queue"}
    demanded: ClassVar[frozenset[str]] = StepCall.demanded | {"queue"}


class RemapCall(StepCall):
    """Template of the order to take another step where the run refers to one that its definition lacks."""

    places: ClassVar[frozenset[str]] = OrderCall.places | {"to"}
    demanded: ClassVar[frozenset[str]] = StepCall.demanded | {"to"}


class LookCall(CallTemplate):
    """Template of the call that queries the state of a run: never with an effect."""

    method: Literal["GET", "POST"] = "GET"
    """POST for engines that take a query in the body."""
    id: Pointer | None = None
    """Pointer to the run's id in the answer: what speaks of another run is not believed."""
    status: Pointer
    """Pointer to the engine's name of the run's state in the answer."""
    phases: dict[str, PhaseName] = Field(min_length=1)
    """Phase of each of the engine's state names; one that is not listed is inconclusive."""
    epoch: Pointer | None = None
    progress: Pointer | None = None
    """Pointer to a value that grows or changes as the run progresses; of a list, its length counts."""
    fence: Pointer | None = None
    """Pointer to a value that changes with each new start: it goes with an order as `{run.fence}`."""
    waits: dict[str, WaitsForName] = Field(default_factory=dict)
    """What a run waits for, by the engine's name of its state."""
    last_sign_of_life: Pointer | None = None
    at: Pointer | None = None
    """Pointer to the engine's own clock; without it times are held against the healer's."""
    consumers: Pointer | None = None
    """Pointer to an object that tells of each queue how many workers take from it."""
    full: Pointer | None = None
    """Pointer to the queues of which all places are taken: a list of names, or an object that says so of each."""
    removed: Pointer | None = None
    """Pointer to an object of steps that the run refers to and its definition lacks: their names now, or null."""
    steps: StepsLook | None = None
    healed_by: Pointer | None = None
    """Pointer to the id of a later run that succeeded in this one's place; where there is one, this one counts as
    succeeded. For engines that leave a failed run as it is, and run it again as often as they are asked."""
    gone: tuple[Status, ...] = (404, 410)
    """Statuses that mean that the engine does not know the run."""

    @model_validator(mode="after")
    def _check_call(self) -> Self:
        if self.body is not None and self.method in _BODILESS:
            fault(f"a {self.method} has no body", "body")
        return self


class TemplatedRunner(Declared):
    """An engine that is called over HTTP by templates. All its calls go to one origin, which is its dependency."""

    token: DescribedToken | None = None
    """The token that each call carries, where the engine wants one that it issues itself."""
    look: CallTemplate
    rerun_step: RerunCall | None = None
    rerun_changed: RerunCall | None = None
    """The order to rerun the failed step with another input, where that is another call; else `rerun_step` is it."""
    resume_run: OrderCall | None = None
    replace_definition: ReplaceCall | None = None
    start_run: StartCall | None = None
    """`{run.id}` is the key of the order: there is no run yet."""
    terminate: OrderCall | None = None
    move_to_queue: MoveCall | None = None
    skip_step: StepCall | None = None
    remap_step: RemapCall | None = None
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=10)
    """Timeout of one call, connect to last byte."""
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024

    @model_validator(mode="after")
    def _check_single_origin(self) -> Self:
        for name, call in self.orders.items():
            if call.origin != self.look.origin:
                fault(f"goes to {call.origin}, but `look` to {self.look.origin}: one runner, one place", name, "url")
            if "run.fence" in call.used and not self.has_fence:
                fault("there is no `{run.fence}`: `look` says nowhere where the fence stands", name)
        return self

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        check_token_header(self.token, self.look.headers, *(call.headers for call in self.orders.values()))
        return self

    @property
    def has_fence(self) -> bool:
        """Whether a look finds a fence."""
        return True

    @property
    def orders(self) -> dict[str, OrderCall]:
        """The orders that are declared, by name."""
        named = ((name, getattr(self, name)) for name in ORDER_NAMES)
        return {name: call for name, call in named if call is not None}

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        of_token: frozenset[str] = frozenset() if self.token is None else self.token.secrets
        return self.look.secrets.union(of_token, *(call.secrets for call in self.orders.values()))


class HttpRunner(TemplatedRunner):
    """An engine whose answers the catalog describes as well."""

    kind: Literal["http"]
    look: LookCall

    @property
    def has_fence(self) -> bool:
        """Whether the look says where the fence stands."""
        return self.look.fence is not None


def _parse_template(text: str, path: tuple[int | str, ...]) -> Template:
    try:
        return read_template(text)
    except ValueError as error:
        fault(str(error), *path)


def _texts(body: JsonValue, path: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    match body:
        case str():
            yield path, body
        case dict():
            for name, below in body.items():
                if "{" in name:
                    fault("a member's name never comes from a value: write it out", *path, name)
                yield from _texts(below, (*path, name))
        case list():
            for index, below in enumerate(body):
                yield from _texts(below, (*path, index))
        case _:
            return
