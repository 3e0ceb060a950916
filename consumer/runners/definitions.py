"""Contract of a definition store: reads a workflow's definition, replaces it by compare-and-set, runs a version of it.

The strategy that rewrites works in this order: `read`; `start` one run of the new version, while the old one is still
in force for everybody else; `replace` once that run has succeeded; `replace` by what stood there before, where the
failure comes back. Each step may be made again after a crash: `replace` says `Replaced` too where exactly this document
took the place of exactly that version before, and `start` under one key finds the run that it has started, if its
`effect` is not UNSAFE.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TypeAlias, runtime_checkable

from consumer.catalog import WorkflowPolicy
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.runners.contract import LookFailed, OrderResult, Rejected, RunRef, RunState
from consumer.workflows.definition import Definition, Invariant
from consumer.workflows.runs import RecordedRun
from schemas.names import Effect
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class EngineDefinition:
    """A workflow's definition as its engine has it: what ReplaceDefinition is based on."""

    document: JsonObject
    """In the engine's own form."""
    version: str
    """What the order to replace it names as `replaces`."""


@runtime_checkable
class DefinitionReader(Protocol):
    """A runner whose engine keeps definitions as documents; one whose workflows are code is none."""

    async def definition(
        self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta
    ) -> EngineDefinition | LookFailed:
        """Query the definition in force of a run's workflow, without any effect."""
        ...


@value(frozen=True, slots=True, kw_only=True)
class WorkflowRef:
    """One workflow of an organisation, as a failure names it."""

    org_id: str
    workflow_name: str

    def run_to_be(self, key: str) -> RunRef:
        """Return the run that is started under a key, before the engine has a name of its own for it."""
        return RunRef(org_id=self.org_id, workflow_name=self.workflow_name, run_id=key)


@value(frozen=True, slots=True, kw_only=True)
class StoredDefinition:
    """A definition as its store has it: in our form, and in the store's own."""

    definition: Definition
    document: JsonObject
    """In the store's own form, whole: what a rollback puts back."""
    version: str
    """Names this state of it: `replace` holds only for exactly this one."""
    good_runs: tuple[RecordedRun, ...] | None = None
    """The recorded good runs that it has beside; None for a store that keeps none: they are in the registry's table."""


@value(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A document that is to take the place of a version."""

    document: JsonObject
    """In the store's own form (`document_of`)."""
    replaces: str
    """The version that it is based on."""


@value(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The document is in force, and takes every new run."""

    version: str
    """What it is called now."""


ReplaceResult: TypeAlias = Replaced | Rejected | NotSent | Ambiguous | EgressRefused
"""`Rejected.conflict`: another version is in force by now. Ambiguous: it may be in force; `replace` again."""


class DefinitionStore(Protocol):
    """Where the definitions of one catalog entry's workflows are kept, and how a version of one is run."""

    def refusal(self, of: WorkflowRef, policy: WorkflowPolicy) -> str | None:
        """Return why no definition can be replaced here, or no version run (nothing declared for it), or None. Pure."""
        ...

    def effect(self) -> Effect:
        """Return what starting a run twice under one key does: with UNSAFE it is never started again. Pure."""
        ...

    def dependency(self) -> str:
        """Return the dependency that has to be healthy for it to work: `https://runs.example.com:443`. Pure."""
        ...

    def document_of(self, definition: Definition, before: StoredDefinition) -> JsonObject | str:
        """Write a definition in the store's own form, on the document that it changes; or say why not. Pure."""
        ...

    async def read(
        self, of: WorkflowRef, policy: WorkflowPolicy, *, invariants: Sequence[Invariant], within: timedelta
    ) -> StoredDefinition | LookFailed:
        """Query the definition in force, without any effect.

        `invariants` are those that our registry has of it, for a store whose form has no words for any.
        """
        ...

    async def start(
        self,
        of: WorkflowRef,
        new: NewVersion,
        given: Mapping[str, Json],
        policy: WorkflowPolicy,
        *,
        key: str,
        within: timedelta,
    ) -> OrderResult:
        """Start one run of a document on an input, while what is in force stays; `Accepted.run` is that run."""
        ...

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the state of a run that was started here, without any effect."""
        ...

    async def end(self, run: RunRef, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """End what may still run of it."""
        ...

    async def replace(
        self, of: WorkflowRef, new: NewVersion, policy: WorkflowPolicy, *, key: str, within: timedelta
    ) -> ReplaceResult:
        """Put a document in force in place of exactly the version that it replaces, or change nothing."""
        ...


class DefinitionStores(Protocol):
    """The definition stores of this deployment."""

    def of(self, policy: WorkflowPolicy) -> DefinitionStore | None:
        """Return where the definitions of an entry's workflows are kept; None where a patch can only be handed over."""
        ...
