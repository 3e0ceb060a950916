"""What the rewrite of a workflow needs of others: the registry of definitions, and the memory of proposed patches."""

from typing import Final, Protocol
from uuid import UUID

from consumer.model import AttemptId, FailureId, OrgId
from consumer.model.rewrite import Rewrite
from consumer.model.token_budget import Grant, ModelCall, TokenLimits, TokensShort, TokenUse


class Rewrites(Protocol):
    """Definitions as the registry has them, and patches that were proposed; `consumer/store/rewrites.py` is one."""

    async def config(self, org_id: OrgId, workflow_name: str) -> object | None:
        """Return the registry's document of a workflow, or None."""
        ...

    async def remember(self, one: Rewrite) -> None:
        """Keep a proposed patch."""
        ...

    async def proposed(self, failure_id: FailureId, told_digest: str) -> Rewrite | None:
        """Return the patch of a failure that a person was asked for under this digest."""
        ...

    async def of_attempt(self, attempt_id: AttemptId) -> Rewrite | None:
        """Return the patch that an attempt has proposed."""
        ...

    async def approve(self, attempt_id: AttemptId) -> None:
        """Mark a patch as approved."""
        ...

    async def past(self, org_id: OrgId, fingerprint: str) -> tuple[Rewrite, ...]:
        """Return the latest approved patches of a fingerprint in an organisation."""
        ...


class NothingProposed:
    """The registry, memory and budgets of a process that only plans: it knows no definition, and asks no model."""

    async def config(self, org_id: OrgId, workflow_name: str) -> object | None:
        """Return that there is none."""
        del org_id, workflow_name
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
