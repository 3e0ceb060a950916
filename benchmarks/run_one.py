"""One contender in a process of its own, until SIGTERM: `python -m benchmarks.run_one JOB.json`."""

import asyncio
import cProfile
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import assert_never

import uvloop

from benchmarks import ours
from benchmarks.job import Job, Told, Who
from benchmarks.peers import bare_batch, one_at_a_time, per_event_sql


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
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return await _contender(job, stop)


def main() -> None:
    """Run the job that the argument names, and leave its report beside it."""
    job = Job.load(Path(sys.argv[1]))
    profiler = cProfile.Profile(time.thread_time) if job.profile else None
    if profiler is not None:
        profiler.enable()
    told = uvloop.run(_until_stopped(job))
    if profiler is not None:
        profiler.disable()
        profiler.dump_stats(job.home / "profile.pstats")
    told.save(job.home)


if __name__ == "__main__":
    main()
