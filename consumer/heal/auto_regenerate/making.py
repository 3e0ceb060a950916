"""Makes an asset: one generator after the other, each call kept before it begins, within what is held for it.

A call whose answer never came may be paid. With a key it is made again under that key; without one the generator's
history is read first, then it counts as paid, and is made again only within what is left of the hold.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, assert_never

from consumer.generators.contract import (
    Declined,
    DeclineKind,
    Generator,
    JobUnseen,
    Made,
    MakeResult,
    NothingFound,
    Submitted,
)
from consumer.heal.auto_regenerate.placing import keep_made
from consumer.heal.auto_regenerate.relink import relink
from consumer.heal.auto_regenerate.rules import generation_of, key_of
from consumer.heal.auto_regenerate.session import RegenerateSession, proof_of
from consumer.heal.auto_regenerate.state import MakeState
from consumer.heal.gate import run_permitted
from consumer.heal.kept import Suspended, is_keepable
from consumer.heal.session import SECOND
from consumer.media_store.contract import MediaFile
from consumer.model import NotHealed, Outcome
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from schemas.names import Code, Verdict

_MANY: Final = 2
"""Wrong assets of one generator after which the next one is asked."""
_UNKNOWN: Final = "application/octet-stream"
_UNKEPT: Final = "the id of its job cannot be kept"
_FIND_AGAIN: Final = timedelta(seconds=30)


class Refusals:
    """What generators said in this attempt, for the words of its end."""

    def __init__(self) -> None:
        self.refusals: list[Declined] = []
        self.others: list[str] = []
        self.busy: Declined | None = None

    def reason(self) -> str:
        """Return why nothing was made, in words."""
        told = [f"{one.parameter}: {one.reason}" if one.parameter else one.reason for one in self.refusals]
        return "; ".join([*told, *self.others]) or "no generator is left to be asked"


async def make(session: RegenerateSession, choice: Refusals | None = None) -> Outcome | Suspended:
    """Make the asset by the first generator that makes a right one, and put it in its place."""
    choice = choice or Refusals()
    for generator in session.usable:
        wrong = 0
        while generator.name not in session.passed_over:
            if session.calls >= session.limits.calls:
                return _no_call_left(session, choice)
            if not _is_affordable(session, generator):
                choice.others.append(f"{generator.name} may cost more than is left of what was held for this attempt")
                break
            came = await call(session, generator)
            if (ended := await _after_call(session, generator, came, choice)) is not None:
                return ended
            wrong += 1
            if wrong >= _MANY:
                session.passed_over.add(generator.name)
    return _nothing_made(session, choice)


def _no_call_left(session: RegenerateSession, choice: Refusals) -> NotHealed:
    reason = f"{session.calls} calls of generators have brought nothing that is right: {choice.reason()}"
    return session.failed(Code.NOT_HEALED, reason)


def _is_affordable(session: RegenerateSession, generator: Generator) -> bool:
    price = generator.most(session.order)
    return price is not None and price <= session.left


async def call(session: RegenerateSession, generator: Generator) -> MakeResult:
    """Make one call, which is kept before it begins: a crash in it leaves behind that it may have been made."""
    session.calls += 1
    began = session.tools.now().timestamp()
    state = session.state("calls", generator=generator.name[:160], began=began)
    await session.keep(state, covered=generator.most(session.order) or 0)
    key = key_of(generation_of(session.order, generator), _answered(session))
    within = session.call_time(generator.longest_call())
    return await run_permitted(
        session.gate, partial(generator.make, session.order, session.policy, key=key, within=within)
    )


def _answered(session: RegenerateSession) -> int:
    return session.task.failure.lifetime_attempts * 100 + session.answered


async def _after_call(
    session: RegenerateSession, generator: Generator, came: MakeResult, choice: Refusals
) -> Outcome | Suspended | None:
    """Return how the heal goes on after a call; None where the next one may be made."""
    session.dependency_unhealthy = isinstance(came, NotSent | Ambiguous)
    match came:
        case Made():
            return await take(session, generator, came)
        case Submitted():
            return await _submitted(session, generator, came)
        case Declined():
            return await decline(session, generator, came, choice)
        case Ambiguous():
            began = session.tools.now() - generator.longest_call()
            return await find_lost(session, generator, came.reason, began)
        case NotSent(reason=reason) | EgressRefused(reason=reason):
            session.note(generator, "not_sent", reason)
            session.passed_over.add(generator.name)
            choice.others.append(f"{generator.name}: {reason}")
            return None
        case _:
            assert_never(came)


async def take(session: RegenerateSession, generator: Generator, made: Made) -> Outcome | Suspended | None:
    """Judge what was made: right, it is put in its place; wrong, it is paid for, and None is returned."""
    session.answered += 1
    session.pay(made.cost)
    verdict = await session.judge(made.content)
    if verdict.verdict is not Verdict.PASSED:
        session.note(generator, "wrong", f"{made.said}: {verdict.detail}", made.cost)
        session.wrong.append(proof_of("decoded", verdict, f"what {generator.name} made"))
        await session.keep(session.state("answered", generator=generator.name[:160]))
        return None
    session.note(generator, "made", made.said, made.cost)
    media = verdict.evidence.media_type or made.media_type or _UNKNOWN
    file = MediaFile(
        content=made.content,
        digest=verdict.evidence.sha256,
        media_type=str(media),
        notes=(("generated-by", generator.name), ("attempt", str(session.task.attempt_id))),
    )
    return await keep_made(session, generator, file, verdict, made.cost)


async def _submitted(session: RegenerateSession, generator: Generator, job: Submitted) -> Outcome | Suspended:
    state = session.state(
        "waits", generator=generator.name[:160], job_id=job.job_id, began=session.tools.now().timestamp()
    )
    if not is_keepable(state):
        session.lose(generator.most(session.order) or 0)
        return session.failed(Code.NOT_HEALED, f"{generator.name}: {_UNKEPT}")
    await session.keep(state, covered=generator.most(session.order) or 0)
    return Suspended(state=state, look_again=session.limits.poll, reason=f"{generator.name} has a job under way")


async def decline(
    session: RegenerateSession, generator: Generator, declined: Declined, choice: Refusals
) -> Outcome | None:
    """Take a refusal: the end where no other generator may be asked, None where the next call may be made."""
    session.answered += 1
    session.pay(declined.cost)
    session.note(generator, declined.kind, declined.reason, declined.cost)
    await session.keep(session.state("answered", generator=generator.name[:160]))
    match declined.kind:
        case DeclineKind.MODERATION:
            # Asking the next one would be a way around it.
            return session.refused(
                f"{generator.name} refuses the prompt ({declined.reason}): it is not weakened to pass; a person decides"
            )
        case DeclineKind.EMPTY | DeclineKind.FAILED:
            return None
        case DeclineKind.BUSY:
            session.dependency_unhealthy = declined.dependency_unhealthy
            choice.busy = choice.busy or declined
            choice.others.append(f"{generator.name}: {declined.reason}")
        case DeclineKind.PARAMETER | DeclineKind.GONE | DeclineKind.CREDENTIAL | DeclineKind.MONEY:
            choice.refusals.append(declined)
        case _:
            assert_never(declined.kind)
    session.passed_over.add(generator.name)
    return None


async def find_lost(
    session: RegenerateSession, generator: Generator, why: str, began: datetime
) -> Outcome | Suspended | None:
    """Settle a call whose answer never came: find what it made, else count it as paid; a keyed one is repeated.

    None where it is not to be had, and the next call may be made.
    """
    key = key_of(generation_of(session.order, generator), _answered(session))
    found = await generator.find(session.order, session.policy, key=key, since=began, within=session.call_time())
    match found:
        case Made():
            session.note(generator, "found", f"{why}; {found.said}")
            return await take(session, generator, found)
        case Submitted():
            session.note(generator, "found", f"{why}; {found.said}")
            return await _submitted(session, generator, found)
        case NothingFound(certain=True):
            session.lose(0)
            session.note(generator, "lost", f"{why}; its history has none")
            return None
        case NothingFound() | JobUnseen():
            return _count_as_paid(session, generator, why)


def _count_as_paid(session: RegenerateSession, generator: Generator, why: str) -> Suspended | None:
    price = generator.most(session.order) or 0
    if generator.is_keyed:
        session.calls -= 1  # the same call, once more under its key
        session.note(generator, "lost", f"{why}; to be made again under its key")
        if len([one for one in session.entries if one.get("came") == "lost"]) % _MANY == 0:
            session.tell_paid()
            state = session.state("answered", generator=generator.name[:160])
            reason = f"{generator.name} gives no answer"
            return Suspended(state=state, look_again=_FIND_AGAIN, reason=reason, dependency_unhealthy=True)
        return None
    session.lose(price)
    session.note(generator, "lost", f"{why}; it counts as paid", price)
    return None


def _nothing_made(session: RegenerateSession, choice: Refusals) -> Outcome:
    """Return the end where every generator has been asked."""
    if choice.busy is not None and not session.paid:
        return session.retry_later(choice.busy.after or _FIND_AGAIN, choice.reason())
    if choice.refusals and choice.busy is None:
        return session.refused(f"no generator makes it: {choice.reason()}")
    return session.failed(Code.NOT_HEALED, f"nothing was made: {choice.reason()}")


async def go_on_making(session: RegenerateSession, state: MakeState) -> Outcome | Suspended:
    """Go on after a call that may have been made: look for what it has brought, then make the next."""
    generator = session.generator(state.generator)
    if generator is None:
        session.lose(session.left if state.stage == "calls" else 0)
        return session.failed(Code.NOT_HEALED, f"the catalog has no generator {state.generator} for it any more")
    if state.stage == "calls" and session.task.kept is not None and session.task.kept.begun:
        ended = await _after_crash(session, generator, state)
        return ended if ended is not None else await make(session)
    if state.stage == "calls":
        session.calls -= 1  # it never began
    return await relink(session) or await make(session)


async def _after_crash(
    session: RegenerateSession, generator: Generator, state: MakeState
) -> Outcome | Suspended | None:
    """Settle a call in which a process died: the cache is read, then the generator's history."""
    if (linked := await relink(session, lost=generator.most(session.order) or 0)) is not None:
        return linked
    began = datetime.fromtimestamp(state.began, UTC) - SECOND
    return await find_lost(session, generator, "a process died in the call", began)
