"""Looks at the asset as its users fetch it, before anything is made, and at what its address points at."""

from datetime import timedelta
from functools import partial
from typing import Final

from consumer.errors import WouldAct
from consumer.heal.auto_regenerate.session import RegenerateSession, proof_of
from consumer.heal.gate import run_permitted
from consumer.media_store.contract import FetchedAsset, Served, StoreFailed
from consumer.model import Healed, Refused, RetryLater
from schemas.names import Code, StrategyName, Verdict

_LOOK_AGAIN: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(minutes=10)


async def look_first(session: RegenerateSession) -> Healed | Refused | RetryLater | None:
    """Look before anything is made: what is there and right has recovered; None where something has to be made."""
    found = session.of_store(
        session.origins.public, await session.store.served(session.ref, session.policy, within=session.call_time())
    )
    if found.served is Served.UNREACHABLE:
        session.see("address", found.detail)
        reason = f"its address cannot be seen ({found.detail}): nothing is made that could not be proven"
        return session.retry_later(found.fresh_in or _LOOK_AGAIN, reason)
    if found.unseen is not None:
        return _unseen(session, session.of_store(session.origins.place, found.unseen))
    if (seen := await _recovered(session, found)) is not None:
        return seen
    pointer = session.of_store(
        session.origins.pointer, await session.store.look(session.ref, session.policy, within=session.call_time())
    )
    if isinstance(pointer, StoreFailed):
        return _unseen(session, pointer)
    session.pointer = pointer
    return None


def _unseen(session: RegenerateSession, failed: StoreFailed) -> Refused | RetryLater:
    reason = f"the store cannot be seen ({failed.reason}): nothing is made that could not be kept"
    return _stopped_by(session, failed, reason)


def _stopped_by(session: RegenerateSession, failed: StoreFailed, reason: str) -> Refused | RetryLater:
    session.see("store", failed.reason)
    return session.refused(reason) if failed.refused else session.retry_later(failed.after or _LOOK_AGAIN, reason)


async def check_store(session: RegenerateSession) -> Refused | RetryLater | None:
    """Have the store show that it compares and sets, before anything is paid that two heals could both put there."""
    permitted = partial(run_permitted, session.gate)
    try:
        checked = await session.store.check(session.ref, session.policy, permitted, within=session.call_time())
    except WouldAct:
        return None  # a rehearsal tells of what is made, not of this
    failed = session.of_store(session.origins.place, checked)
    return None if failed is None else _stopped_by(session, failed, f"nothing is made: {failed.reason}")


async def _recovered(session: RegenerateSession, found: FetchedAsset) -> Healed | RetryLater | None:
    if found.content is None:
        session.see("address", found.detail)
        return None
    verdict = await session.judge(found.content)
    session.see("address", f"{found.detail}, {verdict.verdict}: {verdict.detail}")
    if verdict.verdict is not Verdict.PASSED:
        return None
    if found.served is Served.STALE:
        # What an earlier attempt has put there is read back as it was then, until it is seen or counts as unverified.
        return None if _acted(session) else await _behind(session, found)
    session.prove(verdict.evidence)
    return session.healed(
        (proof_of("asset", verdict, "as users fetch it"),), None if _acted(session) else Code.RECOVERED
    )


async def _behind(session: RegenerateSession, found: FetchedAsset) -> RetryLater:
    """Have caches forget what they still serve: the right one stands behind them, and nothing has to be made."""
    failed = await session.store.purge(session.ref, session.policy, within=session.call_time())
    if failed is not None:
        session.see("caches", f"not purged: {failed.reason}")
    wait = min(found.fresh_in or _LOOK_AGAIN, _LONGEST_WAIT)
    return session.retry_later(wait, f"the right one stands behind a cache: {found.detail}")


def _acted(session: RegenerateSession) -> bool:
    failure = session.task.failure
    before = failure.ladder_progress.attempts.get(StrategyName.AUTO_REGENERATE, 0)
    return session.calls > 0 or failure.effect_in_doubt or before > 0
