"""Heartbeats of 10,000 live runs, 5,000 a second: what they cost, what intake feels of them, and what is seen of 100.

First the processor time of consumer and database with beats less that without, nothing else going on. Then the latency
of failures at 200/s without beats and beside them, in turn. Last the runs go on beating while 100 of them stop, and the
consumer is started anew in between: each has to become one failure within its deadline and two looks, and no other.
The beats are sent from this process, whose processor time counts for nobody.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from rich.table import Table

from benchmarks.harness import usage
from benchmarks.harness.arena import Arena, Run
from benchmarks.harness.asked import Asked
from benchmarks.harness.load import CATALOG, ORGANISATIONS, organisations, plain
from benchmarks.harness.pace import latencies
from benchmarks.harness.report import Report, at_most, median, percentile, table

RUNS: Final = 10_000
RATE: Final = 5_000.0
STOPPED: Final = 100
DEADLINE: Final = 20.0
LOOKS: Final = 2 * (5.0 + 5.0)
"""Seconds of two looks: each comes with the next reading (`every`), and the second at least `apart` later."""
SECONDS: Final = 30.0
ROUNDS: Final = 3
FAILURES: Final = 200.0
TICK: Final = 0.05
WORKFLOW: Final = "orders.sync"
BARS: Final = {"core": 0.25, "p99": 1.2}
_BEATING: Final = CATALOG.replace(
    "- name: 'orders.*'\n", f"- name: 'orders.*'\n  heartbeats: {{deadline: PT{DEADLINE:.0f}S}}\n", 1
)


@dataclass(slots=True)
class Beats:
    """Runs that beat in turn, so many a second in all, until told to stop."""

    runs: int
    rate: float
    silent: set[int] = field(default_factory=set)
    last: dict[int, float] = field(default_factory=dict)
    """When each run beat last (`time.time()`)."""

    async def send(self, producer: Any, topic: str, stop: asyncio.Event) -> None:  # noqa: ANN401 - the client has no types
        """Send beats at the rate, whatever comes of them."""
        begin, sent = time.monotonic(), 0
        ready = [(f"run-{number}".encode(), _beat(number)) for number in range(self.runs)]
        while not stop.is_set():
            for number in range(sent, int((time.monotonic() - begin) * self.rate)):
                run = number % self.runs
                if run not in self.silent:
                    key, value = ready[run]
                    await producer.send(topic, value, key=key)
                    self.last[run] = time.time()
                sent = number + 1
            await asyncio.sleep(TICK)


def _beat(number: int) -> bytes:
    data = {
        "org_id": str(organisations()[number % ORGANISATIONS]),
        "workflow_name": WORKFLOW,
        "run_id": f"run-{number}",
        "step": "fetch",
        "status": "executing",
        "beat_at": "2026-03-14T12:00:00Z",
    }
    event = {"specversion": "1.0", "id": "1", "source": "urn:orders", "type": "workflow.heartbeat.v1", "data": data}
    return orjson.dumps(event)


@asynccontextmanager
async def _beating(run: Run, beats: Beats) -> AsyncIterator[None]:
    stop = asyncio.Event()
    producer: Any = AIOKafkaProducer(bootstrap_servers=run.job.bootstrap, acks="all", linger_ms=20)
    await producer.start()
    sending = asyncio.create_task(beats.send(producer, run.job.heartbeats or "", stop))
    try:
        yield
    finally:
        stop.set()
        await sending
        await producer.stop()


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run the three parts; gives each figure beside its bar."""
    runs, rate = max(200, int(RUNS * asked.scale)), RATE * asked.scale
    rounds, seconds = asked.rounds or ROUNDS, asked.seconds(SECONDS)
    costs = [await _cost(arena, f"beatcost{number}", Beats(runs, rate), seconds) for number in range(rounds)]
    beside = [await _p99s(arena, number, Beats(runs, rate), seconds) for number in range(rounds)]
    seen = await _stops(arena, Beats(runs, rate), max(10, int(STOPPED * asked.scale)))
    report.line(runs=runs, rate=rate, costs=costs, p99_ms=beside, **seen)
    ratio = median([with_beats / without for without, with_beats in beside])
    rows = [
        ["of a core, database included", f"{median(costs):.2f}", at_most(median(costs), BARS["core"], "")],
        ["intake's p99 beside, times", f"{ratio:.2f}", at_most(ratio, BARS["p99"], "")],
        ["failures of runs that stopped", f"{seen['found']} of {seen['stopped']}", ""],
        ["failures of others, or twice", str(seen["false"]), at_most(float(seen["false"]), 0.0, "")],
        ["seconds from last beat, at most", f"{seen['latest']:.1f}", at_most(seen["latest"], DEADLINE + LOOKS, " s")],
    ]
    return table(f"{runs:,} live runs, {rate:,.0f} beats/s", ("", "figure", "bar"), rows)


async def _cost(arena: Arena, name: str, beats: Beats, seconds: float) -> float:
    """Give the cores that beats take, of the consumer and of the database, beyond what both take idle."""
    async with arena.run(name, events=0, catalog=_BEATING, heartbeats=True) as run, run.member() as member:
        await member.assigned()
        await arena.settled()
        idle = await _cores(arena, member.pid, seconds)
        async with _beating(run, beats):
            await run.until("SELECT count(*) FROM heal_live_run", lambda known: known >= beats.runs, 60)
            busy = await _cores(arena, member.pid, seconds)
    return busy - idle


async def _cores(arena: Arena, pid: int, seconds: float) -> float:
    before, begin = usage.cpu_seconds(pid) + arena.cpu()[0], time.monotonic()
    await asyncio.sleep(seconds)
    return (usage.cpu_seconds(pid) + arena.cpu()[0] - before) / (time.monotonic() - begin)


async def _p99s(arena: Arena, number: int, beats: Beats, seconds: float) -> tuple[float, float]:
    """Give the 99th percentile of failures' latency without beats, and beside them, in milliseconds."""
    name, load = f"beatbeside{number}", list(plain(int(2 * (seconds + 3) * FAILURES)))
    warm_up, half = int(3 * FAILURES), len(load) // 2
    async with arena.run(name, events=len(load), catalog=_BEATING, heartbeats=True) as run, run.member() as member:
        await member.assigned()
        await arena.settled()
        alone = await latencies(run, load[:half], FAILURES, warm_up=warm_up, within=60)
        async with _beating(run, beats):
            await run.until("SELECT count(*) FROM heal_live_run", lambda known: known >= beats.runs, 60)
            beside = await latencies(run, load[half:], FAILURES, warm_up=warm_up, within=60)
    return percentile(alone, 0.99), percentile(beside, 0.99)


async def _stops(arena: Arena, beats: Beats, stopped: int) -> dict[str, Any]:
    """Have some runs stop, half of them before a restart of the consumer and half while it is away."""
    async with arena.run("beatstops", events=0, catalog=_BEATING, heartbeats=True) as run, _beating(run, beats):
        async with run.member(0) as member:
            await member.assigned()
            await run.until("SELECT count(*) FROM heal_live_run", lambda known: known >= beats.runs, 60)
            beats.silent |= set(range(0, stopped, 2))
            await asyncio.sleep(beats.runs / beats.rate + 1)
        beats.silent |= set(range(1, stopped, 2))
        async with run.member(1) as member:
            await member.assigned()
            enough = f"SELECT count(*) FROM workflow_failures WHERE workflow_name = '{WORKFLOW}'"  # noqa: S608 - a constant
            await run.until(enough, lambda found: found >= stopped, DEADLINE + LOOKS + 60)
            await asyncio.sleep(DEADLINE + LOOKS)  # whatever else were to be told is told by then
        return _judged(await _told(run), beats, stopped)


async def _told(run: Run) -> Sequence[tuple[int, float]]:
    connection = await asyncpg.connect(run.job.dsn)
    try:
        rows = await connection.fetch(
            "SELECT context #>> '{run,id}' AS run,"
            " extract(epoch FROM detected_at)::float8 AS told FROM workflow_failures"
        )
    finally:
        await connection.close()
    return [(int(row["run"].removeprefix("run-")), row["told"]) for row in rows]


def _judged(told: Sequence[tuple[int, float]], beats: Beats, stopped: int) -> dict[str, Any]:
    runs = [run for run, _ in told]
    found = {run for run in runs if run in beats.silent}
    late = [at - beats.last[run] for run, at in told if run in beats.silent]
    return {
        "stopped": stopped,
        "found": len(found),
        "false": len(runs) - len(found),
        "latest": max(late, default=float("inf")),
    }
