"""A process that heals over the store alone, as badly as it may: it stalls, forgets what it was told, and asks twice.

Nothing is called but the functions of `consumer.store` and the pure code between them. Each effect is noted in a file
with its scope and its times (`time.monotonic()`, one clock for all processes of a machine). `STORE_*` configure it;
when the file `STORE_CALM` is there it behaves well and takes nothing new in.
"""

import asyncio
import hashlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID, uuid5

from pydantic import SecretStr
from pydantic_core import to_json

from consumer.catalog import WorkflowPolicy
from consumer.errors import LostClaim, TransientError
from consumer.model import (
    Adopt,
    AttemptId,
    Claim,
    Diagnosed,
    Diagnosis,
    Failure,
    FailureId,
    Heal,
    Healed,
    Intent,
    Message,
    MicroAud,
    NotHealed,
    OrgId,
    Outcome,
    OwnerId,
    Plan,
    RetryLater,
    Scope,
    Settlement,
    Unknown,
    attempt_id,
)
from consumer.ownership.owner_watch import OwnerWatch
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.results.settlement import FinishedHeal, settle_heal, settle_unclaimed
from consumer.settings import BreakerSettings, PostgresSettings
from consumer.store import changes, due, intake, leases, outbox, settle
from consumer.store.pool import Pool, open_pool, translated
from schemas.names import Code, Disposition, Effect, FailureType, StrategyName

LEASE: Final = timedelta(seconds=0.5)
WINDOW: Final = timedelta(seconds=0.6)
"""From a claim to the end of its last effect; a stall lasts longer than both."""
WAITER_IN: Final = timedelta(seconds=0.5)
HIDDEN: Final = timedelta(seconds=1)
BREAKER: Final = BreakerSettings(strikes=3, probe_every=timedelta(seconds=0.2), probe_cap=timedelta(seconds=1))
POLICY: Final = WorkflowPolicy(name="*", attempts=20, backoff=timedelta(seconds=0.05))
OUTLET: Final = Outlet(results_topic="results", dlq_topic="dlq", max_bytes=900_000)
TELL: Final = partial(status_message, outlet=OUTLET)
DIAGNOSIS: Final = Diagnosis(failure_type=FailureType.API_TIMEOUT, disposition=Disposition.RETRY_NOW, evidence=())
SPACE: Final = UUID("8f6a2d59-6d0c-4a37-9a65-0d8ce2b0c2a1")
ORGS: Final = tuple(OrgId(uuid5(SPACE, f"org {n}")) for n in range(4))
SCOPES: Final = 23
HOLD: Final = MicroAud(20_000)
LANES: Final = 3
AT_ONCE: Final = 40
"""Heals that a process has under way."""
STARTED: Final = "started"
"""Said once it works, and may be killed."""
EFFECTS: Final = tuple(effect for effect in Effect if effect is not Effect.CONDITIONAL)  # an order's, no claim's


def failure_of(n: int) -> Failure:
    """Give the n-th event's failure, the same in every process and at every delivery."""
    return Failure(
        id=FailureId(uuid5(SPACE, f"event {n}")),
        org_id=ORGS[n % len(ORGS)],
        workflow_name=f"event-{n}",
        failure_reason="request timeout",
        context={"n": n},
        detected_at=datetime.now(UTC),
        source="urn:test",
        digest=hashlib.sha256(str(n).encode()).digest(),
        size=100,
    )


def plan_of(failure: Failure) -> Plan:
    """Plan from what is stored, and from nothing else."""
    if failure.healed_by_attempt is not None:
        return Adopt(strategy=StrategyName.AUTO_RETRY, attempt_id=failure.healed_by_attempt, catalog_version="1")
    n = failure.context["n"]
    assert isinstance(n, int)
    effect = EFFECTS[n // SCOPES % len(EFFECTS)]
    scope = Scope(f"{failure.org_id}:{n % SCOPES}")
    intent = Intent(
        scope=scope,
        effect=effect,
        window=WINDOW,
        idempotency_key=f"key {n}" if effect is Effect.KEYED else None,
        fault_digest=str(n % (2 * SCOPES)),
    )
    return Heal(
        strategy=StrategyName.AUTO_RETRY,
        intent=intent,
        hold=HOLD,
        catalog_version="1",
        dependency=f"{failure.org_id}:dependency {n % 3}",
    )


@dataclass(slots=True, kw_only=True)
class Worker:
    """One process: its name, what it believes that it heals, and its dice."""

    pool: Pool
    me: OwnerId
    dice: Random
    noted: int
    calm: Path
    live: dict[AttemptId, float] = field(default_factory=dict)
    ended: asyncio.Queue[Settlement] = field(default_factory=asyncio.Queue)
    acked: list[UUID] = field(default_factory=list)
    watch: OwnerWatch = field(default_factory=lambda: OwnerWatch(LEASE))
    known: int = 0
    """Events up to this one have been published; all of them are delivered again and again."""

    @property
    def is_calm(self) -> bool:
        return self.calm.exists()

    def chance(self, of: float) -> bool:
        return not self.is_calm and self.dice.random() < of

    async def stall(self) -> None:
        """Wait between two steps: mostly not at all, and rarely so that not even the lease is renewed."""
        if self.chance(0.1):
            await asyncio.sleep(self.dice.choice((0.0, 0.01, 0.2)))
        if self.chance(0.002):
            time.sleep(self.dice.uniform(0.3, 2) * WINDOW.total_seconds())  # noqa: ASYNC251 - stalls the whole process

    async def lane(self, loops: asyncio.TaskGroup) -> None:
        """Do one thing after the other, until calm and nothing is left; what the database refuses now is done later."""
        work = {self.take_in: 4, self.resume: 6, self.inherit: 2, self.sweep: 1, self.decide: 1}
        while True:
            (step,) = self.dice.choices(list(work), list(work.values()))
            try:
                await step(loops)
            except TransientError:
                await asyncio.sleep(0.05)
            await self.stall()
            await asyncio.sleep(0.01 if self.is_calm else self.dice.choice((0.0, 0.0, 0.005)))

    async def take_in(self, loops: asyncio.TaskGroup) -> None:
        """Deliver some events, new and old; at times as if the first answer had not come."""
        if self.is_calm:
            return
        self.known += self.dice.randrange(4)
        numbers = {self.dice.randrange(max(1, self.known)) for _ in range(self.dice.randrange(1, 12))}
        numbers |= set(range(max(0, self.known - 4), self.known))
        arrivals = [
            intake.Arrival(
                diagnosed=_diagnosed(failure_of(n)), wants_slot=self._room() > 0, ended=None, waiter_in=WAITER_IN
            )
            for n in sorted(numbers, key=lambda _: self.dice.random())
        ]
        sent_at = time.monotonic()
        taken = await intake.take_in(self.pool, self.me, arrivals, (), _no_stranger)
        if self.chance(0.05):
            # Its commit was not answered: it is sent again, and what it claimed is found among the orphans.
            taken = await intake.take_in(self.pool, self.me, arrivals, (), _no_stranger)
        self._write({"what": "stored", "failures": [str(one.diagnosed.failure.id) for one in arrivals]})
        await self.stall()
        self._heal(loops, taken.claimed, frozenset(), sent_at)
        self._hold_back(taken.held_back)

    async def resume(self, loops: asyncio.TaskGroup) -> None:
        """Pick what is due and start it."""
        picked = await due.pick(
            self.pool, after=None, room=lambda _: self._room(), per_organisation=10, limit=20, hide=HIDDEN
        )
        await self.stall()
        diagnosed = [_diagnosed(failure) for failure in picked.failures]
        mended = [
            settle_unclaimed(one, one.plan, datetime.now(UTC), self.dice.random(), OUTLET)
            for one in diagnosed
            if isinstance(one.plan, Adopt)
        ]
        if mended:
            await settle.end_unclaimed(self.pool, self.me, mended)
            self.acked += [message.id for one in mended for message in one.messages]
        healable = [due.Due(diagnosed=one) for one in diagnosed if isinstance(one.plan, Heal)]
        if not healable:
            return
        sent_at = time.monotonic()
        started = await due.start(self.pool, self.me, healable, WAITER_IN)
        if self.chance(0.05):
            return  # the answer to its commit was lost
        await self.stall()
        self._heal(loops, started.claimed, started.probing, sent_at)
        self._hold_back(started.held_back)

    async def inherit(self, loops: asyncio.TaskGroup) -> None:
        """Take over from the dead, and find what a lost answer hid."""
        sent_at = time.monotonic()
        taken = await leases.take_over(self.pool, self.me, self.watch.dead(), 20, leases.ReadableStates())
        lost = await leases.find_orphans(self.pool, self.me, list(self.live), 2 * WINDOW / 3)
        await self.stall()
        for one in (*taken, *lost):
            diagnosed = _diagnosed(one.failure)
            plan = diagnosed.plan
            claim = Claim(
                attempt_id=one.attempt_id,
                step=one.step,
                held=one.held,
                deadline=sent_at + one.window.total_seconds(),
                epoch=one.epoch,
            )
            if one.attempt_id in self.live:
                continue
            self.live[one.attempt_id] = claim.deadline
            if one.begun:
                self._end(diagnosed, claim, Unknown(reason="interrupted"))
            elif not isinstance(plan, Heal) or plan.hold > one.held:
                self._end(diagnosed, claim, RetryLater(after=timedelta(seconds=0.1), reason="not as it was planned"))
            else:
                loops.create_task(self._heal_one(diagnosed, claim))

    async def sweep(self, loops: asyncio.TaskGroup) -> None:  # noqa: ARG002 - one signature for all steps
        """Publish what the dead have left and what was decided, and forget what is published."""
        await changes.tell_changes(self.pool, TELL, 100)
        left = await outbox.left_over(self.pool, self.me, list(self.watch.dead()), timedelta(seconds=0.5), 100)
        acked, self.acked = [*self.acked, *(message.id for message in left)], []
        await outbox.forget(self.pool, acked)

    async def decide(self, loops: asyncio.TaskGroup) -> None:  # noqa: ARG002 - one signature for all steps
        """Be the person who resolves by hand what nobody knows the outcome of; and let go of what that frees."""
        if self.chance(0.3):
            with translated():
                await self.pool.execute(
                    "UPDATE workflow_failures SET resolved = true WHERE id IN (SELECT id FROM workflow_failures"
                    " WHERE status = 'needs_person' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)"
                )
        await leases.release_decided(self.pool, 20)

    async def settle_ended(self) -> None:
        """Settle what has ended, in batches; at times twice, as if the first answer had not come."""
        while True:
            batch = [await self.ended.get()]
            while not self.ended.empty() and len(batch) < 50:
                batch.append(self.ended.get_nowait())
            await self.stall()
            mine = await self._settled(batch)
            if self.chance(0.1):
                again = await self._settled(batch)
                assert not mine & again, "settled twice"
            for one in batch:
                self.live.pop(one.attempt.id, None)
                self.acked += [message.id for message in one.messages if one.attempt.id in mine]

    async def _settled(self, batch: Sequence[Settlement]) -> frozenset[AttemptId]:
        """Settle until nothing is left: what somebody holds locked is settled again, and stays live until then."""
        mine: frozenset[AttemptId] = frozenset()
        while batch:
            acked, self.acked = self.acked, []
            try:
                settled = await settle.settle(self.pool, self.me, batch, acked, BREAKER)
            except TransientError:
                self.acked += acked
            else:
                mine |= settled.mine
                batch = [one for one in batch if one.attempt.id in settled.busy]
            if batch:
                await asyncio.sleep(0.05)
        return mine

    async def keep_lease(self) -> None:
        """Live, and watch the others."""
        while True:
            with suppress(TransientError):
                await leases.renew(self.pool, self.me, LEASE)
                sent = time.monotonic()
                renewals = (await leases.read_leases(self.pool, self.me)).renewals
                self.watch.look(renewals, sent, time.monotonic())
            await asyncio.sleep(LEASE.total_seconds() / 3)

    def _room(self) -> int:
        return max(0, AT_ONCE - len(self.live))

    def _heal(
        self, loops: asyncio.TaskGroup, claimed: Sequence[Diagnosed], probing: frozenset[FailureId], sent_at: float
    ) -> None:
        for diagnosed in claimed:
            claim = _claim(diagnosed, sent_at, probe=diagnosed.failure.id in probing)
            if claim.attempt_id not in self.live:
                self.live[claim.attempt_id] = claim.deadline
                loops.create_task(self._heal_one(diagnosed, claim))

    def _hold_back(self, held_back: Sequence[tuple[Diagnosed, Outcome]]) -> None:
        for diagnosed, end in held_back:
            claim = _claim(diagnosed, time.monotonic(), held=MicroAud(0))
            self.live[claim.attempt_id] = claim.deadline
            self._end(diagnosed, claim, end)

    async def _heal_one(self, diagnosed: Diagnosed, claim: Claim) -> None:
        assert isinstance(diagnosed.plan, Heal)
        unsafe = diagnosed.plan.intent.effect is Effect.UNSAFE
        await self.stall()
        try:
            if unsafe:
                await leases.begin(self.pool, self.me, claim)
        except LostClaim:
            self.live.pop(claim.attempt_id, None)
            return
        except TransientError:
            self._end(diagnosed, claim, Unknown(reason="whether it may begin is not known"))
            return
        begins_at = time.monotonic()
        if begins_at >= claim.deadline:
            later = Unknown(reason="too late") if unsafe else RetryLater(after=timedelta(0), reason="too late")
            self._end(diagnosed, claim, later)
            return
        self._note("begins", diagnosed, claim, begins_at)
        await asyncio.sleep(self.dice.choice((0.0, 0.02, 0.1, 0.3)))
        self._note("ends", diagnosed, claim, time.monotonic())
        self._end(diagnosed, claim, self._outcome(unsafe=unsafe))

    def _outcome(self, *, unsafe: bool) -> Outcome:
        spent = MicroAud(self.dice.randrange(HOLD + 1) if self.chance(0.3) else 0)
        if not self.chance(0.35):
            return Healed(proofs=(), spent=spent)
        if unsafe:
            return Unknown(reason="no answer", dependency_unhealthy=self.chance(0.5))
        if self.chance(0.5):
            return RetryLater(after=timedelta(seconds=0.05), reason="busy", dependency_unhealthy=self.chance(0.5))
        return NotHealed(code=Code.NOT_HEALED, reason="no", spent=spent, dependency_unhealthy=self.chance(0.5))

    def _end(self, diagnosed: Diagnosed, claim: Claim, outcome: Outcome) -> None:
        now = datetime.now(UTC)
        ended = FinishedHeal(
            failure=diagnosed.failure,
            diagnosis=DIAGNOSIS,
            strategy=StrategyName.AUTO_RETRY,
            plan=diagnosed.plan,
            claim=claim,
            outcome=outcome,
            attempted_at=now,
            finished_at=now,
        )
        self.ended.put_nowait(settle_heal(ended, POLICY, self.dice.random(), OUTLET))

    def _note(self, what: str, diagnosed: Diagnosed, claim: Claim, at: float) -> None:
        assert isinstance(diagnosed.plan, Heal)
        line = {
            "what": what,
            "at": at,
            "deadline": claim.deadline,
            "scope": diagnosed.plan.intent.scope,
            "effect": diagnosed.plan.intent.effect,
            "failure": str(diagnosed.failure.id),
            "attempt": str(claim.attempt_id),
            "owner": self.me,
        }
        self._write(line)

    def _write(self, line: Mapping[str, object]) -> None:
        # One write of one line: a kill leaves whole lines.
        os.write(self.noted, to_json(line) + b"\n")


def _diagnosed(failure: Failure) -> Diagnosed:
    return Diagnosed(failure=failure, diagnosis=DIAGNOSIS, plan=plan_of(failure))


def _claim(diagnosed: Diagnosed, sent_at: float, *, held: MicroAud = HOLD, probe: bool = False) -> Claim:
    return Claim(
        attempt_id=attempt_id(diagnosed.failure.id, diagnosed.failure.step),
        step=diagnosed.failure.step,
        held=held,
        deadline=sent_at + WINDOW.total_seconds(),
        probe=probe,
    )


def _no_stranger(arrival: intake.Arrival) -> Sequence[Message]:
    raise AssertionError(f"a stranger: {arrival.diagnosed.failure.org_id}")


async def main() -> None:
    dice = Random(os.environ["STORE_SEED"])
    noted = os.open(os.environ["STORE_NOTED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    dsn = SecretStr(os.environ["STORE_DSN"])
    settings = PostgresSettings(dsn=dsn, pool_size=8, statement_timeout=timedelta(seconds=10))
    async with open_pool(settings, application="stress") as pool:
        me = OwnerId(f"{os.getpid()}:{os.environ['STORE_SEED']}")
        worker = Worker(pool=pool, me=me, dice=dice, noted=noted, calm=Path(os.environ["STORE_CALM"]))
        await leases.renew(pool, me, LEASE)
        async with asyncio.TaskGroup() as loops:
            tasks = [loops.create_task(worker.lane(loops)) for _ in range(LANES)]
            tasks += [loops.create_task(worker.settle_ended()), loops.create_task(worker.keep_lease())]
            os.write(sys.stdout.fileno(), STARTED.encode())
            await stop.wait()
            for task in tasks:
                task.cancel()
        # Whoever leaves with claims hands back what it never began: here nobody remembers which that was.
        await leases.end_lease(pool, me, [])


if __name__ == "__main__":
    asyncio.run(main())
