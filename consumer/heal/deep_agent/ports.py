"""What a rewrite needs of others: the registry, and the memory of patches and of what became of them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from consumer.catalog import WorkflowPolicy
from consumer.model import AttemptId, FailureId, OrgId
from consumer.model.definition_watch import DefinitionWatch
from consumer.model.rewrite import Rewrite
from consumer.model.token_budget import Grant, ModelCall, TokenLimits, TokensShort, TokenUse
from consumer.runners.definitions import DefinitionStore, DefinitionStores
from consumer.runners.registry import Entry, Registry

NO_WINDOW: Final = timedelta(0)


class Rewrites(Protocol):
    """Patches that were proposed; `consumer/store/rewrites.py` is one."""

    async def remember(self, one: Rewrite) -> None:
        """Keep a proposed patch."""
        ...

    async def proposed(self, failure_id: FailureId, told_digest: str) -> Rewrite | None:
        """Return the patch of a failure that a person was asked for under this digest."""
        ...

    async def of_attempt(self, attempt_id: AttemptId) -> Rewrite | None:
        """Return the patch that an attempt has proposed."""

    async def approve(self, attempt_id: AttemptId) -> None:
        """Mark a patch as approved."""
        ...

    async def past(self, org_id: OrgId, fingerprint: str) -> tuple[Rewrite, ...]:
        """Return the latest verified patches of a fingerprint in an organisation."""
        ...


class DefinitionWatches(Protocol):
    """Definitions that are put in force, and watched; `consumer/pipeline/definitions.py` is one."""

    async def open(self, watch: DefinitionWatch) -> DefinitionWatch:
        """Make durable that a definition is about to be put in force; returns the row of that attempt."""
        ...

    async def find(self, attempt_id: AttemptId) -> DefinitionWatch | None:
        """Return the row of an attempt, or None."""
        ...

    async def change(self, after: DefinitionWatch, window: timedelta = NO_WINDOW) -> DefinitionWatch | None:
        """Write what has become of it, and tell it; None where that is settled already."""
        ...


class NoStores:
    """Of a process that only plans: nothing can be put in force."""

    def of(self, policy: WorkflowPolicy) -> DefinitionStore | None:
        """Return that there is none."""
        del policy
        return None


class NothingProposed:
    """The registry, memory and budgets of a process that only plans: it knows no definition, and asks no model."""

    async def entry(self, org_id: OrgId, workflow_name: str) -> Entry | None:
        """Return that the registry has none."""
        del org_id, workflow_name
        return None

    async def put(
        self, org_id: OrgId, workflow_name: str, config: object, *, replaces: str, row_id: UUID
    ) -> Entry | None:
        """Put nothing."""
        del org_id, workflow_name, config, replaces, row_id
        return None

    async def open(self, watch: DefinitionWatch) -> DefinitionWatch:
        """Open nothing."""
        return watch

    async def find(self, attempt_id: AttemptId) -> DefinitionWatch | None:
        """Return that there is none."""
        del attempt_id
        return None

    async def change(self, after: DefinitionWatch, window: timedelta = NO_WINDOW) -> DefinitionWatch | None:
        """Change nothing."""
        del after, window
        return None

    async def remember(self, one: Rewrite) -> None:
        """Forget it at once."""

    async def proposed(self, failure_id: FailureId, told_digest: str) -> Rewrite | None:
        """Return that nothing was proposed."""
        del failure_id, told_digest
        return None

    async def of_attempt(self, attempt_id: AttemptId) -> Rewrite | None:
        """Return that nothing was proposed."""
        del attempt_id
        return None

    async def approve(self, attempt_id: AttemptId) -> None:
        """Have nothing to approve."""

    async def past(self, org_id: OrgId, fingerprint: str) -> tuple[Rewrite, ...]:
        """Return that there is none."""
        del org_id, fingerprint
        return ()

    async def reserve(
        self, call: ModelCall, limits: TokenLimits, *, input_tokens: int, output_tokens: int, least_output: int
    ) -> Grant:
        """Grant nothing."""
        del call, limits, input_tokens, output_tokens, least_output
        return TokensShort(scope="planning", left=0)

    async def settle(self, call_id: UUID, use: TokenUse) -> None:
        """Have nothing to settle."""

    async def used_by(self, attempt_id: AttemptId) -> TokenUse:
        """Return that nothing was used."""
        del attempt_id
        return TokenUse()


NOTHING_PROPOSED: Final = NothingProposed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Where definitions are kept and put in force, and what became of those that were."""

    registry: Registry = NOTHING_PROPOSED
    stores: DefinitionStores = NoStores()  # noqa: RUF009 - it has no state
    watches: DefinitionWatches = NOTHING_PROPOSED


NO_DEFINITIONS: Final = Definitions()
