"""The state that a heal keeps before it carries out a declared action: what stood there before, and what shall."""

from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import Field

from consumer.heal.kept import HealState
from consumer.model import ActionName, rung_of_action

MAX_WORD: Final = 200
Word: TypeAlias = Annotated[str, Field(max_length=MAX_WORD)] | int | bool | None


class ActionState(HealState):
    """An action that is carried out, or was; its heir looks for it, and knows what to look for."""

    version: ClassVar[int] = 3
    stage: Literal["action"] = "action"
    action: Annotated[str, Field(max_length=80)]
    before: Word
    """What stood at the look's place before the call."""
    target: Word = None
    """The larger memory class that was chosen."""
    sent: bool = False
    """The call was answered; else it may not have been made."""
    looks: int = Field(default=0, ge=0)
    left: float = Field(ge=0, allow_inf_nan=False)
    """What is left of the time to look for it, in seconds."""

    @property
    def of_action(self) -> ActionName:
        """Its rung."""
        return rung_of_action(self.action)
