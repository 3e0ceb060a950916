"""Budgets of a language model in tokens: the call to be made, what it may use, and what is known to have been used."""

from typing import Final, TypeAlias
from uuid import UUID

from consumer.model.identity import AttemptId, FailureId, MicroAud, OrgId
from schemas.value import value

_MILLION: Final = 1_000_000


@value(frozen=True, slots=True, kw_only=True)
class TokenLimits:
    """The most tokens, input and output together, that calls of one scope may use."""

    failure: int
    """For one failure, over its whole life."""
    workflow: int
    """For one workflow of an organisation, in a day (UTC)."""
    organisation: int
    """For one organisation, in a day."""
    day: int
    """For all organisations of this deployment, in a day."""


@value(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call of a model, by its own id: reserved once, settled at most once."""

    id: UUID
    attempt_id: AttemptId
    failure_id: FailureId
    org_id: OrgId
    workflow_name: str
    purpose: str = "rewrite"
    """Budgets of one purpose have nothing to do with those of another."""


@value(frozen=True, slots=True, kw_only=True)
class TokensGranted:
    """The call may be made: its input, and at most so many tokens of output, are reserved in every scope."""

    output: int


@value(frozen=True, slots=True, kw_only=True)
class TokensShort:
    """The call must not be made: the scope that is nearest to its limit has no room for it."""

    scope: str
    left: int


Grant: TypeAlias = TokensGranted | TokensShort


@value(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """What the calls of one heal have used: what answers told, and what was reserved for those that never came."""

    input: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.input + self.output


@value(frozen=True, slots=True, kw_only=True)
class TokenPrice:
    """What a million tokens cost, in millionths of an AUD."""

    input: int
    output: int

    def cost(self, use: TokenUse) -> MicroAud:
        """Return what tokens cost; a part of a millionth is one, so that nothing is given away."""
        return MicroAud(-(-(use.input * self.input + use.output * self.output) // _MILLION))

    def affordable(self, input_tokens: int, money: int) -> int | None:
        """Return how much output an amount pays beside that input; None: it sets no limit, for output is free."""
        left = money * _MILLION - input_tokens * self.input
        if left < 0:
            return 0
        return left // self.output if self.output else None
