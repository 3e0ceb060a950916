"""Relinks an asset that was made before: by the content address of its generation, at no cost."""

from functools import partial

from consumer.heal.auto_regenerate.placing import place
from consumer.heal.auto_regenerate.rules import generation_of
from consumer.heal.auto_regenerate.session import RegenerateSession, proof_of
from consumer.heal.gate import run_permitted
from consumer.heal.kept import Suspended
from consumer.media_store.contract import MediaFile, StoredObject, StoreFailed
from consumer.model import Outcome
from consumer.model.made_asset import MadeAsset
from schemas.names import Code, Verdict


async def relink(session: RegenerateSession, *, lost: int = 0) -> Outcome | Suspended | None:
    """Put the first earlier asset in its place that is whole still, and right; None where there is none.

    `lost`: what a call may have cost whose process died in it; it counts once an earlier asset makes its answer idle.
    """
    generations = [generation_of(session.order, one) for one in session.usable]
    known = await session.tools.made.find(session.task.failure.org_id, generations)
    for generation in generations:
        made = known.get(generation)
        file = None if made is None else await _whole(session, made)
        if made is None or file is None:
            continue
        put = partial(session.store.put, file, session.ref, session.policy, within=session.call_time())
        stored = session.of_store(session.origins.place, await run_permitted(session.gate, put))
        if isinstance(stored, StoredObject):
            session.lose(lost)
            return await place(session, stored, file, made.generator, None if session.paid else Code.RELINKED)
        session.see("cache", stored.reason)
    return None


async def _whole(session: RegenerateSession, made: MadeAsset) -> MediaFile | None:
    """Fetch and judge an earlier asset; what is gone or changed is forgotten."""
    fetched = await session.store.fetch(
        made.digest, session.ref, session.policy, within=session.call_time(), max_bytes=session.limits.asset_bytes
    )
    found = session.of_store(session.origins.place, fetched)
    if isinstance(found, StoreFailed):
        session.see("cache", found.reason)
        if not found.in_doubt and not found.dependency_unhealthy and found.after is None:
            await session.tools.made.forget(made.org_id, made.generation)
        return None
    verdict = await session.judge(found)
    if verdict.verdict is not Verdict.PASSED:
        session.see("cache", f"what was made before is not right: {verdict.detail}")
        return None
    session.proofs.append(proof_of("decoded", verdict, "made before"))
    return MediaFile(content=found, digest=made.digest, media_type=made.media_type)
