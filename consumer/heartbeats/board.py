"""The live runs of this member's partitions: what their beats have changed, and whose silence is too long. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Final

from consumer.heartbeats.deadline import Allowance, Gaps, heard_at
from consumer.heartbeats.watermark import Watermarks
from consumer.model.live_run import Beat, BeatBatch, LiveRun, RunName, StepName
from schemas.names import RunStatus

REMEMBERED_ENDS: Final = 20_000
"""Runs whose end is in memory: a beat that was sent before it, and comes after it, begins no run."""
REMEMBERED_STEPS: Final = 20_000
"""Steps whose gaps are in memory; those of others are read again when one of their runs beats."""

AllowanceOf = Callable[[StepName, Sequence[float]], Allowance | None]


class Absorbed(StrEnum):
    """What became of a beat that was read."""

    TAKEN = "taken"
    OLD = "old"
    """It was read before, or is of an earlier start of its run."""
    NO_ROOM = "no_room"
    """So many runs are remembered already."""


class RunBoard:
    """Live runs by name. Nothing of it is lost by a crash: its offsets are committed after it is kept."""

    def __init__(self, most: int) -> None:
        self.runs: dict[RunName, LiveRun] = {}
        self._most = most
        self._gaps: dict[StepName, Gaps] = {}
        self._unread: set[StepName] = set()
        """Steps of which it is not known yet what the fleet has learnt."""
        self._changed: dict[RunName, LiveRun] = {}
        self._keeping: dict[RunName, Beat] = {}
        """The beats of the batch that is being kept: one that comes meanwhile is for the next."""
        self._over: dict[RunName, LiveRun] = {}
        self._ends: dict[RunName, Beat] = {}

    def assign(self, runs: Iterable[LiveRun]) -> None:
        """Begin anew with the runs that are kept of this member's partitions."""
        self.runs = {run.beat.name: run for run in runs}
        self._changed.clear()
        self._over.clear()
        for gaps in self._gaps.values():
            gaps.new.clear()
        for run in self.runs.values():
            self._know(_step_of(run.beat))

    def absorb(self, beat: Beat, *, received: float, not_before: float) -> Absorbed:
        """Take one beat; `received` and `not_before` as for `heard_at`."""
        run = self.runs.get(beat.name)
        if run is None:
            return self._begin(beat, received)
        before = run.beat
        if _is_old(beat, before):
            return Absorbed.OLD
        self._learn(run, beat)
        run.heard = round(
            heard_at((run.heard, before.stamped), beat.stamped, received=received, not_before=not_before), 3
        )
        run.beat = beat
        self._know(_step_of(beat))
        run.beats_again = run.told is not None
        self._note_end(beat)
        if beat.is_last and not (run.told is not None and beat.status is RunStatus.COMPLETED):
            self.forget(run)
        else:
            self._changed[beat.name] = run
        return Absorbed.TAKEN

    def _begin(self, beat: Beat, received: float) -> Absorbed:
        if (end := self._ends.get(beat.name)) is not None and _is_before(beat, end):
            return Absorbed.OLD
        run = LiveRun(beat=beat, heard=round(received, 3))
        self._note_end(beat)
        if beat.is_last:
            self._over[beat.name] = run  # another member may have kept it
            return Absorbed.TAKEN
        if len(self.runs) >= self._most:
            return Absorbed.NO_ROOM
        self._over.pop(beat.name, None)
        self.runs[beat.name] = self._changed[beat.name] = run
        self._know(_step_of(beat))
        return Absorbed.TAKEN

    def _note_end(self, beat: Beat) -> None:
        if beat.is_last:
            self._ends.pop(beat.name, None)
            self._ends[beat.name] = beat
            if len(self._ends) > REMEMBERED_ENDS:
                del self._ends[next(iter(self._ends))]

    def _learn(self, run: LiveRun, beat: Beat) -> None:
        before, gap = run.beat, beat.stamped - run.beat.stamped
        is_healthy = before.status is RunStatus.EXECUTING and run.told is None and before.epoch == beat.epoch
        if is_healthy and gap > 0 and (run.allowed is None or gap <= run.allowed):
            self._gaps.setdefault(_step_of(before), Gaps()).note(gap)

    def forget(self, run: LiveRun) -> None:
        """Let go of a run that is over; its row goes with the next batch."""
        name = run.beat.name
        if self.runs.get(name) is run:
            del self.runs[name]
        self._changed.pop(name, None)
        self._over[name] = run

    def drop(self, run: LiveRun) -> None:
        """Let go of a run that another member reads now, or whose row is gone."""
        if self.runs.get(run.beat.name) is run:
            del self.runs[run.beat.name]
        self._changed.pop(run.beat.name, None)

    def change(self, run: LiveRun) -> None:
        """Have a run kept with the next batch."""
        if self.runs.get(run.beat.name) is run:
            self._changed[run.beat.name] = run

    def reconsider(self, allowance: AllowanceOf) -> None:
        """Have those runs kept with the next batch whose deadline is another one by now, as by another catalog."""
        found: dict[StepName, Allowance | None] = {}
        for run in self.runs.values():
            step = _step_of(run.beat)
            if step not in found:
                found[step] = self._allowance_at(step, allowance)
            now = found[step]
            if run.allowed != (None if now is None else now.seconds):
                self._changed[run.beat.name] = run

    def drop_silent(self, before: float) -> None:
        """Let go of runs whose silence was too long, or for want of a deadline began, before a time."""
        for run in [run for run in self.runs.values() if run.heard + (run.allowed or 0.0) < before]:
            self.drop(run)

    def unread_steps(self) -> Sequence[StepName]:
        """Return the steps of which it is not known yet what the fleet has learnt."""
        return sorted(self._unread)

    def learnt(self, gaps: Mapping[StepName, Sequence[float]], asked: Iterable[StepName] = ()) -> None:
        """Take the gaps that are kept of steps; nothing is kept of those that were asked for and are missing."""
        for step, kept in gaps.items():
            here = self._gaps.setdefault(step, Gaps())
            here.replace((*kept, *here.new))
        if first_known := self._unread & gaps.keys():
            for run in self.runs.values():
                if run.allowed is None and _step_of(run.beat) in first_known:
                    self._changed[run.beat.name] = run  # loaded before its step's deadline was known
        self._unread.difference_update(gaps, asked)

    def changes(self, allowance: AllowanceOf, watermarks: Watermarks, most: int) -> BeatBatch:
        """Return what is to be kept next, of at most so many runs, with each one's deadline as it is now.

        How far the partitions are read comes with the last of them alone: a mark says of all that lay before it that it
        is kept. Each batch is in one order, whoever keeps it.
        """
        changed = sorted(islice(self._changed, most))
        over = sorted(islice(self._over, most - len(changed)))
        is_last = len(changed) == len(self._changed) and len(over) == len(self._over)
        new = (step for step, gaps in self._gaps.items() if gaps.new) if is_last else ()
        steps = list(islice(new, most - len(changed) - len(over) + 1))
        is_last = is_last and len(changed) + len(over) + len(steps) <= most
        self._allow(map(self._changed.__getitem__, changed), allowance)
        self._keeping = {name: self._changed[name].beat for name in changed}
        return BeatBatch(
            runs=[self._changed[name] for name in changed],
            over=[self._over[name] for name in over],
            gaps=[(step, tuple(self._gaps[step].new)) for step in sorted(steps)],
            read=sorted(watermarks.all(), key=lambda one: one.partition) if is_last else (),
            is_last=is_last,
        )

    def _allow(self, runs: Iterable[LiveRun], allowance: AllowanceOf) -> None:
        found: dict[StepName, Allowance | None] = {}
        for run in runs:
            step = _step_of(run.beat)
            if step not in found:
                found[step] = self._allowance_at(step, allowance)
            now = found[step]
            run.allowed, run.learnt = (None, False) if now is None else (now.seconds, now.learnt)

    def _allowance_at(self, step: StepName, allowance: AllowanceOf) -> Allowance | None:
        gaps = self._gaps.get(step)
        return allowance(step, () if gaps is None else tuple(gaps.last))

    def kept(self, batch: BeatBatch, learnt: Mapping[StepName, Sequence[float]]) -> None:
        """Take note that a batch is durable, and of what the fleet has learnt by it."""
        for run in batch.runs:
            if self._keeping.get(run.beat.name) is run.beat:
                self._changed.pop(run.beat.name, None)
        for run in batch.over:
            self._over.pop(run.beat.name, None)
        for step, _ in batch.gaps:
            self._gaps[step].new.clear()
        self.learnt(learnt)
        if len(self._gaps) > REMEMBERED_STEPS:
            self._gaps.clear()
            self._unread.clear()

    def overdue(self, watermarks: Watermarks) -> Iterator[LiveRun]:
        """Yield the runs whose deadline has passed, in partitions that were read past it."""
        marks = {one.partition: one.up_to for one in watermarks.all()}
        for run in self.runs.values():
            due, up_to = run.due, marks.get(run.beat.partition)
            if due is not None and up_to is not None and due <= up_to:
                yield run

    def beating_again(self) -> list[LiveRun]:
        """Return the runs that were told, and have given a sign of life since."""
        return [run for run in self.runs.values() if run.beats_again]

    def _know(self, step: StepName) -> None:
        if step not in self._gaps:
            self._gaps[step] = Gaps()
            self._unread.add(step)


def _step_of(beat: Beat) -> StepName:
    return StepName(beat.name.org_id, beat.name.workflow_name, beat.step)


def _is_old(beat: Beat, before: Beat) -> bool:
    if beat.epoch is not None and before.epoch is not None and beat.epoch != before.epoch:
        return beat.epoch < before.epoch
    is_read = beat.partition == before.partition and beat.offset <= before.offset
    return is_read and beat.stamped <= before.stamped  # of a topic made anew the offsets begin again


def _is_before(beat: Beat, end: Beat) -> bool:
    """Return whether a beat was sent before its run's end, by its producer's own clock and count of starts."""
    if beat.epoch is not None and end.epoch is not None and beat.epoch != end.epoch:
        return beat.epoch < end.epoch
    return beat.beat_at <= end.beat_at and not beat.is_last
