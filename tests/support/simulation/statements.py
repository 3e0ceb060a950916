"""The functions of `consumer/store` on the model: the same arguments, sent over a line that may break."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from consumer.errors import TransientError
from consumer.model import AttemptId, Claim, Failure, FailureId, Message, MicroAud, OrgId, OwnerId, Settlement
from consumer.model.approval import AnswerResult
from consumer.model.settlement import AskedStep
from consumer.model.suspension import KeptState, Suspension
from consumer.model.voice import HeardInterval, SilentSources
from consumer.settings import BreakerSettings
from consumer.store import (
    approvals,
    aside,
    backlog,
    breakers,
    changes,
    due,
    intake,
    intake_breaker,
    late_charges,
    leases,
    outbox,
    pauses,
    rate_limits,
    settle,
    suspended,
    untold,
    waiters,
)
from consumer.store.agent_budget import forget_budgets
from consumer.store.agent_diagnoses import end_left
from consumer.store.aside import SetAside
from consumer.store.backlog import BacklogCounts
from consumer.store.breakers import BreakerStates
from consumer.store.debts import apply_owed
from consumer.store.decisions import TellChange
from consumer.store.due import Due, Picked, Started
from consumer.store.intake import Arrival, Aside, Taken
from consumer.store.intake_breaker import IntakeState
from consumer.store.late_charges import LateCharge
from consumer.store.leases import Inherited, LeaseReading, ReadableStates
from consumer.store.pauses import EndedPauses, TellPause
from consumer.store.plan_answers import take_answer_notes
from consumer.store.relapses import forget_unwatched
from consumer.store.settle import Settled
from consumer.store.shadows import ShadowLook, shadows_to_look_at
from consumer.store.suspended import GoneOn, SuspendResult
from consumer.store.wallet_levels import Looked, look_at_wallets
from tests.support.simulation.loop import EPOCH, Timeline
from tests.support.simulation.store import ModelStore

Said = TypeVar("Said")

LOST: Final = 0.4
"""The share of answers that never come while connections are cut."""


@dataclass(slots=True, kw_only=True)
class Weather:
    """What goes wrong between the processes and the database now."""

    away_until: float = 0.0
    """Until then nothing is committed."""
    cut_until: float = 0.0
    """Until then it is slow, and many answers are lost, whatever was committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One process's pool of connections, in a real one's place."""

    timeline: Timeline
    weather: Weather
    store: ModelStore
    on_transaction: Callable[[], None]

    async def ask(self, work: Callable[[ModelStore], Said]) -> Said:
        """Let a transaction happen at the database, and wait for what it says."""
        answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        cut = self.timeline.now < self.weather.cut_until
        self.timeline.after(self.timeline.between(0.001, 2 if cut else 0.05), lambda: self._arrives(work, answer))
        return await answer

    def _arrives(self, work: Callable[[ModelStore], Said], answer: "asyncio.Future[Said]") -> None:
        cut = self.timeline.now < self.weather.cut_until
        if self.timeline.now < self.weather.away_until or (cut and self.timeline.chance(LOST / 2)):
            self._answer(lambda: answer.set_exception(TransientError("nothing was committed")), answer)
            return
        try:
            said = work(self.store)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for who asked
            told = error
            self._answer(lambda: answer.set_exception(told), answer)
        else:
            if cut and self.timeline.chance(LOST):
                self._answer(lambda: answer.set_exception(TransientError("committed, and not told")), answer)
            else:
                self._answer(lambda: answer.set_result(said), answer)
        self.on_transaction()

    def _answer(self, speak: Callable[[], None], answer: "asyncio.Future[Said]") -> None:
        def arrives() -> None:
            if not answer.done():
                speak()

        self.timeline.after(self.timeline.between(0.001, 0.05), arrives)

    def acquire(self, *_: object, **__: object) -> None:
        """Refuse what the model does not know."""
        raise NotImplementedError("a statement that tests/support/simulation/store.py lacks: add it there")

    execute = fetch = fetchrow = fetchval = acquire


async def take_in(
    line: Line,
    owner: OwnerId,
    arrivals: Sequence[Arrival],
    letters: Sequence[Message],
    refuse_stranger: Callable[[Arrival], Sequence[Message]],
    aside: Aside,  # noqa: ARG001 - nobody else locks an organisation here
) -> Taken:
    return await line.ask(lambda store: store.take_in(owner, arrivals, letters, refuse_stranger))


async def pick(
    line: Line, *, after: OrgId | None, room: Callable[[OrgId], int], per_organisation: int, limit: int, hide: timedelta
) -> Picked:
    found = await line.ask(
        lambda store: store.pick(after=after, room=room, per_organisation=per_organisation, limit=limit, hide=hide)
    )
    now = EPOCH + timedelta(seconds=line.store.now()) if found else None
    return Picked(failures=tuple(found), now=now, after=None)


async def waits(line: Line, after: OrgId | None) -> bool:
    return await line.ask(lambda store: store.waits(after))


async def put_off(line: Line) -> None:
    await line.ask(lambda store: store.put_off())


async def unredacted(line: Line, limit: int) -> list[Failure]:
    return await line.ask(lambda _: list[Failure]()[:limit])  # nobody rewrites a row here


async def start(line: Line, owner: OwnerId, wanted: Sequence[Due], waiter_in: timedelta) -> Started:
    return await line.ask(lambda store: store.start(owner, wanted, waiter_in))


async def look_again(line: Line, failures: Sequence[FailureId]) -> int:
    return await line.ask(lambda store: store.look_again(failures)) if failures else 0


async def wake_for_room(line: Line, rooms: Mapping[str, int]) -> int:
    return await line.ask(lambda store: store.wake_for_room(rooms))


async def settled(
    line: Line, owner: OwnerId, settlements: Sequence[Settlement], acked: Sequence[UUID], breaker: BreakerSettings
) -> Settled:
    return await line.ask(lambda store: store.settle(owner, settlements, acked, breaker))


async def expire_unanswered(line: Line) -> list[UUID]:
    return await line.ask(lambda store: store.expire_unanswered())


async def end_unclaimed(line: Line, owner: OwnerId, settlements: Sequence[Settlement | AskedStep]) -> frozenset[UUID]:
    return await line.ask(lambda store: store.end_unclaimed(owner, settlements))


async def known(line: Line, settings: BreakerSettings) -> BreakerStates:
    return await line.ask(lambda store: store.tables.breakers.known(settings))


async def sick(line: Line, within: timedelta) -> Mapping[tuple[OrgId, str], int]:  # noqa: ARG001 - nobody brakes here
    return {}


async def none_counted(line: Line) -> int:
    """Nobody else locks an organisation here."""
    return await line.ask(lambda _: 0)


async def none_aside(line: Line, *_: object) -> list[SetAside]:
    return await line.ask(lambda _: [])


async def nothing(line: Line) -> None:
    await line.ask(lambda _: None)


async def none_left(line: Line, *_: object) -> int:
    """No model is asked here."""
    return await line.ask(lambda _: 0)


async def none_stand(line: Line, _: int) -> list[ShadowLook]:
    """Nothing is in shadow mode here."""
    return await line.ask(lambda _: [])


async def none_answered(line: Line) -> Counter[AnswerResult]:
    """Who answers here is not counted."""
    return await line.ask(lambda _: Counter())


async def no_wallets_looked_at(line: Line, *_: object) -> Looked:
    """Nobody is warned here, and who waits for credits comes back by itself."""
    return await line.ask(lambda _: Looked())


async def collect_debts(line: Line) -> MicroAud:
    return await line.ask(lambda store: store.collect_debts())


async def count_late_charge(line: Line, charge: LateCharge) -> bool:
    return await line.ask(lambda store: store.count_late_charge(charge))


async def hear(line: Line, *_: object) -> None:
    await line.ask(lambda _: None)


async def refuse(line: Line, *_: object) -> int:
    return await line.ask(lambda _: 0)


async def pulse(line: Line, *_: object) -> tuple[list[HeardInterval], int]:
    return await line.ask(lambda _: ([], 0))


async def failing(line: Line, *_: object) -> SilentSources:
    return await line.ask(lambda _: SilentSources(sources=0, organisations=0, letters=0))


async def standing(line: Line) -> IntakeState:
    """Say that the fleet reads: the limit on dead letters has tests of its own."""
    return await line.ask(lambda _: IntakeState(paused_at=None, why=None, probe_due=None, probe=False, off_until=None))


async def release_decided(line: Line, limit: int, *, after: FailureId | None = None) -> None:
    """All parked claims are looked at each time: there is no next part."""
    del after
    await line.ask(lambda store: store.release_decided(limit))


async def release_told(line: Line, after: datetime | None) -> untold.Released:
    """Nothing is put aside here: a pick steps over what has yet to be told."""
    del line
    return untold.Released(count=0, after=after)


async def put_aside(line: Line, organisations: Sequence[OrgId]) -> int:
    del line, organisations
    return 0


async def release_ended(line: Line, tell: TellPause) -> EndedPauses:
    del tell
    return await line.ask(lambda store: store.release_ended())


async def renew(line: Line, owner: OwnerId, lease: timedelta) -> datetime:
    return EPOCH + timedelta(seconds=await line.ask(lambda store: store.renew(owner, lease)))


async def read(line: Line, owner: OwnerId) -> LeaseReading:
    return await line.ask(lambda store: store.read(owner))


async def stands(line: Line, owner: OwnerId, claim: Claim) -> None:
    await line.ask(lambda store: store.stands(owner, claim))


async def tell_changes(line: Line, tell: TellChange, limit: int) -> int:
    return await line.ask(lambda store: store.tell_changes(tell, limit))


async def leave(line: Line, owner: OwnerId, unstarted: Sequence[AttemptId]) -> None:
    await line.ask(lambda store: store.leave(owner, unstarted))


async def begin(line: Line, owner: OwnerId, claim: Claim) -> None:
    await line.ask(lambda store: store.begin(owner, claim))


async def keep(line: Line, owner: OwnerId, claim: Claim, state: KeptState) -> None:
    await line.ask(lambda store: store.keep(owner, claim, state))


async def suspend(line: Line, owner: OwnerId, suspensions: Sequence[Suspension]) -> SuspendResult:
    return await line.ask(lambda store: store.suspend(owner, suspensions))


async def take_due(
    line: Line,
    owner: OwnerId,
    *,
    after: OrgId | None,
    room: Callable[[OrgId], int],
    limit: int,
    readable: ReadableStates,
) -> GoneOn:
    """All organisations are looked at each time: there is no next part."""
    del after
    taken = await line.ask(lambda store: store.take_due(owner, room, limit, readable))
    read = await _read(line, owner, taken)
    return GoneOn(inherited=tuple(replace(one, was_suspended=True) for one in read), after=None)


async def take_over(
    line: Line, owner: OwnerId, dead: Mapping[OwnerId, str], limit: int, readable: ReadableStates
) -> list[Inherited]:
    return await _read(line, owner, await line.ask(lambda store: store.take_over(owner, dead, limit, readable)))


async def orphans(line: Line, owner: OwnerId, live: Sequence[AttemptId], older_than: timedelta) -> list[Inherited]:
    return await _read(line, owner, await line.ask(lambda store: store.orphans(owner, live, older_than)))


async def _read(line: Line, owner: OwnerId, attempts: Sequence[AttemptId]) -> list[Inherited]:
    if not attempts:
        return []
    return await line.ask(lambda store: store.inherited(owner, attempts))


async def forget(line: Line, ids: Sequence[UUID]) -> None:
    await line.ask(lambda store: store.forget(ids))


async def left_over(
    line: Line,
    owner: OwnerId,
    dead: Sequence[OwnerId],
    older_than: timedelta,
    limit: int,
    *,
    topic: str | None = None,
    besides: Sequence[str] = (),
) -> list[Message]:
    return await line.ask(lambda store: store.left_over(owner, dead, older_than, limit, topic, besides))


async def count(line: Line) -> BacklogCounts:
    return await line.ask(lambda store: store.count())


STATEMENTS: Final[Mapping[Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]]] = {
    intake.take_in: take_in,
    due.pick: pick,
    due.postpone_for_person: put_off,
    due.has_due: waits,
    due.start: start,
    due.unredacted: unredacted,
    waiters.wake_missed: look_again,
    waiters.wake_for_room: wake_for_room,
    settle.settle: settled,
    settle.end_unclaimed: end_unclaimed,
    approvals.expire_unanswered: expire_unanswered,
    breakers.load_breakers: known,
    rate_limits.open_failures_by_workflow: sick,
    rate_limits.forget: nothing,
    forget_unwatched: nothing,
    forget_budgets: nothing,
    end_left: none_left,
    shadows_to_look_at: none_stand,
    take_answer_notes: none_answered,
    apply_owed: collect_debts,
    late_charges.count_late_charge: count_late_charge,
    look_at_wallets: no_wallets_looked_at,
    aside.read_aside: none_aside,
    aside.count_aside: none_counted,
    intake_breaker.record_accepted: hear,
    intake_breaker.count_refused: refuse,
    intake_breaker.pulse: pulse,
    intake_breaker.count_silent: failing,
    intake_breaker.forget: hear,
    intake_breaker.read_state: standing,
    pauses.release_ended: release_ended,
    leases.renew: renew,
    leases.read_leases: read,
    leases.check_claim: stands,
    changes.tell_changes: tell_changes,
    leases.end_lease: leave,
    leases.begin: begin,
    suspended.keep: keep,
    suspended.suspend: suspend,
    suspended.take_due: take_due,
    leases.take_over: take_over,
    leases.find_orphans: orphans,
    leases.release_decided: release_decided,
    untold.release_told: release_told,
    untold.put_aside: put_aside,
    outbox.forget: forget,
    outbox.left_over: left_over,
    backlog.count: count,
}
"""What stands in whose place."""
