"""Approvals in the catalog: which plans of a workflow need a person's yes, whose, and what silence comes to."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from consumer.catalog.declared import Declared
from consumer.catalog.ladder import DeclaredRung


class ApprovalRules(Declared):
    """Plans that need an approval, and its rules. What is marked acts only after a yes; silence is never one."""

    strategies: tuple[DeclaredRung, ...] = ()
    """Strategies whose every plan needs one."""
    above_aud: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """Plans that would hold more than this need one."""
    lossy: bool = False
    """Repairs of a payload need one that leave out or fill in values; the exact edits are asked for."""
    money: bool = False
    """Failures of billing need one, and repairs that touch a `guarded` field of the payload."""
    first: bool = False
    """The first heals of a fingerprint need one, until one of them has been proven."""
    valid_for: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=30))] = timedelta(hours=4)
    """Time to answer; and, from the answer on, to begin what was approved."""
    asks: Annotated[int, Field(ge=1, le=100)] = 3
    """How often a plan is asked for that nobody answers, or that another has overtaken."""
    on_expiry: Literal["deny", "hold"] = "hold"
    """After the last time: the next rung goes on as after a denial, or the failure waits for a person."""
    approvers: Annotated[int, Field(ge=1, le=5)] = 1
    """How many people have to approve; 2 is the two-person rule."""
    self_approval: bool = True
    """Whether a person who asked for the heal may approve its plan."""

    @property
    def marks_plans(self) -> bool:
        """Whether a plan can need an approval before its heal begins."""
        return bool(self.strategies) or self.above_aud is not None or self.money or self.first
