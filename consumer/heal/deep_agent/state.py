"""What a rewrite keeps on its claim: how far the agent is, or how far what was approved is on its way into force."""

from typing import Annotated, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from consumer.agent.states import Progress
from consumer.heal.kept import HealState, keepable_text
from consumer.heal.strategy import Redact
from consumer.model.token_budget import TokenUse

_MOST: Final = 2000
Notes: TypeAlias = Annotated[str, Field(max_length=_MOST)]


class RewriteState(HealState):
    """How far the agent is. Its calls are in the token ledger; of these, what was charged by then."""

    version: ClassVar[int] = 1
    state: Literal["understand", "collect", "propose"] = "understand"
    hypothesis: Notes = ""
    cause: Notes = ""
    proposals: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)

    @property
    def progress(self) -> Progress:
        """How far it is, as the agent takes it."""
        return Progress(state=self.state, hypothesis=self.hypothesis, cause=self.cause, proposals=self.proposals)

    @property
    def charged(self) -> TokenUse:
        """What had been charged when it was kept."""
        return TokenUse(input=self.input_tokens, output=self.output_tokens)


class CanaryState(HealState):
    """How far an approved patch is. Each step is kept before its call, and made again by whoever goes on."""

    version: ClassVar[int] = 2
    rewrite: UUID
    """The attempt that proposed the patch: the definitions are where they are kept."""
    step: Literal["starting", "running", "promoting"] = "starting"
    run_id: Annotated[str, Field(max_length=512)] = ""
    """The canary, where its id can be kept; else it is found by the key under which it was started."""


def state_of(progress: Progress, used: TokenUse, redact: Redact) -> RewriteState:
    """Return the state to keep: the model's own words are cut and redacted, for they may hold anything."""
    return RewriteState(
        state=progress.state,
        hypothesis=keepable_text(progress.hypothesis, redact, _MOST),
        cause=keepable_text(progress.cause, redact, _MOST),
        proposals=progress.proposals,
        input_tokens=used.input,
        output_tokens=used.output,
    )
