"""A live run as its heartbeats tell it: its key, its latest beat, and what is kept of it between two reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from consumer.model.identity import FailureId, OrgId
from schemas.names import RunStatus
from schemas.value import value


class RunName(NamedTuple):
    """A run's identity: run ids are unique within their workflow."""

    org_id: OrgId
    workflow_name: str
    run_id: str


class StepName(NamedTuple):
    """What gaps are learnt by: the step of a workflow, of one organisation; "" for runs that name no step."""

    org_id: OrgId
    workflow_name: str
    step: str


@value(frozen=True, slots=True, kw_only=True)
class Beat:
    """One heartbeat, read from its record. Times are in seconds of the epoch."""

    name: RunName
    source: str
    epoch: int | None
    step: str
    status: RunStatus
    progress: int | None
    beat_at: float
    """When the run was alive, by its own word: shown, and judged by nothing."""
    stamped: float
    """The record's timestamp: two of one run are apart by what lay between its beats, whatever its clock shows."""
    partition: int
    offset: int

    @property
    def is_last(self) -> bool:
        """Whether the run is over."""
        return self.status in ENDED


ENDED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """What is known of a live run; the row of it, once it is kept."""

    beat: Beat
    heard: float
    """When it was alive, by the database's clock, as exactly as its partition's reader knows."""
    allowed: float | None = None
    """How many seconds it may be silent; None: nobody knows."""
    learnt: bool = False
    """Whether that is learnt from beats, and not declared."""
    told: FailureId | None = None
    """The failure that its silence has become."""
    beats_again: bool = False
    """It has given a sign of life since it was told."""

    @property
    def due(self) -> float | None:
        """When its silence becomes a stall; None where nothing is expected of it."""
        if self.allowed is None or self.told is not None or self.beat.status is not RunStatus.EXECUTING:
            return None
        return self.heard + self.allowed


@value(frozen=True, slots=True, kw_only=True)
class PartitionRead:
    """How far a partition was read: all that lay before `offset`, which was all that it held at `up_to`."""

    partition: int
    offset: int
    up_to: float


@value(frozen=True, slots=True, kw_only=True)
class BeatBatch:
    """A part of what an interval's beats have changed, to be kept in one transaction."""

    runs: Sequence[LiveRun]
    over: Sequence[LiveRun]
    gaps: Sequence[tuple[StepName, Sequence[float]]]
    """New healthy gaps of steps, in seconds, the newest last."""
    read: Sequence[PartitionRead]
    is_last: bool
    """Whether nothing else is to be kept: how far was read comes with it alone."""
