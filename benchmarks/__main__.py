"""`python -m benchmarks [SCENARIO]`: one scenario, or all; a table with its bars, and lines of JSON."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import orjson
import uvloop
from rich.console import Console, RenderableType

from benchmarks import console
from benchmarks.harness.arena import WARM_UP, Arena, open_arena
from benchmarks.harness.asked import Asked
from benchmarks.harness.machine import machine
from benchmarks.harness.report import OUT, Report
from benchmarks.scenarios import (
    attacks,
    backlog,
    bulk,
    enforcement,
    fairness,
    heartbeats,
    keys,
    latency,
    replicas,
    slots,
    stored,
    suspended,
    throughput,
)
from consumer.errors import ConfigError, TransientError
from consumer.local.progress import to_stderr
from consumer.local.stack import BrokerChoice

Scenario = Callable[[Arena, Asked, Report], Awaitable[RenderableType]]
SCENARIOS: Final[Mapping[str, Scenario]] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "backlog": backlog.measure,
    "slots": slots.measure,
    "replicas": replicas.measure,
    "fairness": fairness.measure,
    "keys": keys.measure,
    "stored": stored.measure,
    "suspended": suspended.measure,
    "enforcement": enforcement.measure,
    "bulk": bulk.measure,
    "heartbeats": heartbeats.measure,
    "attacks": attacks.measure,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenario", nargs="?", default="throughput", choices=[*SCENARIOS, "all"])
    parser.add_argument("--events", type=int, help="events of a run; each scenario has a number of its own")
    parser.add_argument("--rounds", type=int, help="rounds; each scenario has a number of its own")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the full size, for a quick look")
    parser.add_argument("--broker", choices=[choice.value for choice in BrokerChoice], default="auto")
    parser.add_argument("--shared-buffers", default="1GB", help="of Postgres; it ships with 128MB")
    parser.add_argument("--only", help="throughput: one contender; attacks: those with this in their name")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="throughput: where the consumer's CPU time goes, by phase; attacks: what held its loop",
    )
    return parser


async def _measure(told: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    directory = OUT.absolute() / started.strftime("run-%Y%m%dT%H%M%S")
    directory.mkdir(parents=True)
    asked = Asked(events=told.events, rounds=told.rounds, scale=told.scale, only=told.only, profile=told.profile)
    names = list(SCENARIOS) if told.scenario == "all" else [told.scenario]
    failed = 0
    async with open_arena(BrokerChoice(told.broker), directory, shared_buffers=told.shared_buffers) as arena:
        kind = arena.stack.broker.kind if arena.stack.broker else "given"
        facts = {
            "date": started.isoformat(timespec="seconds"),
            "broker": kind,
            "shared_buffers": told.shared_buffers,
            **machine(),
        }
        to_stderr(orjson.dumps(facts).decode())
        await arena.warm_up(Asked(scale=told.scale).count(WARM_UP))
        for name in names:
            try:
                shown = await SCENARIOS[name](arena, asked, Report(facts=facts, scenario=name))
            except (RuntimeError, TimeoutError, ConfigError, TransientError) as error:
                to_stderr(f"{name}: {error or type(error).__name__}")
                failed += 1
            else:
                Console(width=None if sys.stdout.isatty() else 180).print(shown)
    return 1 if failed else 0


def main() -> int:
    """Measure and print; 1 when a run was incomplete or left the wrong rows behind, not for a missed bar."""
    try:
        if sys.argv[1:2] == ["console"]:  # it needs a database alone, and no broker
            return console.main(sys.argv[2:])
        return uvloop.run(_measure(_parser().parse_args()))
    except (RuntimeError, TimeoutError, ConfigError, TransientError) as error:
        to_stderr(f"benchmark: {error or type(error).__name__}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
