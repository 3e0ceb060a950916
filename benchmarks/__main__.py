"""`python -m benchmarks`: every contender in turn, some rounds, medians and ratios."""

import argparse
import asyncio
import pstats
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.arena import Measured, open_arena
from benchmarks.job import Who
from benchmarks.machine import machine
from consumer.local.stack import BrokerChoice

OUT: Final = Path(".local/bench")
SHARE: Final = {Who.OURS: 1.0, Who.ONE: 0.1, Who.MANY: 1 / 3, Who.BARE: 1.0}
"""The part of the events that a contender gets: the slow ones would only take longer, at the same rate."""
NAMES: Final = {
    Who.OURS: "this consumer",
    Who.ONE: "(a) one event at a time",
    Who.MANY: "(b) per-event SQL, 64 at once",
    Who.BARE: "(c) floor: rows alone, batches of 500",
}
BARS: Final = {Who.ONE: 12.0, Who.MANY: 2.5}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--broker", choices=[choice.value for choice in BrokerChoice], default="auto")
    parser.add_argument("--only", choices=[who.value for who in Who])
    parser.add_argument("--profile", action="store_true", help="profile the contender's process; slows it down")
    return parser.parse_args()


async def _measure(asked: argparse.Namespace) -> list[Measured]:
    started = datetime.now(UTC)
    OUT.mkdir(parents=True, exist_ok=True)
    directory = OUT.absolute() / started.strftime("run-%Y%m%dT%H%M%S")
    runs: list[Measured] = []
    whos = [Who(asked.only)] if asked.only else list(Who)
    async with open_arena(BrokerChoice(asked.broker), directory) as arena:
        kind = arena.stack.broker.kind if arena.stack.broker else "given"
        facts = {"date": started.isoformat(timespec="seconds"), "broker": kind, **machine()}
        sys.stderr.write(orjson.dumps(facts).decode() + "\n")
        with (OUT / "runs.jsonl").open("ab") as lines:
            for number in range(asked.rounds):
                # Turned by one each round: nobody always runs on the coldest or the most used servers.
                for who in whos[number % len(whos) :] + whos[: number % len(whos)]:
                    count = max(1, int(asked.events * SHARE[who]))
                    one = await arena.run(who, number, count, profile=asked.profile)
                    runs.append(one)
                    sys.stderr.write(f"{one.who} round {number + 1}: {one.rate:,.0f} events/s\n")
                    lines.write(orjson.dumps({**facts, **_line(one)}) + b"\n")
                    if asked.profile:
                        _show_profile(directory / f"{who}-{number}" / "profile.pstats")
    return runs


def _line(one: Measured) -> dict[str, object]:
    return {
        "who": one.who,
        "events": one.events,
        "seconds": round(one.seconds, 4),
        "rate": round(one.rate, 1),
        "own_cpu_us": round(one.own_cpu / one.events * 1e6, 1),
        "postgres_cpu_us": round(one.postgres_cpu / one.events * 1e6, 1),
        "broker_cpu_us": round(one.broker_cpu / one.events * 1e6, 1),
        "phase_seconds": one.phases,
    }


def _show_profile(path: Path) -> None:
    stats = pstats.Stats(str(path), stream=sys.stderr)
    stats.sort_stats("tottime").print_stats(45)


def _table(runs: list[Measured]) -> Table:
    table = Table(title="no-op heals, end to end: events/s, medians")
    for title in ("who", "events", "rounds", "events/s", "all rounds", "ours is", "bar"):
        table.add_column(title, justify="left" if title == "who" else "right")
    for title in ("own CPU us", "Postgres us", "broker us"):
        table.add_column(title, justify="right")
    rates = {who: [run.rate for run in runs if run.who is who] for who in Who}
    ours = statistics.median(rates[Who.OURS]) if rates[Who.OURS] else None
    for who in Who:
        if not rates[who]:
            continue
        mine = [run for run in runs if run.who is who]
        median = statistics.median(rates[who])
        table.add_row(
            NAMES[who],
            f"{mine[0].events:,}",
            str(len(mine)),
            f"{median:,.0f}",
            " ".join(f"{rate:,.0f}" for rate in rates[who]),
            f"{ours / median:.2f}x" if ours and who is not Who.OURS else "",
            f">= {BARS[who]:g}x" if who in BARS else "",
            *(f"{statistics.median(part):.0f}" for part in _cpu_of(mine)),
        )
    return table


def _cpu_of(mine: list[Measured]) -> tuple[list[float], ...]:
    return (
        [run.own_cpu / run.events * 1e6 for run in mine],
        [run.postgres_cpu / run.events * 1e6 for run in mine],
        [run.broker_cpu / run.events * 1e6 for run in mine],
    )


def main() -> int:
    """Measure, and print the table."""
    runs = asyncio.run(_measure(_asked()))
    Console(width=160).print(_table(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
