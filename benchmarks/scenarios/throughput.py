"""Throughput of no-op heals, end to end, beside two peers and a floor.

The load lies in the topic before the clock starts; it starts when the group gives the member its partitions and ends
when the broker holds a result for each event. The slow peers get a part of the events: rates are compared.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Group
from rich.table import Table

from benchmarks.harness.arena import Arena, Member
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.job import Who
from benchmarks.harness.load import events, failures_of, plain
from benchmarks.harness.report import Report, at_least, median, table
from benchmarks.harness.sampling import TOP, Samples

EVENTS: Final = 50_000
ROUNDS: Final = 3
WITHIN: Final = 300.0
SHARE: Final = {Who.OURS: 1.0, Who.ONE: 0.1, Who.MANY: 1 / 3, Who.BARE: 1.0}
NAMES: Final = {
    Who.OURS: "this consumer",
    Who.ONE: "(a) one event at a time",
    Who.MANY: "(b) per-event SQL, 64 at once",
    Who.BARE: "(c) floor: rows alone, batches of 500",
}
BARS: Final = {Who.ONE: 12.0, Who.MANY: 2.5, Who.BARE: 0.6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run that was complete and right."""

    who: Who
    events: int
    seconds: float
    own_cpu: float
    postgres_cpu: float
    broker_cpu: float
    phases: dict[str, float]
    home: Path

    @property
    def rate(self) -> float:
        """Events in a second."""
        return self.events / self.seconds

    def micros(self, part: str) -> float:
        """Give a part of the processor time, in microseconds an event."""
        seconds: float = getattr(self, part)
        return seconds / self.events * 1e6


async def measure(arena: Arena, asked: Asked, report: Report) -> Group:
    """Run every contender in turn, some rounds; gives the table, and the profile where it was asked for."""
    whos = [Who(asked.only)] if asked.only else list(Who)
    events_of_ours, rounds = asked.count(EVENTS), asked.rounds or ROUNDS
    # Turned by one each round: nobody always runs on the freshest or the most used servers.
    turns = [(who, n) for n in range(rounds) for who in (*whos[n % len(whos) :], *whos[: n % len(whos)])]
    runs: list[Measured] = []
    for who, number in turns:
        count = max(1, int(events_of_ours * SHARE[who]))
        runs.append(await _one(arena, f"{who}{number}", who, count, profile=asked.profile and who is Who.OURS))
        report.line(**_line(runs[-1]))
    shown = [_table(runs)]
    if asked.profile:
        shown += [_profile(run) for run in runs if run.who is Who.OURS]
    return Group(*shown)


async def _one(arena: Arena, name: str, who: Who, count: int, *, profile: bool = False) -> Measured:
    """Measure one contender once. RuntimeError when it is late, or when what it left behind is wrong."""
    async with arena.run(name, events=count, who=who, profile=profile) as run:
        if who is not Who.BARE:
            await run.lay_down(events(count))
        await arena.settled()
        before = arena.cpu()
        async with run.member() as member:
            ended = await _ended(member, await run.results(count, WITHIN, [member]) if who is not Who.BARE else 0.0)
        postgres, broker = (now - then for now, then in zip(arena.cpu(), before, strict=True))
        told = member.told()
        await check(run.job, failures_of(plain(count)))
    return Measured(
        who=who,
        events=count,
        seconds=(told.ended or ended) - told.started,
        own_cpu=told.cpu_seconds,
        postgres_cpu=postgres,
        broker_cpu=broker,
        phases=told.phases,
        home=member.job.home,
    )


async def _ended(member: Member, at: float | None) -> float:
    if at is None:
        raise RuntimeError(f"{member.job.who}: not all results after {WITHIN:.0f} s: see {member.job.directory}")
    return at


def _line(one: Measured) -> dict[str, object]:
    return {
        "who": one.who,
        "events": one.events,
        "seconds": round(one.seconds, 4),
        "rate": round(one.rate, 1),
        "own_cpu_us": round(one.micros("own_cpu"), 1),
        "postgres_cpu_us": round(one.micros("postgres_cpu"), 1),
        "broker_cpu_us": round(one.micros("broker_cpu"), 1),
        "phase_seconds": one.phases,
    }


def _table(runs: list[Measured]) -> Table:
    ours = median([run.rate for run in runs if run.who is Who.OURS])
    mine = {who: [run for run in runs if run.who is who] for who in Who}
    return table(
        "throughput: no-op heals, end to end; medians of all rounds; CPU in microseconds an event",
        ("", "events", "events/s", "rounds", "ours is", "bar", "own CPU", "Postgres CPU", "broker CPU"),
        [_row(who, mine[who], ours) for who in Who if mine[who]],
    )


def _row(who: Who, mine: list[Measured], ours: float) -> list[str]:
    rate = median([run.rate for run in mine])
    ratio = ours / rate if ours and who is not Who.OURS else None
    return [
        NAMES[who],
        f"{mine[0].events:,}",
        f"{rate:,.0f}",
        " ".join(f"{run.rate:,.0f}" for run in mine),
        "" if ratio is None else f"{ratio:.2f}x",
        "" if ratio is None else at_least(ratio, BARS[who]),
        *(f"{median([run.micros(part) for run in mine]):.0f}" for part in ("own_cpu", "postgres_cpu", "broker_cpu")),
    ]


def _profile(run: Measured) -> Table:
    samples, own = Samples.load(run.home), run.micros("own_cpu")
    total = max(1, samples.phases.total())
    parts = [(f"{name}", seen) for name, seen in samples.phases.most_common()]
    parts += [(f"  in {name}", seen) for name, seen in samples.functions.most_common(TOP)]
    return table(
        f"this consumer: where {own:.0f} us of own CPU an event go; {total:,} samples, sampling included",
        ("phase, then innermost functions", "part", "us an event"),
        [[name, f"{seen / total:.1%}", f"{seen / total * own:.1f}"] for name, seen in parts],
    )
