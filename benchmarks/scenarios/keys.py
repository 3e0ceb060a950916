"""Parallel Consumer's work model: 10,000 messages in one partition, each 0 to 5 ms of work, on 1 to 10,000 keys.

Here the key is the scope of the heal, of which one is live at a time in the fleet; there it is the record's key, one
at a time in the process. Both get the same messages, at most 100 at once, and the same work from the message itself;
the clock starts with the partition. It is not the same service: Parallel Consumer runs a function and commits
offsets; here each message is also made durable, diagnosed, claimed, settled with credits in the database, and its
result published and waited for. A run that takes longer than allowed tells how many were done.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from aiokafka import TopicPartition
from rich.table import Table

from benchmarks.contenders import parallel_consumer
from benchmarks.harness.arena import Arena, Run, watching
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import ORGANISATIONS, Event, Work, failures_of
from benchmarks.harness.report import Report, median, table
from consumer.local.broker import BrokerKind
from consumer.local.progress import to_stderr

EVENTS: Final = 10_000
KEYS: Final = (1, 2, 5, 10, 20, 100, 10_000)
PUBLISHED: Final = {1: 26.743, 2: 13.576, 5: 5.916, 10: 3.310, 20: 2.242, 100: 2.178, 10_000: 2.128}
"""Seconds, from the README of confluentinc/parallel-consumer: 16 threads, limit 100, on its authors' machine."""
LIMIT: Final = 100
MOST_MS: Final = 5.0
WITHIN: Final = 240
ROUNDS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """How far one run came, and in how long."""

    done: int
    seconds: float


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run each number of keys, here and in Parallel Consumer; gives both beside the published seconds."""
    count = asked.count(EVENTS)
    ours: dict[int, list[Took]] = {keys: [] for keys in KEYS}
    theirs: dict[int, list[float]] = {keys: [] for keys in KEYS}
    for number in range(asked.rounds or ROUNDS):
        for keys in KEYS:
            took, seconds = await _both(arena, f"keys{keys}x{number}", _load(count, keys))
            ours[keys].append(took)
            theirs[keys] += seconds
            report.line(
                keys=keys, messages=count, done=took.done, seconds=round(took.seconds, 3), parallel_consumer=seconds
            )
    return table(
        f"{count:,} messages of 0 to {MOST_MS:.0f} ms, one partition, at most {LIMIT} at once; seconds, medians",
        (
            "keys",
            "work alone",
            "this consumer",
            "Parallel Consumer here",
            f"published ({EVENTS:,})",
            "ours / theirs here",
        ),
        [_row(keys, count, ours[keys], theirs[keys]) for keys in KEYS],
    )


def _load(count: int, keys: int) -> tuple[Event, ...]:
    dice = Random(20_260_101)  # noqa: S311 - the same work in every run
    return tuple(
        Event(
            number=number,
            organisation=number % keys % ORGANISATIONS,
            work=Work(ms=round(dice.uniform(0, MOST_MS), 3), scope=f"key-{number % keys}"),
            record_key=f"key-{number % keys}",
        )
        for number in range(count)
    )


async def _both(arena: Arena, name: str, load: tuple[Event, ...]) -> tuple[Took, list[float]]:
    async with arena.run(name, events=len(load), as_told=True, partitions=1, heal={"slots": LIMIT}) as run:
        await run.lay_down((event.key, event.value) for event in load)
        await arena.settled()
        async with run.member() as member:
            ended = await run.results(len(load), WITHIN, [member])
            done = len(load) if ended is not None else await _done(run)
        if ended is not None:
            await check(run.job, failures_of(load))
        took = Took(done=done, seconds=ended - member.told().started if ended is not None else float(WITHIN))
        return took, await _theirs(arena, run)


async def _done(run: Run) -> int:
    partitions = [TopicPartition(run.job.results, 0)]
    async with watching(run.job, partitions) as watcher:
        ends = await watcher.end_offsets(partitions)
    return int(ends[partitions[0]])


async def _theirs(arena: Arena, run: Run) -> list[float]:
    broker = arena.stack.broker
    reason = parallel_consumer.unavailable_reason()
    if reason is None and broker is not None and broker.kind is not BrokerKind.KAFKA:
        reason = "it needs Apache Kafka"
    if reason is not None:
        to_stderr(f"no Parallel Consumer here: {reason}")
        return []
    topic = run.job.failures
    # Twice, and the second time counts: the first warms the Java machine up.
    told = await parallel_consumer.work_off(
        run.job.bootstrap, [topic, topic], limit=LIMIT, messages=run.job.events, within=WITHIN
    )
    return [told[topic]] if topic in told else []


def _row(keys: int, count: int, ours: list[Took], theirs: list[float]) -> list[str]:
    alone = count * MOST_MS / 2 / 1000 / min(keys, LIMIT)
    mine = median([took.seconds for took in ours])
    done = min(took.done for took in ours)
    shown = f"{mine:.2f}" if done == count else f"{done:,} done in {mine:.0f}"
    ratio = f"{mine / median(theirs):.2f}" if theirs and done == count else ""
    return [
        f"{keys:,}",
        f"{alone:.2f}",
        shown,
        f"{median(theirs):.2f}" if theirs else "",
        f"{PUBLISHED[keys]:.2f}",
        ratio,
    ]
