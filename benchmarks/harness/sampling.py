"""Where a process's time goes: its stack is looked at after each millisecond of its CPU time, and booked to a phase.

The kernel's profiling timer (SIGPROF) counts user and system time of the whole process, so waiting costs nothing.
Python answers a signal between two bytecodes: time inside C (the driver, the client, JSON) is booked to the Python
that runs next.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import orjson

EVERY: Final = 0.001
"""Seconds of CPU time; the kernel's tick (often 4 ms) may make it longer."""
TOP: Final = 25

# The innermost frame that stands here decides, so that what a stage calls for itself is the stage's.
PHASES: Final = {
    "consumer/ingest/decode": "decode", "consumer/redact": "decode", "schemas/envelope": "decode",
    "consumer/diagnose/": "diagnose", "consumer/plan/": "plan",
    "consumer/store/intake": "intake transaction", "consumer/intake": "intake transaction",
    "consumer/store/credits": "credits",
    "consumer/heal/": "heal", "benchmarks/noop": "heal", "benchmarks/told": "heal",
    "consumer/settlement": "settlement and message", "consumer/results": "settlement and message",
    "consumer/store/settle": "settle transaction", "consumer/settle": "settle transaction",
    "consumer/store/outbox": "outbox",
    "consumer/publish": "publish", "consumer/kafka/writer": "publish", "aiokafka/producer/": "publish",
    "consumer/ingest/source": "poll and commit", "consumer/kafka/reader": "poll and commit",
    "aiokafka/consumer/": "poll and commit", "aiokafka/": "Kafka client",
    "structlog/": "log and count", "consumer/logs": "log and count", "consumer/metrics": "log and count",
    "prometheus_client/": "log and count",
    "consumer/resume": "resume", "consumer/store/due": "resume", "consumer/store/owner": "leases",
    "consumer/store/census": "census", "consumer/pipeline": "pipeline: starting and ending heals",
}  # fmt: skip
REST: Final = "event loop and driver"


@dataclass(slots=True)
class Samples:
    """What was seen, by phase and by innermost function."""

    phases: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)

    def look(self, _signal: int, frame: FrameType | None) -> None:
        """Take one sample."""
        if frame is None:
            return
        code = frame.f_code
        self.functions[f"{_short(code.co_filename)}:{code.co_name}"] += 1
        self.phases[_phase(frame)] += 1

    def save(self, home: Path) -> None:
        """Write them for the one who started the run."""
        (home / "samples.json").write_bytes(orjson.dumps({"phases": self.phases, "functions": self.functions}))

    @staticmethod
    def load(home: Path) -> "Samples":
        """Read them back."""
        told = orjson.loads((home / "samples.json").read_bytes())
        return Samples(phases=Counter(told["phases"]), functions=Counter(told["functions"]))


@contextmanager
def sampled(home: Path) -> Iterator[None]:
    """Sample this process's main thread until the end of the block; the samples lie in `home`."""
    samples = Samples()
    signal.signal(signal.SIGPROF, samples.look)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples.save(home)


def _phase(frame: FrameType | None) -> str:
    while frame is not None:
        name = frame.f_code.co_filename
        for part, phase in PHASES.items():
            if part in name:
                return phase
        frame = frame.f_back
    return REST


def _short(name: str) -> str:
    parts = Path(name).parts
    return "/".join(parts[-3:]) if "site-packages" in name else "/".join(parts[-2:])
