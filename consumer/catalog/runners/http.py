"""An engine behind HTTP, as the catalog declares it: templates of the calls that look, rerun, resume and replace."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import Field, JsonValue, field_validator, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import FRAMING, TOKEN, fault, secrets_in
from consumer.catalog.templates import Placeholder, Template, header_fault, read_template, read_url, secret_names
from schemas.names import Effect

_RUN: Final = frozenset({"run.id", "run.epoch", "run.step", "org_id", "workflow_name"})
_DOCUMENTS: Final = frozenset({"payload", "definition"})
"""Any JSON whatever: they stand alone in a body, never within a text."""
_BODILESS: Final = frozenset({"GET", "DELETE"})

Pointer: TypeAlias = Annotated[str, Field(pattern=r"^(/.*)?$", max_length=1024)]
Status: TypeAlias = Annotated[int, Field(ge=200, le=599)]
HeaderName: TypeAlias = Annotated[str, Field(pattern=rf"^{TOKEN.pattern}$", max_length=128)]
PhaseName: TypeAlias = Literal["running", "waiting", "succeeded", "failed", "gone"]
"""The values of `consumer.runners.contract.Phase`."""


class CallTemplate(Declared):
    """One call as a template: its host, its path's structure and its headers' names are never a value's to choose."""

    places: ClassVar[frozenset[str]] = _RUN
    demanded: ClassVar[frozenset[str]] = frozenset({"run.id"})
    """Places without which it could not be meant for this run."""
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    """A credential is named as `secret://NAME`; nowhere else may one be."""
    body: JsonValue = None
    """JSON with places in it. A text that is one place takes the value itself; without a payload its member is left
    out. None sends no body."""

    @field_validator("url")
    @classmethod
    def _url_is_sound(cls, url: str) -> str:
        try:
            read = read_url(url)
        except ValueError as error:
            fault(str(error))
        cls._know([place for template in read.templates for place in template.places], ())
        return url

    @field_validator("headers")
    @classmethod
    def _headers_are_sound(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, text in headers.items():
            if not TOKEN.fullmatch(name) or name.lower() in FRAMING:
                fault("not a header's name, or one that belongs to the connection", name)
            template = _read(text, (name,))
            cls._know(template.places, (name,))
            why = header_fault(template)
            if why is None and any(place.optional for place in template.places):
                why = "a value in a header has to be there: leave out its `?`"
            if why:
                fault(why, name)
        return headers

    @field_validator("body")
    @classmethod
    def _body_is_sound(cls, body: JsonValue) -> JsonValue:
        for path, text in _texts(body, ()):
            template = _read(text, path)
            if template.alone is None:
                cls._know(template.places, path)
                if any(place.optional for place in template.places):
                    fault("only a value that stands alone can be left out", *path)
            elif template.alone.name not in cls.places:
                cls._know(template.places, path)
            if secret_names(text):
                fault("only a header may name a secret", *path)
        return body

    @model_validator(mode="after")
    def _says_which_run(self) -> Self:
        missing = self.demanded - self.used
        if missing:
            fault(f"nothing in it says {', '.join(f'`{{{name}}}`' for name in sorted(missing))}")
        return self

    @classmethod
    def _know(cls, places: tuple[Placeholder, ...] | list[Placeholder], path: tuple[int | str, ...]) -> None:
        for place in places:
            if place.name not in cls.places:
                known = ", ".join(sorted(cls.places))
                fault(f"there is no value `{{{place.name}}}` here: only {known}", *path)
            if place.name in _DOCUMENTS:
                fault(f"`{{{place.name}}}` is a whole document: it stands alone in the body", *path)

    @property
    def used(self) -> frozenset[str]:
        """The names of all places."""
        templates = [*read_url(self.url).templates, *map(read_template, self.headers.values())]
        templates += [read_template(text) for _, text in _texts(self.body, ())]
        return frozenset(place.name for template in templates for place in template.places)

    @property
    def origin(self) -> str:
        """Where it goes: scheme, host and port."""
        return read_url(self.url).origin

    @property
    def secrets(self) -> frozenset[str]:
        """The credentials that it names."""
        return secrets_in(self.headers)


class OrderCall(CallTemplate):
    """A call that changes something at the engine."""

    places: ClassVar[frozenset[str]] = _RUN | {"key"}
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    effect: Literal[Effect.IDEMPOTENT, Effect.KEYED, Effect.UNSAFE] = Effect.UNSAFE
    """What giving the order twice does; unsafe unless its operator says otherwise."""
    key_header: HeaderName | None = None
    """Carries the key of a keyed order, if the engine wants it in a header; otherwise it stands at `{key}`."""
    accepted: tuple[Status, ...] = ()
    """Statuses that mean that the engine took the order; 2xx when empty."""
    new_run: Pointer | None = None
    """Where in the answer the id of the run stands that is to be looked at from now on."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.body is not None and self.method in _BODILESS:
            fault(f"a {self.method} has no body", "body")
        if self.key_header is not None and self.key_header.lower() in FRAMING | {name.lower() for name in self.headers}:
            fault("the key would stand in a header that has another use", "key_header")
        if self.effect is Effect.KEYED and self.key_header is None and "key" not in self.used:
            fault("a keyed order needs a `key_header`, or `{key}` somewhere", "effect")
        return self


class RerunCall(OrderCall):
    """Runs the failed step again."""

    places: ClassVar[frozenset[str]] = OrderCall.places | {"payload"}


class ReplaceCall(OrderCall):
    """Puts a new definition in the place of an old one."""

    places: ClassVar[frozenset[str]] = OrderCall.places | {"definition", "definition.replaces"}
    demanded: ClassVar[frozenset[str]] = frozenset({"definition"})


class LookCall(CallTemplate):
    """Asks where a run stands: never with an effect."""

    method: Literal["GET", "POST"] = "GET"
    """POST for engines that are asked by a query in the body."""
    status: Pointer
    """Where in the answer the engine's word for the run's state stands."""
    phases: dict[str, PhaseName] = Field(min_length=1)
    """What the engine's words mean; one that is not listed tells nothing."""
    epoch: Pointer | None = None
    progress: Pointer | None = None
    """What grows or changes as the run gets on; of a list, its length."""
    gone: tuple[Status, ...] = (404, 410)
    """Statuses that mean that the engine does not know the run."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.body is not None and self.method in _BODILESS:
            fault(f"a {self.method} has no body", "body")
        return self


class HttpRunner(Declared):
    """An engine that is asked over HTTP as the templates say. All its calls go to one origin: what has to be well."""

    kind: Literal["http"]
    look: LookCall
    rerun_step: RerunCall | None = None
    resume_run: OrderCall | None = None
    replace_definition: ReplaceCall | None = None
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=10)
    """For one call, connect to last byte."""
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024

    @model_validator(mode="after")
    def _goes_to_one_place(self) -> Self:
        for name, call in self.orders.items():
            if call.origin != self.look.origin:
                fault(f"goes to {call.origin}, but `look` to {self.look.origin}: one runner, one place", name, "url")
        return self

    @property
    def orders(self) -> dict[str, OrderCall]:
        """The orders that are described, by name."""
        named = {"rerun_step": self.rerun_step, "resume_run": self.resume_run}
        named["replace_definition"] = self.replace_definition
        return {name: call for name, call in named.items() if call is not None}

    @property
    def secrets(self) -> frozenset[str]:
        """The credentials that its calls name."""
        return self.look.secrets.union(*(call.secrets for call in self.orders.values()))


def _read(text: str, path: tuple[int | str, ...]) -> Template:
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
