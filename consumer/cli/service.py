"""`shw run`: runs the service in the foreground; SIGTERM and SIGINT stop it, SIGHUP reloads the catalog."""

import asyncio
import os
import signal
from typing import NoReturn

import uvloop

from consumer.service.app import run_service
from consumer.settings import Settings, read_settings


def run_until_signalled() -> None:
    """Run the consumer with its API until SIGTERM or SIGINT, then exit within the drain budget.

    A second signal ends the process at once: other processes take over what it was healing.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(read_settings()))


async def _run(settings: Settings) -> None:
    stop, reread = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled(number: signal.Signals) -> None:
        if stop.is_set():
            _exit_at_once(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled, number)
    loop.add_signal_handler(signal.SIGHUP, reread.set)
    await run_service(settings, stop, reread)


def _exit_at_once(number: signal.Signals) -> NoReturn:
    os._exit(128 + number)
