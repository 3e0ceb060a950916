"""One process of a run, until SIGTERM or the end of its input: `python -m benchmarks.harness.run_one JOB.json`."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import assert_never

import uvloop

from benchmarks.contenders import ours
from benchmarks.contenders.peers import bare_batch, one_at_a_time, per_event_sql
from benchmarks.harness.job import Job, Told, Who
from benchmarks.harness.sampling import sampled


def _contender(job: Job, stop: asyncio.Event) -> Coroutine[None, None, Told]:
    match job.who:
        case Who.OURS:
            return ours.run(job, stop)
        case Who.ONE:
            return one_at_a_time.run(job, stop)
        case Who.MANY:
            return per_event_sql.run(job, stop)
        case Who.BARE:
            return bare_batch.run(job)
        case _:
            assert_never(job.who)


async def _until_stopped(job: Job) -> Told:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(sys.stdin)
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin, orphaned)
    return await _contender(job, stop)


def main() -> None:
    """Run the job that the argument names, and leave its report beside it."""
    job = Job.load(Path(sys.argv[1]))
    # One timer: with its own strategies the consumer notes what holds its loop instead.
    with sampled(job.home) if job.profile and job.shipped is None else contextlib.nullcontext():
        told = uvloop.run(_until_stopped(job))
    told.save(job.home)


if __name__ == "__main__":
    main()
