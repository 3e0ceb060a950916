"""Puts an asset in its place: stored whole, remembered, the address swapped, and read back until it is the new one."""

from datetime import timedelta
from functools import partial
from typing import Final

from consumer.generators.contract import Generator
from consumer.heal.auto_regenerate.look import look_first
from consumer.heal.auto_regenerate.rules import generation_of
from consumer.heal.auto_regenerate.session import RegenerateSession, proof_of
from consumer.heal.auto_regenerate.state import MakeState
from consumer.heal.gate import run_permitted
from consumer.heal.kept import SUSPEND_ABOVE, Suspended
from consumer.heal.session import SECOND, proof
from consumer.media.verdict import MediaVerdict
from consumer.media_store.contract import FetchedAsset, MediaFile, Served, StoredObject, StoreFailed, SwapLost, Swapped
from consumer.model import Healed, MicroAud, Outcome, Proof, RetryLater
from consumer.model.made_asset import MadeAsset
from schemas.names import Code, Verdict

_TRIES: Final = 3
_PAUSE: Final = timedelta(seconds=1)
_FIRST_PAUSE: Final = timedelta(seconds=0.5)
_LONGEST_PAUSE: Final = timedelta(seconds=30)
_STORE_AGAIN: Final = timedelta(seconds=30)


async def keep_made(
    session: RegenerateSession, generator: Generator, file: MediaFile, verdict: MediaVerdict, cost: int
) -> Outcome | Suspended:
    """Store a new asset whole, remember it, and put it in its place."""
    stored = await _stored(session, file)
    if isinstance(stored, StoreFailed):
        return session.failed(Code.NOT_HEALED, f"it was made, and could not be stored: {stored.reason}")
    await session.keep(_state(session, file, generator.name))
    made = MadeAsset(
        org_id=session.task.failure.org_id,
        generation=generation_of(session.order, generator),
        digest=file.digest,
        media_type=file.media_type,
        size=len(file.content),
        generator=generator.name,
        cost=MicroAud(cost),
        attempt_id=session.task.attempt_id,
    )
    await session.tools.made.remember(made)
    session.proofs.append(proof_of("decoded", verdict, f"what {generator.name} made"))
    return await place(session, stored, file, generator.name)


async def _stored(session: RegenerateSession, file: MediaFile) -> StoredObject | StoreFailed:
    for n in range(1, _TRIES + 1):
        put = partial(session.store.put, file, session.ref, session.policy, within=session.call_time())
        stored = session.of_store(session.origins.place, await run_permitted(session.gate, put))
        if isinstance(stored, StoredObject) or stored.refused or n == _TRIES:
            break
        await session.sleep(stored.after or _PAUSE)
    return stored


def _state(session: RegenerateSession, file: MediaFile, generator: str) -> MakeState:
    return session.state(
        "stored",
        generator=generator[:160],
        digest=file.digest,
        media_type=file.media_type,
        began=session.tools.now().timestamp(),
    )


async def place(
    session: RegenerateSession, stored: StoredObject, file: MediaFile, generator: str, code: Code | None = None
) -> Outcome | Suspended:
    """Have the address point at an object that is stored, and read it back."""
    swapped = await _swapped(session, stored, file)
    match swapped:
        case StoreFailed(reason=reason):
            return session.failed(Code.NOT_HEALED, f"its address could not be pointed at it: {reason}")
        case SwapLost():
            return await _after_lost_race(session)
        case Swapped():
            state = _state(session, file, generator).model_copy(update={"stage": "placed"})
            await session.keep(state)
            if (
                failed := await session.store.purge(session.ref, session.policy, within=session.call_time())
            ) is not None:
                session.see("caches", f"not purged: {failed.reason}")
            return await read_back(session, state, file, code)


async def _swapped(
    session: RegenerateSession, stored: StoredObject, file: MediaFile
) -> Swapped | SwapLost | StoreFailed:
    if session.pointer is None:
        raise TypeError("what was never looked at is not swapped")
    for n in range(1, _TRIES + 1):
        swap = partial(
            session.store.swap, session.ref, stored, file, session.pointer, session.policy, within=session.call_time()
        )
        swapped = session.of_store(session.origins.pointer, await run_permitted(session.gate, swap))
        if not isinstance(swapped, StoreFailed) or swapped.refused or n == _TRIES:
            break
        await session.sleep(swapped.after or _PAUSE)
    return swapped


async def _after_lost_race(session: RegenerateSession) -> Outcome:
    """Look at what another one has put there: right, the failure is healed; the object of this heal stays stored."""
    seen = await look_first(session)
    if isinstance(seen, Healed):
        return session.healed((*session.proofs, *seen.proofs))
    if isinstance(seen, RetryLater):
        return session.failed(Code.UNVERIFIED, f"another one has changed the address meanwhile: {seen.reason}")
    return session.failed(Code.UNVERIFIED, "another one has changed the address meanwhile, to what is not right")


async def read_back(
    session: RegenerateSession, state: MakeState, file: MediaFile, code: Code | None = None
) -> Outcome | Suspended:
    """Fetch the asset as its users do until it is the new one, and right; caches get `verify` to forget the old one."""
    looks = state.looks
    while True:
        fetched = await session.store.read_back(session.ref, file, session.policy, within=session.call_time())
        found = session.of_store(session.origins.public, fetched)
        session.see("address", f"{found.served}: {found.detail}")
        if found.served is Served.NEW and found.content is not None:
            return await _judged(session, found.content, code)
        waited = timedelta(seconds=session.tools.now().timestamp() - state.began)
        left = session.limits.verify - waited
        if left <= timedelta(0):
            reason = (
                f"it was made and stored; {waited / SECOND:.0f} s later its users get {found.served}: {found.detail}"
            )
            return session.failed(Code.UNVERIFIED, reason, (_denied(found),))
        looks += 1
        pause = min(found.fresh_in or _FIRST_PAUSE * 2 ** min(looks - 1, 10), _LONGEST_PAUSE, left)
        if pause > SUSPEND_ABOVE or session.gate.remaining() < pause + 2 * session.limits.timeout:
            later = state.model_copy(update={"looks": looks})
            return Suspended(state=later, look_again=pause, reason=f"it is stored, and its users get {found.served}")
        await session.sleep(max(pause, timedelta(milliseconds=50)))


async def _judged(session: RegenerateSession, content: bytes, code: Code | None) -> Outcome:
    verdict = await session.judge(content)
    said = proof_of("asset", verdict, "as users fetch it")
    if verdict.verdict is Verdict.PASSED:
        session.prove(verdict.evidence)
        return session.healed((*session.proofs, said), code)
    return session.failed(Code.NOT_HEALED, "what its users get is not what was asked for", (said,))


def _denied(found: FetchedAsset) -> Proof:
    verdict = Verdict.INCONCLUSIVE if found.served is Served.UNREACHABLE else Verdict.FAILED
    return proof("asset", verdict, f"its users get {found.served}: {found.detail}")


async def stored_file(session: RegenerateSession, state: MakeState) -> MediaFile | Outcome | Suspended:
    """Fetch an object that was stored before; the end, or a wait, where it is not to be had."""
    fetched = await session.store.fetch(
        state.digest,
        session.ref,
        session.policy,
        within=session.call_time(),
        max_bytes=session.limits.asset_bytes,
    )
    found = session.of_store(session.origins.place, fetched)
    if isinstance(found, bytes):
        return MediaFile(content=found, digest=state.digest, media_type=state.media_type)
    if found.in_doubt or found.dependency_unhealthy or found.after is not None:
        return Suspended(state=state, look_again=found.after or _STORE_AGAIN, reason=found.reason)
    return session.failed(
        Code.NOT_HEALED, f"it was made and stored, and is not to be had from the store: {found.reason}"
    )


async def go_on_placing(session: RegenerateSession, state: MakeState) -> Outcome | Suspended:
    """Go on with an object that is stored: put it in its place, or read back that it is."""
    file = await stored_file(session, state)
    if not isinstance(file, MediaFile):
        return file
    if state.stage == "placed":
        return await read_back(session, state, file)
    stored = await _stored(session, file)
    if isinstance(stored, StoreFailed):
        return session.failed(Code.NOT_HEALED, f"it was made, and could not be stored: {stored.reason}")
    return await place(session, stored, file, state.generator)
