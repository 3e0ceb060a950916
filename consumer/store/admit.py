"""ADMIT: what claimed heals still need before they start, in the transaction that claims them: limits, then credits."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from consumer.model import AttemptId, Diagnosed, Heal, Refused, RetryLater, attempt_id
from consumer.store.credits import Hold, admit_holds
from consumer.store.limits import Limited, admit_rates
from consumer.store.pool import Connection
from schemas.names import Code

HeldBack: TypeAlias = Refused | RetryLater


async def admit(connection: Connection, claimed: Sequence[Diagnosed]) -> Mapping[AttemptId, HeldBack]:
    """Count claimed heals against their limits and hold their credits; give how each ends that may not start.

    Its claim stands with nothing held, to be settled with that end. Order of locks: limits, then wallets.
    """
    heals = [(one.failure.org_id, attempt_id(one.failure.id, one.failure.step), _heal(one)) for one in claimed]
    limited = [Limited(attempt_id=a, org_id=org, rate=plan.rate) for org, a, plan in heals if plan.rate is not None]
    waits = await admit_rates(connection, limited)
    wanted = [Hold(attempt_id=a, org_id=org, amount=plan.hold) for org, a, plan in heals if a not in waits]
    late = [Hold(attempt_id=a, org_id=org, amount=plan.hold) for org, a, plan in heals if a in waits]
    poor = await admit_holds(connection, wanted, nothing_for=late)
    said = "as much of this was healed lately as the catalog allows (`same`)"
    return {a: RetryLater(after=wait, reason=said) for a, wait in waits.items()} | {
        a: Refused(code=Code.INSUFFICIENT_CREDITS, reason=why) for a, why in poor.items()
    }


def _heal(diagnosed: Diagnosed) -> Heal:
    if not isinstance(diagnosed.plan, Heal):
        raise TypeError("only a plan to heal is claimed")
    return diagnosed.plan
