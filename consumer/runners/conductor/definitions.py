"""Definition store of a Conductor server: its versions are whole numbers, the last one takes new runs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.runners.conductor.engine import ConductorEngine
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    OrderResult,
    Rejected,
    ReplaceDefinition,
    RunRef,
    RunState,
    StartRun,
    Terminate,
)
from consumer.runners.definitions import NewVersion, Replaced, ReplaceResult, StoredDefinition, WorkflowRef
from consumer.workflows.conductor import UnmappedDefinition, definition_of, document_of
from consumer.workflows.definition import Definition, Invariant
from schemas.names import Effect


class ConductorDefinitions:
    """Definitions that a Conductor server keeps. A run of one that is not registered carries it along."""

    def __init__(self, engine: ConductorEngine) -> None:
        self._engine = engine

    def refusal(self, of: WorkflowRef, policy: WorkflowPolicy) -> str | None:
        """Return why no run can be started there, or None."""
        order = StartRun(run=of.run_to_be("key"), definition={}, replaces="1", given={})
        return self._engine.refusal(order, policy)

    def effect(self) -> Effect:
        """Return CONDITIONAL: a run that was started is found by its key."""
        return Effect.CONDITIONAL

    def dependency(self) -> str:
        """Return the server's origin."""
        return self._engine.dependency()

    def document_of(self, definition: Definition, before: StoredDefinition) -> JsonObject | str:
        """Write Conductor's form on the document that it changes."""
        try:
            return document_of(definition, before.document)
        except UnmappedDefinition as unmapped:
            return f"Conductor has no form of it: {unmapped}"

    async def read(
        self, of: WorkflowRef, policy: WorkflowPolicy, *, invariants: Sequence[Invariant], within: timedelta
    ) -> StoredDefinition | LookFailed:
        """Query the last version."""
        found = await self._engine.definition(of.run_to_be("none"), policy, within=within)
        if isinstance(found, LookFailed):
            return found
        try:
            definition = definition_of(found.document, tuple(invariants))
        except UnmappedDefinition as unmapped:
            return LookFailed(reason=f"its definition has no form here: {unmapped}")
        return StoredDefinition(definition=definition, document=found.document, version=found.version)

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
        """Start a run that carries the document; nothing is registered."""
        run = of.run_to_be(key)
        order = StartRun(run=run, definition=new.document, replaces=new.replaces, given=dict(given))
        return await self._engine.give(order, policy, key=key, within=within)

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the run."""
        return await self._engine.look(run, policy, within=within)

    async def end(self, run: RunRef, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Terminate the run."""
        return await self._engine.give(Terminate(run=run), policy, key=key, within=within)

    async def replace(
        self, of: WorkflowRef, new: NewVersion, policy: WorkflowPolicy, *, key: str, within: timedelta
    ) -> ReplaceResult:
        """Register the document as the version after the one that it replaces, where that is the last one.

        The server writes its own times and defaults into what it takes: that an order was carried out before, its
        version and the definition that it comes to say.
        """
        order = ReplaceDefinition(run=of.run_to_be(key), definition=new.document, replaces=new.replaces)
        given = await self._engine.give(order, policy, key=key, within=within)
        match given:
            case Accepted():
                return Replaced(version=str(int(new.replaces) + 1))
            case Rejected(conflict=True):
                return await self._taken_before(of, new, policy, within) or given
            case Rejected() | NotSent() | Ambiguous() | EgressRefused():
                return given
            case _:
                assert_never(given)

    async def _taken_before(
        self, of: WorkflowRef, new: NewVersion, policy: WorkflowPolicy, within: timedelta
    ) -> Replaced | None:
        """Return what an earlier order of the same document has put in force; None where it is another one."""
        stored = await self.read(of, policy, invariants=(), within=within)
        if isinstance(stored, LookFailed) or stored.version != str(int(new.replaces) + 1):
            return None
        try:
            wanted = definition_of(new.document, ())
        except UnmappedDefinition:
            return None
        return Replaced(version=stored.version) if stored.definition.digest == wanted.digest else None
