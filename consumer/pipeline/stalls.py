"""Looks at silent runs: two looks that agree make one failure, and a run that beats again before its heal is well.

What is decided here is written by compare-and-set on the run's row: a beat in between, another replica or a partition
that this member has lost leaves nothing to tell. The event's id is the run's and its silence's own, and lies in the
outbox in the transaction that marks the row: a crash makes no second failure, and loses none.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final, Protocol

import structlog

from consumer.catalog import WorkflowPolicy
from consumer.errors import TransientError
from consumer.heartbeats.looks import RunLook, SilenceVerdict, look_of, look_without_runner, verdict_of
from consumer.heartbeats.stall import Stall, stall_message
from consumer.metrics import Metrics, SilenceOutcome
from consumer.model import Message, OwnerId
from consumer.model.live_run import LiveRun, RunName
from consumer.pipeline.heartbeats import Heartbeats
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.runners.contract import LookFailed, Runner, Runners, RunRef
from consumer.store import live_runs as store
from consumer.store.live_runs import Recovery, Telling

log = structlog.get_logger(__name__)

LOOKS_AT_ONCE: Final = 8
LOOKS_A_ROUND: Final = 200
"""Silent runs that one round looks at: an engine is asked no more often, however many fall silent together."""
LOOK_WITHIN: Final = timedelta(seconds=10)
LOOK_FAILED_AGAIN: Final = 30.0
"""Seconds after which a runner that did not answer is asked again: what it does not say makes no stall."""
INBOX_WITHIN: Final = timedelta(minutes=10)
"""How long a told failure may take to come into the inbox before its run's recovery is let go of."""


class OffersMessages(Protocol):
    """Sends what lies in the outbox: the publish stage."""

    def offer(self, messages: Sequence[Message]) -> None:
        """Queue messages whose transaction is committed."""
        ...


@dataclass(slots=True, kw_only=True)
class _Suspect:
    heard: float
    """The silence that is looked at: of another one nothing is known."""
    first: RunLook | None = None
    next_look: float = 0.0


@dataclass(slots=True, kw_only=True)
class StallRounds:
    """Looks at the silent runs of this member's partitions."""

    heartbeats: Heartbeats
    runners: Runners
    owner: OwnerId
    publisher: OffersMessages
    outlet: Outlet
    failures_topic: str
    heartbeats_topic: str
    metrics: Metrics
    _suspects: dict[RunName, _Suspect] = field(default_factory=dict)
    _misses: Counter[str] = field(default_factory=Counter)
    """How often in a row each runner has not answered in this round: one that is away must not keep others waiting."""

    async def once(self) -> None:
        """Look at what is silent now, tell what stalls, and resolve what beats again; raises TransientError."""
        due = list(islice(self._due(), LOOKS_A_ROUND))
        limit = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._misses.clear()
        found = await asyncio.gather(*(self._look(run, limit) for run in due))
        told = [message for stall in found if stall is not None and (message := await self._tell(stall)) is not None]
        self.publisher.offer(told)
        await self._recover()
        board = self.heartbeats.board
        self._suspects = {
            name: suspect
            for name, suspect in self._suspects.items()
            if (run := board.runs.get(name)) is not None and run.heard == suspect.heard
        }

    def _due(self) -> Sequence[LiveRun]:
        """Return the silent runs whose next look is due, those first that were looked at before.

        The second one is due once the partition was read past the first: a beat in between would have been seen.
        """
        now, due = self.heartbeats.now(), []
        for run in self.heartbeats.board.overdue(self.heartbeats.marks):
            suspect = self._suspects.get(run.beat.name)
            if suspect is None or suspect.heard != run.heard:
                suspect = self._suspects[run.beat.name] = _Suspect(heard=run.heard)
            read_up_to = self.heartbeats.marks.up_to(run.beat.partition) or 0.0
            if suspect.next_look <= now and (suspect.first is None or suspect.first.at.timestamp() <= read_up_to):
                due.append((suspect.first is None, run.due or 0.0, run))
        due.sort(key=lambda one: one[:2])
        return [run for _, _, run in due]

    async def _look(self, run: LiveRun, limit: asyncio.Semaphore) -> Stall | None:
        policy = self.heartbeats.catalogs.current.policy(run.beat.name.workflow_name)
        runner = None if policy is None else self.runners.of(policy)
        suspect, heard = self._suspects[run.beat.name], run.heard
        async with limit:
            if runner is not None and self._misses[runner.dependency()] >= LOOKS_AT_ONCE:
                return None  # looked at in the next round, before those that were asked for in vain
            look = await self._ask(run, runner, policy)
        if run.heard != heard or self.heartbeats.board.runs.get(run.beat.name) is not run:
            return None  # it has beaten meanwhile, or is another member's
        if look is None:
            suspect.next_look = self.heartbeats.now() + LOOK_FAILED_AGAIN
            return None
        verdict = verdict_of(suspect.first, look)
        if verdict is SilenceVerdict.STALLED and suspect.first is not None:
            read = self.heartbeats.marks.of(run.beat.partition)
            name = policy.runner if policy is not None and runner is not None else None
            return None if read is None else Stall(run=run, runner=name, looks=(suspect.first, look), read=read)
        self._go_on(run, suspect, look, verdict)
        return None

    def _go_on(self, run: LiveRun, suspect: _Suspect, look: RunLook, verdict: SilenceVerdict) -> None:
        now, board = self.heartbeats.now(), self.heartbeats.board
        match verdict:
            case SilenceVerdict.OVER:
                self.metrics.silences[SilenceOutcome.OVER].inc()
                board.forget(run)
            case SilenceVerdict.WAITS | SilenceVerdict.MOVES:
                self.metrics.silences[SilenceOutcome(verdict.value)].inc()
                suspect.first, suspect.next_look = None, now + (run.allowed or 0.0)
            case _:
                suspect.first, suspect.next_look = look, now + self.heartbeats.settings.apart.total_seconds()

    async def _ask(self, run: LiveRun, runner: Runner | None, policy: WorkflowPolicy | None) -> RunLook | None:
        at = datetime.fromtimestamp(self.heartbeats.now(), UTC)
        if runner is None or policy is None:
            return look_without_runner(at)
        beat = run.beat
        ref = RunRef(
            org_id=str(beat.name.org_id),
            workflow_name=beat.name.workflow_name,
            run_id=beat.name.run_id,
            epoch=beat.epoch,
            step=beat.step or None,
        )
        try:
            seen = await runner.look(ref, policy, within=LOOK_WITHIN)
        except Exception:  # a bug in one kind of engine's client must not stop the looks at others
            log.exception("silent_run_look_broke", workflow_name=beat.name.workflow_name, run_id=beat.name.run_id)
            seen = LookFailed(reason="the look broke")
        if isinstance(seen, LookFailed):
            self.metrics.silences[SilenceOutcome.LOOK_FAILED].inc()
            self._misses[runner.dependency()] += 1
            log.warning("silent_run_not_seen", runner=policy.runner, run_id=beat.name.run_id, error=seen.reason[:300])
            return None
        self._misses[runner.dependency()] = 0
        return look_of(seen, at)

    async def _tell(self, stall: Stall) -> Message | None:
        run, failure_id, suspect = stall.run, stall.failure_id, self._suspects[stall.run.beat.name]
        message = stall_message(stall, self.failures_topic, self.heartbeats_topic)
        telling = await store.tell_stall(self.heartbeats.pool, self.owner, run, failure_id, message)
        has_beaten = run.heard != suspect.heard
        if telling is not Telling.TOLD:
            suspect.next_look = self.heartbeats.now() + self.heartbeats.settings.apart.total_seconds()
            if telling is Telling.CHANGED and not has_beaten:
                self.heartbeats.board.drop(run)  # another member has changed its row: it reads the run now
            return None
        run.told, run.beats_again = failure_id, has_beaten
        self.metrics.silences[SilenceOutcome.STALLED].inc()
        name = run.beat.name
        log.warning(
            "run_stalled",
            org_id=str(name.org_id),
            workflow_name=name.workflow_name,
            run_id=name.run_id,
            step=run.beat.step,
            allowed_seconds=run.allowed,
            failure_id=str(failure_id),
        )
        return message

    async def _recover(self) -> None:
        board = self.heartbeats.board
        for run in board.beating_again()[:LOOKS_A_ROUND]:
            at = datetime.fromtimestamp(run.heard, UTC).isoformat(timespec="seconds")
            reason = f"recovered: the run beats again, the last time at {at}"
            tell = partial(status_message, outlet=self.outlet)
            became = await store.recover(self.heartbeats.pool, run, reason, tell, INBOX_WITHIN)
            if became is Recovery.NOT_THERE:
                continue
            if became is Recovery.RECOVERED:
                self.metrics.silences[SilenceOutcome.RECOVERED].inc()
                log.info("stalled_run_recovered", run_id=run.beat.name.run_id, failure_id=str(run.told))
            run.told, run.beats_again = None, False
            if run.beat.is_last:
                board.forget(run)

    async def run_round(self) -> None:
        """Do one round; while the database is away, the next one does it."""
        try:
            await self.once()
        except TransientError as error:
            log.warning("silent_runs_not_looked_at", error=str(error)[:300])
