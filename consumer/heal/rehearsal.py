"""Rehearsal of a heal in shadow mode: the strategy's own code, looks and repairs included, up to its first effect.

Its gate lets no effect begin, and the way out sends no call that is one, whatever the strategy does. Nothing is
claimed, held or kept for it; a second rehearsal does no harm.
"""

import asyncio
import time
from datetime import timedelta
from typing import Final, assert_never

import structlog

from consumer.errors import TransientError, WouldAct
from consumer.heal.kept import HealState, Suspended, encode_state
from consumer.heal.strategy import Strategy, Task
from consumer.model import Crashed, Healed, JsonObject, MicroAud, NotHealed, Outcome, Refused, RetryLater, Unknown
from consumer.model.call import MAY_START, REHEARSED, OutboundRequest
from consumer.model.plan import Rehearsal
from consumer.outbound.answer_room import holding_answers
from consumer.redact import redact_json, redact_text
from schemas.names import RehearsalOutcome

log = structlog.get_logger(__name__)

REHEARSED_WITHIN: Final = timedelta(seconds=8)
"""Below the time for which a picked failure is hidden: so long it waits before anything else is done about it."""
MAX_BODY: Final = 4096
"""Characters of a body that are told."""
MAX_REASON: Final = 500


class RehearsalGate:
    """The effect gate of a rehearsal: nothing begins, and nothing is kept."""

    def __init__(self, within: timedelta) -> None:
        self._ends_at = time.monotonic() + within.total_seconds()

    async def begin(self) -> None:
        """Raise WouldAct: here the effect would begin."""
        raise WouldAct

    async def keep(self, state: HealState) -> None:
        """Check that a state could be kept."""
        encode_state(state)

    def unsent(self) -> None:
        """Revert nothing: nothing has begun."""

    def charge(self, amount: MicroAud) -> None:
        """Settle nothing: whoever charges a rehearsal has let a call that costs begin without its gate."""
        log.error("rehearsal_charged", amount=amount)

    def cover(self, amount: MicroAud) -> None:
        """Cover nothing: nothing is charged."""

    def remaining(self) -> timedelta:
        """Return the time until the rehearsal ends."""
        return timedelta(seconds=max(0.0, self._ends_at - time.monotonic()))


async def rehearse(strategy: Strategy, task: Task, within: timedelta = REHEARSED_WITHIN) -> Rehearsal:
    """Run a strategy up to its first effect, and return what came of it; raises nothing of the strategy's."""
    would_send: list[JsonObject] = []

    def tell(request: OutboundRequest) -> None:
        would_send.append(describe_call(request))

    rehearsed, permitted = REHEARSED.set(tell), MAY_START.set(_never)
    try:
        with holding_answers():
            async with asyncio.timeout(within.total_seconds()):
                return _of_end(await strategy.heal(task, RehearsalGate(within)))
    except WouldAct as end:
        if end.refused is not None:
            return Rehearsal(outcome=RehearsalOutcome.REFUSED, reason=redact_text(end.refused)[:MAX_REASON])
        return Rehearsal(outcome=RehearsalOutcome.WOULD_ACT, would_send=tuple(would_send))
    except TimeoutError:
        reason = f"it did not come to its effect within {within.total_seconds():g} s"
        return Rehearsal(outcome=RehearsalOutcome.PUT_OFF, reason=reason)
    except TransientError as error:
        return Rehearsal(outcome=RehearsalOutcome.PUT_OFF, reason=redact_text(str(error))[:MAX_REASON])
    except Exception as error:  # a strategy's bug must not stop the failures behind it
        log.exception("rehearsal_broke", strategy=strategy.name, failure_id=str(task.failure.id))
        return Rehearsal(outcome=RehearsalOutcome.BROKEN, reason=f"{strategy.name} broke: {type(error).__name__}")
    finally:
        REHEARSED.reset(rehearsed)
        MAY_START.reset(permitted)


def describe_call(request: OutboundRequest) -> JsonObject:
    """Return a call as it is told: redacted, cut, and with its credentials as references."""
    body = request.body.decode("utf-8", "replace") if request.body is not None else None
    told: JsonObject = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": body,
    }
    clean, _ = redact_json(told)
    if not isinstance(clean, dict):
        return {"method": request.method}
    shown = clean.get("body")
    return clean | ({"body": shown[:MAX_BODY]} if isinstance(shown, str) else {})


def _never() -> bool:
    return False


def _of_end(ended: Outcome | Suspended) -> Rehearsal:
    match ended:
        case Healed(proofs=proofs):
            outcome, reason = RehearsalOutcome.RECOVERED, "; ".join(proof.detail for proof in proofs)
        case Refused(reason=reason):
            outcome = RehearsalOutcome.REFUSED
        case RetryLater(reason=reason) | Suspended(reason=reason):
            outcome = RehearsalOutcome.PUT_OFF
        case NotHealed(reason=reason) | Unknown(reason=reason):
            outcome = RehearsalOutcome.NOT_HEALED
        case Crashed(reason=reason):
            outcome = RehearsalOutcome.BROKEN
        case _:
            assert_never(ended)
    return Rehearsal(outcome=outcome, reason=redact_text(reason)[:MAX_REASON])
