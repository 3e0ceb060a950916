"""The effect gate of one claim, and the retry of an effect that lost its permission before its first byte."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from consumer.errors import (
    DeadlinePassed,
    HealingPaused,
    LostClaim,
    OutOfResources,
    RefusedByDatabase,
    TransientError,
    WouldAct,
)
from consumer.heal.idle import Idle
from consumer.heal.kept import HealState, encode_state
from consumer.heal.strategy import EffectGate
from consumer.model import AttemptId, Claim, MicroAud
from consumer.model.call import NOT_PERMITTED, EgressRefused, NotSent
from consumer.model.suspension import KeptState
from schemas.names import Effect

KEEP_REST: Final = timedelta(seconds=1)
"""Time between two tries to keep a state while the database is away."""
PAUSE_REST: Final = timedelta(seconds=0.5)
"""Time between two looks whether a pause is over."""


class ClaimLease(Protocol):
    """The process's lease, as far as a gate needs it."""

    async def permit(self, claim: Claim, seen_at: float) -> float:
        """Wait until an effect may start; returns the time since which the claim is known to be this process's own."""
        ...

    def may_start(self, claim: Claim, seen_at: float) -> bool:
        """Return whether an effect may start now, without waiting."""
        ...

    async def make_durable(self, claim: Claim) -> None:
        """Make the beginning of an unsafe effect durable, so that it is not repeated blindly after a crash."""
        ...

    async def keep(self, claim: Claim, state: KeptState) -> None:
        """Make a state durable on the claim; raises LostClaim."""
        ...


@dataclass(slots=True, kw_only=True)
class KeptOnClaim:
    """What a claim carries as its gate knows it: the state, and what may have begun under the claim."""

    state: KeptState | None = None
    begun: bool = False
    """An effect that must not be repeated blindly may have begun, under whichever owner."""
    begun_since: bool = False
    """An effect may have begun since the state was kept."""

    def copied(self) -> "KeptOnClaim":
        """Return another of the same content: each heal has one, and `dataclasses.replace` takes five times as long."""
        return KeptOnClaim(state=self.state, begun=self.begun, begun_since=self.begun_since)


NOTHING_KEPT: Final = KeptOnClaim()
"""Of a claim that has just been made."""


class Gate:
    """Effect gate of one claim: a fence before each side effect.

    No effect starts past the claim's deadline, after a decision has revoked the claim, or once another process may own
    it; no unsafe effect starts before its beginning is durable.
    """

    def __init__(
        self,
        claim: Claim,
        effect: Effect,
        tenure: ClaimLease,
        started: Callable[[AttemptId], None],
        give_back: Idle = lambda _: nullcontext(),
        carried: KeptOnClaim = NOTHING_KEPT,
    ) -> None:
        self.give_back = give_back
        self.states: tuple[type[HealState], ...] | None = None
        """The states that the heal's strategy reads, as `heal/run.py` knows them: another one is not kept."""
        self._claim = claim
        self._effect = effect
        self._tenure = tenure
        self._seen_at = claim.sent_at
        self._started = started
        self._carried = carried.copied()
        self._charged = carried.state.charged if carried.state is not None else MicroAud(0)
        self._kept_charge = self._charged
        self._covered = MicroAud(0)
        self._before = carried.begun, carried.begun_since
        self._closed = False

    @property
    def begun(self) -> bool:
        """Whether an effect may have begun under the claim."""
        return self._carried.begun

    @property
    def is_unsafe(self) -> bool:
        """Whether its effect must not be repeated blindly."""
        return self._effect is Effect.UNSAFE

    @property
    def begun_since(self) -> bool:
        """Whether an effect may have begun since the state was kept."""
        return self._carried.begun_since

    @property
    def kept(self) -> KeptState | None:
        """The state that the claim carries, with what the heal has cost up to now."""
        state = self._carried.state
        return replace(state, charged=self._charged) if state is not None else None

    @property
    def charged(self) -> MicroAud:
        """What the heal has cost up to now, under whichever owner."""
        return self._charged

    @property
    def unkept_charge(self) -> MicroAud:
        """What of it no kept state tells or covers, as far as is known: an heir of the claim knows nothing of it."""
        return MicroAud(max(0, self._charged - self._kept_charge - self._covered))

    async def begin(self) -> None:
        """Allow one more effect, or raise DeadlinePassed, HealingPaused, LostClaim or RevokedClaim.

        What carries no key and may have begun waits for the end of a pause within its window: ended now, its outcome
        would be unknown.
        """
        if self._closed:
            raise DeadlinePassed("its heal has ended: nothing more begins")
        # What takes back an order begins nothing that is to be known: whoever inherits it takes it back too.
        is_durable = self._effect is not Effect.UNSAFE or self._claim.cancels
        while True:
            try:
                self._seen_at = await self._tenure.permit(self._claim, self._seen_at)
            except HealingPaused:
                if not self._in_doubt() or self._left() <= PAUSE_REST.total_seconds():
                    raise
                await asyncio.sleep(PAUSE_REST.total_seconds())
                continue
            if not is_durable:
                await self._tenure.make_durable(self._claim)
                is_durable = True
            # After the awaits: a process that was suspended in one must notice that its deadline has passed.
            if self._left() <= 0:
                raise DeadlinePassed("the time in which this heal may act on its scope is over")
            if self.may_start():
                break
        self._before = self._carried.begun, self._carried.begun_since
        self._carried.begun = self._carried.begun_since = True
        self._started(self._claim.attempt_id)

    async def keep(self, state: HealState) -> None:
        """Make a state durable on the claim; while the database is away, it is tried until the window ends."""
        if self._closed:
            raise LostClaim("its heal has ended: nothing more is kept")
        before = self._carried.copied()
        encoded = replace(encode_state(state, self.states), charged=self._charged)
        # Known from here on, whether or not a commit is answered: what is written next says the same or more.
        self._carried.state, self._carried.begun_since = encoded, False
        kept_charge, self._kept_charge = self._kept_charge, encoded.charged
        unanswered = False
        while True:
            try:
                await self._tenure.keep(self._claim, encoded)
            except LostClaim:
                if not unanswered:  # else it may be durable, and nothing is charged twice
                    self._kept_charge = kept_charge
                raise
            except RefusedByDatabase:
                self._carried, self._kept_charge = before, kept_charge
                raise
            except TransientError:
                unanswered = True
                if self._left() <= KEEP_REST.total_seconds():
                    raise
                await asyncio.sleep(KEEP_REST.total_seconds())
            else:
                self._covered = MicroAud(0)
                return

    def unsent(self) -> None:
        """Revert the last `begin`: not one byte of its effect was sent, and none will be."""
        self._carried.begun, self._carried.begun_since = self._before

    def charge(self, amount: MicroAud) -> None:
        """Count what the heal has cost besides."""
        if amount < 0:
            raise ValueError(f"a charge of {amount}: what is taken back was never charged")
        self._charged = MicroAud(self._charged + amount)

    def cover(self, amount: MicroAud) -> None:
        """Note how much of what is charged from here on whoever inherits the claim counts by itself."""
        self._covered = amount

    def may_start(self) -> bool:
        """Return whether an effect that `begin` allowed may still start now."""
        return self._left() > 0 and self._tenure.may_start(self._claim, self._seen_at)

    def remaining(self) -> timedelta:
        """Return the time until every effect must have ended."""
        return timedelta(seconds=max(0.0, self._left()))

    def close(self) -> None:
        """Allow nothing more: the run has ended, and its claim may be another's at once."""
        self._closed = True

    def _in_doubt(self) -> bool:
        begun = self._carried.begun if self._carried.state is None else self._carried.begun_since
        return begun and self.is_unsafe

    def _left(self) -> float:
        return 0.0 if self._closed else self._claim.deadline - time.monotonic()


ResultT = TypeVar("ResultT")


async def run_permitted(gate: EffectGate, act: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Begin an effect at the gate and perform it; raises as `gate.begin`.

    A process that was suspended between the gate's permission and the first byte has sent nothing, which does not
    count as a try: `begin` is called again, and waits until the effect may start, or raises why it may not. The heal's
    own window bounds this.
    """
    while True:
        try:
            await gate.begin()
        except WouldAct:
            # Of a rehearsal the way out sends no effect: it tells what it would have sent, or why it could not.
            refused = await act()
            raise WouldAct(refused.reason if isinstance(refused, EgressRefused) else None) from None
        try:
            result = await act()
        except OutOfResources:
            gate.unsent()
            raise
        if not (isinstance(result, NotSent) and result.kind == NOT_PERMITTED):
            return result
        gate.unsent()
