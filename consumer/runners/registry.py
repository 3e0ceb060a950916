"""Definition store of the registry's table: versions are its rows, and runs are started by the workflow's engine."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from consumer.catalog import WorkflowPolicy
from consumer.model import Json, JsonObject, OrgId
from consumer.model.identity import uuid5_from_bytes
from consumer.runners.contract import (
    LookFailed,
    OrderResult,
    Rejected,
    Runner,
    RunRef,
    RunState,
    StartRun,
    Terminate,
)
from consumer.runners.definitions import NewVersion, Replaced, ReplaceResult, StoredDefinition, WorkflowRef
from consumer.workflows.definition import Definition, UnreadableDefinition
from consumer.workflows.runs import WorkflowConfig
from schemas.json_value import same
from schemas.names import Effect


class Entry(Protocol):
    """One version, as the registry has it."""

    @property
    def config(self) -> object:
        """Its document: the definition, and recorded good runs."""
        ...

    @property
    def version(self) -> str:
        """Names this state of it."""
        ...


class Registry(Protocol):
    """Rows of workflows, of which the newest of a name is in force; `consumer/store/definitions.py` is one."""

    async def entry(self, org_id: OrgId, workflow_name: str) -> Entry | None:
        """Return the version that is in force, or None."""
        ...

    async def put(
        self, org_id: OrgId, workflow_name: str, config: object, *, replaces: str, row_id: UUID
    ) -> Entry | None:
        """Add a version after exactly the one that it replaces, once; returns what is in force then."""
        ...


TABLE: Final = "deep_agent_workflows"


def registered_config(document: object, where: str = TABLE) -> WorkflowConfig | str:
    """Return what a registry has of a workflow, by its document or None, or why that cannot be used."""
    if document is None:
        return f"{where} has no definition of this workflow: register one, with a recorded good run"
    try:
        return WorkflowConfig.from_json(document)
    except UnreadableDefinition as error:
        return f"{where} has no readable definition of this workflow: {error}"


class RunsOfRegistry:
    """Runs of definitions in the registry's form, by one engine, which takes a definition with the order to run it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def refusal(self, of: WorkflowRef, policy: WorkflowPolicy) -> str | None:
        """Return why its engine starts no run of a definition, or None."""
        order = StartRun(run=of.run_to_be("key"), definition={}, replaces="version", given={})
        return self._runner.refusal(order, policy)

    def effect(self) -> Effect:
        """Return what the engine says of starting a run twice."""
        order = StartRun(run=RunRef(org_id="", workflow_name="", run_id=""), definition={}, replaces="", given={})
        return self._runner.effect(order)

    def dependency(self) -> str:
        """Return the engine's origin."""
        return self._runner.dependency()

    def document_of(self, definition: Definition, before: StoredDefinition) -> JsonObject | str:
        """Return the registry's document with another definition; its recorded runs stay."""
        return {**before.document, "definition": definition.as_json()}

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
        """Have the engine run the document's definition; the registry stays as it is."""
        definition = new.document.get("definition")
        order = StartRun(
            run=of.run_to_be(key),
            definition=definition if isinstance(definition, dict) else {},
            replaces=new.replaces,
            given=dict(given),
        )
        return await self._runner.give(order, policy, key=key, within=within)

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the run at the engine."""
        return await self._runner.look(run, policy, within=within)

    async def end(self, run: RunRef, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Have the engine end the run."""
        return await self._runner.give(Terminate(run=run), policy, key=key, within=within)


class RegistryDefinitions(RunsOfRegistry):
    """Definitions of the registry's table."""

    def __init__(self, registry: Registry, runner: Runner) -> None:
        super().__init__(runner)
        self._registry = registry

    async def read(
        self, of: WorkflowRef, policy: WorkflowPolicy, *, invariants: object = (), within: timedelta
    ) -> StoredDefinition | LookFailed:
        """Read the newest row."""
        del policy, invariants, within
        entry = await self._registry.entry(_org(of), of.workflow_name)
        config = registered_config(None if entry is None else entry.config)
        if entry is None or isinstance(config, str):
            return LookFailed(reason=str(config))
        return StoredDefinition(
            definition=config.definition,
            document=config.as_json(),
            version=entry.version,
            good_runs=config.good_runs,
        )

    async def replace(
        self, of: WorkflowRef, new: NewVersion, policy: WorkflowPolicy, *, key: str, within: timedelta
    ) -> ReplaceResult:
        """Add the document as the newest row, where the newest is the one that it replaces."""
        del policy, within
        row_id = uuid5_from_bytes(_org(of).bytes, f"{of.workflow_name}:{key}")
        entry = await self._registry.put(_org(of), of.workflow_name, new.document, replaces=new.replaces, row_id=row_id)
        is_ours = entry is not None and entry.version.startswith(f"{row_id}:") and same(entry.config, new.document)
        if entry is None or not is_ours:
            return Rejected(reason="another version is in force by now", conflict=True)
        return Replaced(version=entry.version)


def _org(of: WorkflowRef) -> OrgId:
    return OrgId(UUID(of.org_id))
