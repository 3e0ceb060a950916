"""Admission of claimed heals, in the transaction that claims them: first rate limits, then credit holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from consumer.model import AttemptId, Diagnosed, Refused, RetryLater
from consumer.model.batch import HeldBack
from consumer.store.credits import admit_holds
from consumer.store.pool import Connection
from consumer.store.rate_limits import Limited, check_rates, count_starts
from consumer.store.wallets import Hold
from schemas.names import Code

PUT_OFF: timedelta = timedelta(seconds=1)
"""Delay of heals whose wallet somebody else holds locked; nothing is written or told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Claimed heals that may start, and the end of each that may not: its claim stands, to be settled with that end."""

    claimed: tuple[Diagnosed, ...]
    held_back: tuple[tuple[Diagnosed, HeldBack], ...]
    put_off: tuple[Diagnosed, ...] = ()
    """Their wallets are locked by somebody else: the caller takes their claims back, and has them due later."""


async def admit(connection: Connection, claimed: Sequence[Diagnosed]) -> Admitted:
    """Count claimed heals against their rate limits and hold their credits; none are held for those that may not start.

    Lock order: rate limits, then wallets.
    """
    limited = [
        Limited(attempt_id=one.attempt_id, org_id=one.failure.org_id, rates=one.heal.rates)
        for one in claimed
        if one.heal.rates
    ]
    rates = await check_rates(connection, limited)
    holds = [_hold_of(one) for one in claimed]
    wanted = [hold for hold in holds if hold.attempt_id not in rates.waits]
    late = [hold for hold in holds if hold.attempt_id in rates.waits]
    held = await admit_holds(connection, wanted, nothing_for=late)
    await count_starts(connection, rates, held.locked)
    said = "as much of this was healed lately as the catalog allows (`same`, or an action's `cap`)"
    ends: dict[AttemptId, HeldBack] = {a: RetryLater(after=wait, reason=said) for a, wait in rates.waits.items()}
    ends |= {
        hold.attempt_id: Refused(
            code=Code.INSUFFICIENT_CREDITS,
            reason=held.refused[hold.attempt_id],
            payable={hold.pays_from: held.left.get((hold.org_id, hold.pays_from), 0)},
        )
        for hold in wanted
        if hold.attempt_id in held.refused
    }
    put_off = tuple(one for one in claimed if one.attempt_id in held.locked)
    return Admitted(
        claimed=tuple(one for one in claimed if one.attempt_id not in ends and one.attempt_id not in held.locked),
        held_back=tuple((one, ends[one.attempt_id]) for one in claimed if one.attempt_id in ends),
        put_off=put_off,
    )


def _hold_of(one: Diagnosed) -> Hold:
    heal = one.heal
    return Hold(attempt_id=one.attempt_id, org_id=one.failure.org_id, amount=heal.hold, pays_from=heal.intent.pays_from)
