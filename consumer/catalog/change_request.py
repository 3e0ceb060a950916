"""Where a rewrite of a workflow that is code goes: a change request at a Git host, or a file, for people to merge.

The host is called by templates, one after the other (a branch with the diff, then the request), and looked at until it
says that the request is merged or declined. Without a look, the definition in the registry says it.
"""

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import fault
from consumer.catalog.runners.http import CallTemplate, OrderCall
from consumer.catalog.runners.run_look import Pointer
from consumer.catalog.templates import Placeholder, read_template
from schemas.names import Effect

_OF_CHANGE: Final = frozenset({"path", "base", "digest", "request.id"})
_DOCUMENTS: Final = frozenset({"description", "diff", "patch", "source"})
_OF_PATH: Final = frozenset({"org_id", "workflow_name"})
Word: TypeAlias = Annotated[str, Field(max_length=256)] | int | bool


class ChangeCall(OrderCall):
    """Template of a call that opens the change request, or prepares it."""

    places: ClassVar[frozenset[str]] = (OrderCall.places - {"run.fence"}) | _OF_CHANGE | _DOCUMENTS | {"title"}
    demanded: ClassVar[frozenset[str]] = frozenset()
    effect: Literal[Effect.IDEMPOTENT, Effect.KEYED] = Effect.KEYED
    """A call is repeated where its answer was lost, under the same key: a branch of that name does for one."""
    new_run: None = None
    request_id: Pointer | None = None
    """Pointer to the request's id in the answer: `{request.id}` of later calls and looks."""

    @classmethod
    def _check_places(cls, places: tuple[Placeholder, ...] | list[Placeholder], path: tuple[int | str, ...]) -> None:
        for place in places:
            if place.name in _DOCUMENTS:
                fault(f"`{{{place.name}}}` is a whole document: it stands alone in the body", *path)
        super()._check_places(places, path)


class MergedLook(CallTemplate):
    """Template of the look, without effect, that says what became of a change request."""

    places: ClassVar[frozenset[str]] = CallTemplate.places | _OF_CHANGE | {"key"}
    demanded: ClassVar[frozenset[str]] = frozenset()
    method: Literal["GET"] = "GET"
    value: Pointer
    """Pointer to what says that it is merged."""
    merged: Annotated[tuple[Word, ...], Field(min_length=1, max_length=16)]
    """What stands there once it is."""
    declined_value: Pointer | None = None
    """Pointer to what says that it will not be; `value` where it is left out."""
    declined: Annotated[tuple[Word, ...], Field(max_length=16)] = ()
    """What stands there once it was closed without being merged."""

    @model_validator(mode="after")
    def _check_words(self) -> Self:
        if self.declined_value is None and set(self.declined) & set(self.merged):
            fault("a word cannot mean that it is merged, and that it is not", "declined")
        return self


class ChangeRequest(Declared):
    """The change request of an entry whose workflows are code."""

    path: Annotated[str, Field(min_length=1, max_length=256)]
    """The file of the definition within its repository: `workflows/{workflow_name}.json`."""
    calls: Annotated[tuple[ChangeCall, ...], Field(max_length=4)] = ()
    """The calls that open it, in order; each is made until it is answered, under one key."""
    directory: Annotated[str, Field(max_length=1024)] | None = None
    """Instead of calls: where `KEY.patch` is put, as `git apply` takes it: absolute, and the same for all replicas."""
    look: MergedLook | None = None
    """How it is seen that the request is merged. Without it: once the registry has the definition that was proposed."""
    every: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=5)
    """How often it is looked at."""
    wait: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=60))] = timedelta(days=14)
    """How long it is waited for; after that a person is told."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=20)
    """Timeout of one call, connect to last byte."""

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        try:
            places = read_template(path).places
        except ValueError as error:
            fault(str(error))
        for place in places:
            if place.name not in _OF_PATH or place.optional:
                fault(f"there is no value `{{{place.name}}}` here: only {', '.join(sorted(_OF_PATH))}")
        return path

    @model_validator(mode="after")
    def _check_way(self) -> Self:
        if bool(self.calls) == (self.directory is not None):
            fault("it goes to a host by `calls`, or to a `directory`: declare one of them")
        if self.directory is not None and not self.directory.startswith("/"):
            fault("an absolute path", "directory")
        known = False
        for place, call in enumerate(self.calls):
            if "request.id" in call.used and not known:
                fault("no call before it says where the request's id stands (`request_id`)", "calls", place)
            known = known or call.request_id is not None
        if self.look is not None and "request.id" in self.look.used and not known:
            fault("no call says where the request's id stands (`request_id`)", "look")
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        looks = frozenset() if self.look is None else self.look.secrets
        return looks.union(*(call.secrets for call in self.calls))
