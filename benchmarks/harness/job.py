"""What one process of one run is told, and what it tells."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson

PARTITIONS: Final = 4
"""Of every topic of a run that names no other number."""


HEARTBEATS: Final = "workflow.heartbeats"
"""The topic of a run that reads none."""


class Who(StrEnum):
    """The contenders."""

    OURS = "ours"  # the consumer itself, in a process of its own
    ONE = "a"  # one event at a time
    MANY = "b"  # the same SQL for each event, 64 events at once
    BARE = "c"  # the rows alone, in batches, without a broker: the floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One process of a run: its addresses, and how it differs from the consumer as it ships."""

    who: Who
    events: int
    """The load's size: what a peer that ends by itself writes."""
    dsn: str
    bootstrap: str
    idempotence: bool
    group: str
    failures: str
    results: str
    dlq: str
    directory: str
    """Where the process keeps its catalog, its log, its report and its profile."""
    partitions: int = PARTITIONS
    profile: bool = False
    as_told: bool = False
    """Each heal does what its event says (`benchmarks.contenders.told`); without it none does anything."""
    shipped: Mapping[str, str | int] | None = None
    """With it the consumer runs with its own strategies and its API: `catalog`, `api_port`, `jwt_secret`."""
    catalog: str | None = None
    """The consumer's catalog, where it is not the load's."""
    heal: Mapping[str, int] = field(default_factory=dict)
    """Settings of the section `heal` that are not at their default."""

    heartbeats: str | None = None
    """The topic of heartbeats; None: none are read."""

    @property
    def home(self) -> Path:
        """The directory."""
        return Path(self.directory)

    def save(self) -> Path:
        """Write it for its process."""
        self.home.mkdir(parents=True, exist_ok=True)
        path = self.home / "job.json"
        path.write_bytes(orjson.dumps(asdict(self)))
        return path

    @staticmethod
    def load(path: Path) -> "Job":
        """Read it back."""
        told = orjson.loads(path.read_bytes())
        return Job(**{**told, "who": Who(told["who"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a run's process reports when it has stopped."""

    started: float
    """`time.time()` when the group gave it its partitions; for the floor, before its first statement."""
    cpu_seconds: float
    """User and system, from after the imports to the end of the stop."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds by phase, where the contender counts them."""
    ended: float | None = None
    """Only where nobody outside can see the end: the floor publishes nothing."""

    def save(self, home: Path) -> None:
        """Write it for the one who started the run."""
        (home / "told.json").write_bytes(orjson.dumps(asdict(self)))

    @staticmethod
    def load(home: Path) -> "Told":
        """Read it back."""
        return Told(**orjson.loads((home / "told.json").read_bytes()))
