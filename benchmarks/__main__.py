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
from consumer.errors import ConfigError, TransientError
from consumer.local.progress import to_stderr
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
    directory = OUT.absolute() / started.strftime("run-%Y%m%dT%H%M%S")
    directory.mkdir(parents=True)
    whos = [Who(asked.only)] if asked.only else list(Who)
    # Turned by one each round: nobody always runs on the freshest or the most used servers.
    turns = [(who, n) for n in range(asked.rounds) for who in (*whos[n % len(whos) :], *whos[: n % len(whos)])]
    runs: list[Measured] = []
    async with open_arena(BrokerChoice(asked.broker), directory) as arena:
        kind = arena.stack.broker.kind if arena.stack.broker else "given"
        facts = {"date": started.isoformat(timespec="seconds"), "broker": kind, **machine()}
        to_stderr(orjson.dumps(facts).decode())
        for who, number in turns:
            one = await arena.run(who, number, max(1, int(asked.events * SHARE[who])), profile=asked.profile)
            runs.append(one)
            to_stderr(f"{NAMES[who]}, round {number + 1}: {one.rate:,.0f} events/s")
            with (OUT / "runs.jsonl").open("ab") as lines:
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
    table = Table(title="no-op heals, end to end: medians of all rounds; CPU in microseconds an event")
    for title in ("", "events", "events/s", "rounds", "ours is", "bar", "own CPU", "Postgres CPU", "broker CPU"):
        table.add_column(title, justify="right" if title else "left")
    ours = _median([run.rate for run in runs if run.who is Who.OURS])
    for who in Who:
        mine = [run for run in runs if run.who is who]
        if mine:
            table.add_row(*_row(who, mine, ours))
    return table


def _row(who: Who, mine: list[Measured], ours: float) -> list[str]:
    rate = _median([run.rate for run in mine])
    ratio = ours / rate if ours and who is not Who.OURS else None
    bar = BARS.get(who)
    met = "" if bar is None or ratio is None else " met" if ratio >= bar else " MISSED"
    return [
        NAMES[who],
        f"{mine[0].events:,}",
        f"{rate:,.0f}",
        " ".join(f"{run.rate:,.0f}" for run in mine),
        "" if ratio is None else f"{ratio:.2f}x",
        "" if bar is None else f">= {bar:g}x{met}",
        *(
            f"{_median([getattr(run, part) / run.events * 1e6 for run in mine]):.0f}"
            for part in ("own_cpu", "postgres_cpu", "broker_cpu")
        ),
    ]


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0


def main() -> int:
    """Measure, and print the table; 1 when a run was incomplete or left the wrong rows behind."""
    try:
        runs = asyncio.run(_measure(_asked()))
    except (RuntimeError, TimeoutError, ConfigError, TransientError) as error:
        to_stderr(f"benchmark: {error or type(error).__name__}")
        return 1
    Console(width=160 if not sys.stdout.isatty() else None).print(_table(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
