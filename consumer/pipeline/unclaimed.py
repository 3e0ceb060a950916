"""Ends of plans that do not act. A failure on which our own code crashes is given up; the others are not held up."""

from collections.abc import Callable
from datetime import datetime
from random import random
from typing import TypeAlias

import structlog

from consumer.model import Adopt, Ask, Diagnosed, Failure, Refuse, Settlement, Wait
from consumer.model.settlement import AskedStep
from consumer.results.asked import settle_ask
from consumer.results.events import Outlet
from consumer.results.settlement import settle_unclaimed

GiveUp: TypeAlias = Callable[[Failure, str], Diagnosed]
"""Returns a failure with a plan that refuses it, for a reason."""

log = structlog.get_logger(__name__)


def end_unclaimed_plan(
    diagnosed: Diagnosed, plan: Refuse | Wait | Adopt | Ask, now: datetime, outlet: Outlet, give_up: GiveUp
) -> tuple[Diagnosed, Settlement | AskedStep]:
    """Return what a plan that does not act writes, and the failure with the plan that it is of."""
    try:
        if isinstance(plan, Ask):
            return diagnosed, settle_ask(diagnosed, plan, now, outlet)
        return diagnosed, settle_unclaimed(diagnosed, plan, now, random(), outlet)  # noqa: S311 - jitter
    except Exception as error:  # a bug of ours in one failure must not stop all others, at each restart
        log.exception("settle_crashed", failure_id=diagnosed.failure.id)
        reason = f"settling it broke ({type(error).__name__}): report this, and ask for a heal after the fix"
        crashed = give_up(diagnosed.failure, reason)
        if not isinstance(crashed.plan, Refuse):
            raise
        return crashed, settle_unclaimed(crashed, crashed.plan, now, 0.0, outlet)
