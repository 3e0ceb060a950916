"""What an honest organisation notices of an attack by another: its latency, the event loop's longest hold, memory.

The consumer runs as it ships, its strategies and its API included. The honest organisation sends 50 failures/s, each
healed by one quick call; latency is taken as in `latency`, from the intended send time to the result that says
`resolved`. Each run has the same load twice: alone, then beside the attack. Held is the loop while the attack lasts:
the latest tick, and the most processor time of the loop's thread between two ticks. Memory is that of the consumer's
process (RSS): before the attack, its most, and the least in the time after it.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.table import Table

from benchmarks.attacks.far_side import far_side
from benchmarks.attacks.site import HONEST, HONEST_SOURCE, JWT_SECRET, Context, Site, catalog, failure_event
from benchmarks.attacks.suite import ATTACKS, Attack
from benchmarks.harness import usage
from benchmarks.harness.arena import Arena, Member, Run
from benchmarks.harness.asked import Asked
from benchmarks.harness.holds import Hold, holds
from benchmarks.harness.pace import latencies
from benchmarks.harness.report import Report, at_most, median, percentile, table
from consumer.ingest.decode import event_failure_id
from consumer.local.progress import to_stderr
from consumer.local.server import free_ports
from consumer.model import FailureId

RATE: Final = 50.0
SECONDS: Final = 10.0
WARM_UP: Final = 3.0
ROUNDS: Final = 3
LATE: Final = 0.99
FACTOR: Final = 2.0
SPARE_MS: Final = 20.0
HELD_MS: Final = 100.0
MEMORY: Final = 1.10
CALMS_WITHIN: Final = 20.0
"""Seconds after an attack in which the memory has to come back."""
LOOK_EVERY: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Honest:
    """One honest failure; its call is made once and answered at once."""

    number: str
    port: int

    @property
    def failure(self) -> FailureId:
        """The failure that it must become."""
        return event_failure_id(HONEST, HONEST_SOURCE, self.number)

    @property
    def key(self) -> bytes:
        """The record's key."""
        return self.number.encode()

    @property
    def value(self) -> bytes:
        """The record's value."""
        url = f"http://127.0.0.1:{self.port}/orders"
        request = {"method": "POST", "url": url, "body": {"order": self.number}, "idempotency_key": self.number}
        context: Context = {"request": {**request, "expect": {"json": [{"path": "/state", "equals": "done"}]}}}
        return failure_event(self.number, HONEST, HONEST_SOURCE, "Timeout: POST /orders", context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """What one run showed."""

    alone_ms: float
    """p99 of the honest organisation before the attack."""
    beside_ms: float
    late_ms: float
    """The latest tick of the loop during the attack."""
    held_ms: float
    """Most processor time of the loop's thread between two ticks."""
    before: int
    """Bytes of RSS."""
    most: int
    after: int
    longest: Hold | None
    """The longest hold."""


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run every attack some rounds; gives what the honest organisation noticed."""
    wanted = {name: attack for name, attack in ATTACKS.items() if asked.only is None or asked.only in name}
    if not wanted:
        raise RuntimeError(f"no attack has `{asked.only}` in its name; there are: {', '.join(ATTACKS)}")
    runs: dict[str, list[Noticed]] = {name: [] for name in wanted}
    for number in range(asked.rounds or ROUNDS):
        for place, (name, attack) in enumerate(wanted.items()):
            noticed = await _one(arena, f"attack{place}x{number}", attack, asked)
            runs[name].append(noticed)
            report.line(attack=name, rate=RATE, **_rounded(noticed))
            if asked.profile and noticed.longest:
                to_stderr("\n".join(noticed.longest.stacks))
    return table(
        f"an honest organisation at {RATE:.0f} failures/s beside an attack; medians of the rounds",
        ("", "p99 alone", "p99 beside", "bar", "loop late", "loop's CPU", "bar", "RSS before", "most", "after", "bar"),
        [_row(name, rounds) for name, rounds in runs.items()],
    )


def _rounded(noticed: Noticed) -> dict[str, float]:
    times = {name: round(getattr(noticed, name), 1) for name in ("alone_ms", "beside_ms", "late_ms", "held_ms")}
    return {**times, **{f"rss_{name}": getattr(noticed, name) for name in ("before", "most", "after")}}


def _row(name: str, rounds: Sequence[Noticed]) -> list[str]:
    alone, beside = median([one.alone_ms for one in rounds]), median([one.beside_ms for one in rounds])
    late, held = median([one.late_ms for one in rounds]), median([one.held_ms for one in rounds])
    before, most, after = (median([getattr(one, at) / 2**20 for one in rounds]) for at in ("before", "most", "after"))
    return [
        name,
        f"{alone:.0f} ms",
        f"{beside:.0f} ms",
        at_most(beside, round(alone * FACTOR + SPARE_MS, 1), " ms"),
        f"{late:.0f} ms",
        f"{held:.0f} ms",
        at_most(held, HELD_MS, " ms"),
        f"{before:.0f} MB",
        f"{most:.0f} MB",
        f"{after:.0f} MB",
        at_most(after, round(before * MEMORY), " MB"),
    ]


async def _one(arena: Arena, name: str, attack: Attack, asked: Asked) -> Noticed:
    async with far_side("honest") as honest, far_side("hostile") as hostile:
        (api_port,) = free_ports(1)
        shipped: dict[str, str | int] = {
            "catalog": catalog(honest, hostile),
            "api_port": api_port,
            "jwt_secret": JWT_SECRET,
        }
        async with arena.run(name, events=0, profile=asked.profile) as prepared:
            run = Run(job=replace(prepared.job, shipped=shipped))
            site = Site(run=run, hostile_port=hostile, api_port=api_port)
            await site.prepare()
            async with run.member() as member:
                await member.assigned()
                await site.ask_once()
                await arena.settled()
                return await _noticed(site, member, attack, honest, asked.seconds(SECONDS))


async def _noticed(site: Site, member: Member, attack: Attack, port: int, seconds: float) -> Noticed:
    alone = await _late(site.run, "alone", port, WARM_UP + seconds, warm_up=WARM_UP)
    before, most = usage.resident_bytes(member.pid), _Most(member.pid)
    watching = asyncio.create_task(most.watch())
    begun = time.time()
    try:
        async with attack(site):
            beside = await _late(site.run, "beside", port, seconds, warm_up=0)
        held = holds(member.job.home, begun, time.time())
        after = await _calm(member.pid, round(before * MEMORY))
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    longest = max(held, key=lambda hold: hold.cpu, default=None)
    return Noticed(
        alone_ms=alone,
        beside_ms=beside,
        late_ms=max((hold.late for hold in held), default=0.0) * 1000,
        held_ms=longest.cpu * 1000 if longest else 0.0,
        before=before,
        most=most.seen,
        after=after,
        longest=longest,
    )


async def _late(run: Run, part: str, port: int, seconds: float, *, warm_up: float) -> float:
    load = [Honest(number=f"{part}-{number}", port=port) for number in range(int(seconds * RATE))]
    taken = await latencies(run, load, RATE, warm_up=int(warm_up * RATE), within=60, arrived=_is_resolved)
    return percentile(taken, LATE) if taken else math.inf


def _is_resolved(value: bytes) -> bool:
    return b'"status":"resolved"' in value.replace(b" ", b"")


@dataclass(slots=True)
class _Most:
    pid: int
    seen: int = 0

    async def watch(self) -> None:
        while True:
            self.seen = max(self.seen, usage.resident_bytes(self.pid))
            await asyncio.sleep(LOOK_EVERY)


async def _calm(pid: int, enough: int) -> int:
    """Wait until the process holds so little again, or for as long as that may take; gives the least that it held."""
    deadline, least = time.monotonic() + CALMS_WITHIN, usage.resident_bytes(pid)
    while least > enough and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_EVERY)
        least = min(least, usage.resident_bytes(pid))
    return least
