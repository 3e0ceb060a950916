"""What a change request keeps on its claim: how far it is, and once it is merged the run that was ordered."""

from typing import Annotated, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from consumer.heal.kept import HealState
from consumer.runners.contract import Phase, RunState

MAX_WORD: Final = 200
Word: TypeAlias = Annotated[str, Field(max_length=MAX_WORD)]


class ChangeState(HealState):
    """A change request that is to be sent, is open, or is merged and has its run under way."""

    version: ClassVar[int] = 10
    stage: Literal["sending", "open", "running"] = "sending"
    rewrite: UUID
    """The attempt that proposed the patch: it is found by it."""
    calls_made: int = Field(default=0, ge=0)
    request_id: Word | None = None
    run_id: Word | None = None
    """From here on: the run that was ordered, and where the failed one stood before."""
    run_epoch: int | None = None
    phase_before: Phase = Phase.FAILED
    epoch_before: int | None = None
    progress_before: Word | None = None
    fence_before: Word | None = None
    given: bool = False
    """The order was answered; else it may not have been given."""
    moved: bool = False
    looks: int = Field(default=0, ge=0)

    @property
    def before(self) -> RunState:
        """How the failed run stood before the order."""
        return RunState(
            phase=self.phase_before,
            said="",
            epoch=self.epoch_before,
            progress=self.progress_before,
            fence=self.fence_before,
        )
