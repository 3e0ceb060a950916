"""Puts back the definition that a rewrite has replaced: where that is still in force, and by compare-and-set."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, TypeVar, assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.model.definition_watch import DefinitionWatch, RewriteStage
from consumer.runners.contract import LookFailed, Rejected
from consumer.runners.definitions import (
    DefinitionStore,
    NewVersion,
    Replaced,
    ReplaceResult,
    StoredDefinition,
    WorkflowRef,
)
from consumer.workflows.definition import Invariant

ResultT = TypeVar("ResultT")


class EffectPermit(Protocol):
    """Makes one call at a definition store, whatever that returns, once its effect may begin."""

    async def __call__(self, act: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Make the call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionPlace:
    """Where one workflow's definition is kept."""

    store: DefinitionStore
    of: WorkflowRef
    policy: WorkflowPolicy
    invariants: Sequence[Invariant]

    async def read(self, within: timedelta) -> StoredDefinition | LookFailed:
        """Read the definition in force."""
        return await self.store.read(self.of, self.policy, invariants=self.invariants, within=within)

    async def replace(self, new: NewVersion, *, key: str, within: timedelta) -> ReplaceResult:
        """Replace the definition in force."""
        return await self.store.replace(self.of, new, self.policy, key=key, within=within)


async def put_back(
    place: DefinitionPlace, watch: DefinitionWatch, permit: EffectPermit, *, key: str, within: timedelta
) -> DefinitionWatch | str:
    """Put back what stood before; returns the row as it is then, or why nobody knows yet.

    Where another definition is in force by now than the one that was put there, nothing is done.
    """
    stored = await place.read(within)
    if isinstance(stored, LookFailed):
        return stored.reason
    if stored.definition.digest == watch.base_digest:
        return replace(watch, state=RewriteStage.ROLLED_BACK, version=stored.version)
    if stored.definition.digest != watch.digest:
        return replace(watch, state=RewriteStage.SUPERSEDED)
    new = NewVersion(document=watch.before, replaces=stored.version)
    result = await permit(lambda: place.replace(new, key=key, within=within))
    match result:
        case Replaced(version=version):
            return replace(watch, state=RewriteStage.ROLLED_BACK, version=version)
        case Rejected(conflict=True):
            return replace(watch, state=RewriteStage.SUPERSEDED)
        case Rejected(reason=reason) | NotSent(reason=reason) | Ambiguous(reason=reason) | EgressRefused(reason=reason):
            return reason
        case _:
            assert_never(result)
