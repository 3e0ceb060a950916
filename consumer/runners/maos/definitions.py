"""Definition store of the platform's registry over its API: read and replaced by the calls that the catalog names."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.runners.contract import Accepted, LookFailed, Rejected, ReplaceDefinition
from consumer.runners.definitions import (
    EngineDefinition,
    NewVersion,
    Replaced,
    ReplaceResult,
    StoredDefinition,
    WorkflowRef,
)
from consumer.runners.maos.engine import MaosEngine
from consumer.runners.registry import RunsOfRegistry, registered_config
from consumer.workflows.definition import Invariant
from schemas.json_value import same
from schemas.names import Effect


class MaosDefinitions(RunsOfRegistry):
    """Definitions that the platform keeps: whether one is in force a second look says, whatever the order's answer."""

    def __init__(self, engine: MaosEngine) -> None:
        super().__init__(engine)
        self._engine = engine

    def refusal(self, of: WorkflowRef, policy: WorkflowPolicy) -> str | None:
        """Return why no definition can be replaced there, or no run of one started, or None."""
        order = ReplaceDefinition(run=of.run_to_be("key"), definition={}, replaces="version")
        if self._engine.effect(order) is Effect.UNSAFE:
            return "the runner's `replace_definition` is declared unsafe: it could not be made again after a crash"
        return super().refusal(of, policy) or self._engine.refusal(order, policy)

    async def read(
        self, of: WorkflowRef, policy: WorkflowPolicy, *, invariants: Sequence[Invariant], within: timedelta
    ) -> StoredDefinition | LookFailed:
        """Query the definition in force, with the good runs that are recorded of it."""
        del invariants
        found = await self._engine.definition(of.run_to_be("none"), policy, within=within)
        if isinstance(found, LookFailed):
            return found
        config = registered_config(found.document, "the platform's registry")
        if isinstance(config, str):
            return LookFailed(reason=config)
        return StoredDefinition(
            definition=config.definition,
            document=found.document,
            version=found.version,
            good_runs=config.good_runs,
        )

    async def replace(
        self, of: WorkflowRef, new: NewVersion, policy: WorkflowPolicy, *, key: str, within: timedelta
    ) -> ReplaceResult:
        """Have the registry take the document where its version is the one that it replaces."""
        order = ReplaceDefinition(run=of.run_to_be(key), definition=new.document, replaces=new.replaces)
        given = await self._engine.give(order, policy, key=key, within=within)
        match given:
            case Accepted() | Rejected(conflict=True):
                seen = await self._engine.definition(of.run_to_be("none"), policy, within=within)
                return _after(seen, new)
            case Rejected() | NotSent() | Ambiguous() | EgressRefused():
                return given
            case _:
                assert_never(given)


def _after(seen: EngineDefinition | LookFailed, new: NewVersion) -> ReplaceResult:
    """Return what became of an order that was answered: of one made again the first may have been carried out."""
    if isinstance(seen, LookFailed):
        return Ambiguous(kind="Unseen", reason=f"after the order: {seen.reason}", elapsed=timedelta(0))
    if same(seen.document, new.document):
        return Replaced(version=seen.version)
    return Rejected(reason="another version is in force by now", conflict=True)
