"""Looks at the asset as its users fetch it, before anything is made, and at what its address points at."""

from datetime import timedelta
from typing import Final

from consumer.heal.auto_regenerate.session import RegenerateSession, proof_of
from consumer.media_store.contract import FetchedAsset, Served, StoreFailed
from consumer.model import Healed, Refused, RetryLater
from schemas.names import Code, StrategyName, Verdict

_LOOK_AGAIN: Final = timedelta(seconds=30)


async def look_first(session: RegenerateSession) -> Healed | Refused | RetryLater | None:
    """Look before anything is made: what is there and right has recovered; None where something has to be made."""
    found = session.of_store(
        session.origins.public, await session.store.served(session.ref, session.policy, within=session.call_time())
    )
    if found.served is Served.UNREACHABLE:
        session.see("address", found.detail)
        reason = f"its address cannot be seen ({found.detail}): nothing is made that could not be proven"
        return session.retry_later(found.fresh_in or _LOOK_AGAIN, reason)
    if (healed := await _recovered(session, found)) is not None:
        return healed
    pointer = session.of_store(
        session.origins.pointer, await session.store.look(session.ref, session.policy, within=session.call_time())
    )
    if isinstance(pointer, StoreFailed):
        session.see("store", pointer.reason)
        reason = f"the store cannot be seen ({pointer.reason}): nothing is made that could not be kept"
        return session.refused(reason) if pointer.refused else session.retry_later(pointer.after or _LOOK_AGAIN, reason)
    session.pointer = pointer
    return None


async def _recovered(session: RegenerateSession, found: FetchedAsset) -> Healed | None:
    if found.content is None:
        session.see("address", found.detail)
        return None
    verdict = await session.judge(found.content)
    session.see("address", f"{found.detail}, {verdict.verdict}: {verdict.detail}")
    if verdict.verdict is not Verdict.PASSED:
        return None
    return session.healed(
        (proof_of("asset", verdict, "as users fetch it"),), None if _acted(session) else Code.RECOVERED
    )


def _acted(session: RegenerateSession) -> bool:
    failure = session.task.failure
    before = failure.ladder_progress.attempts.get(StrategyName.AUTO_REGENERATE, 0)
    return session.calls > 0 or failure.effect_in_doubt or before > 0
