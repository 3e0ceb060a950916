"""`shw demo`: failures of every kind in a small world, a consumer that is killed in the middle, and the count."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

from consumer.local.consumer_process import ConsumerProcess, run_consumer
from consumer.local.demo_cases import Case, Wave, demo_cases
from consumer.local.demo_catalog import SOURCE
from consumer.local.demo_checks import Story, as_expected, checks_of, lost_and_repeated
from consumer.local.demo_place import Place, run_place
from consumer.local.demo_poison import Poison, demo_poison
from consumer.local.demo_publish import Inbound, lose_an_answer, open_inbound
from consumer.local.demo_state import Board, Standing, looking_on, read_output, read_standings
from consumer.local.demo_view import View, open_view
from consumer.local.foreground import run_in_foreground
from consumer.local.kafka_jars import CHECKOUT

HOME: Final = CHECKOUT / ".local" / "demo"
HELD_WITHIN: Final = timedelta(seconds=15)
SETTLED_WITHIN: Final = timedelta(seconds=15)
ENDED_WITHIN: Final = timedelta(seconds=45)
LOG_TAIL_LINES: Final = 15


def run_demo(home: Path = HOME) -> int:
    """Run the demo on the broker that BROKER names (kafka, auto, or by default embedded); its log stays in `home`.

    Gives 0 only when everything came out as it should; 130 after Ctrl-C or SIGTERM, with nothing left running.
    """
    return run_in_foreground(lambda: _demo(home))


async def _demo(home: Path) -> int:
    log = home / "consumer.log"
    log.unlink(missing_ok=True)
    async with AsyncExitStack() as resources:
        place = await resources.enter_async_context(run_place(home))
        view = await resources.enter_async_context(open_view())
        inbound = await resources.enter_async_context(open_inbound(place.kafka, place.connection, place.organisations))
        cases = demo_cases(place.world, place.organisations)
        poison = demo_poison(SOURCE, place.organisations.paying)
        interrupted = await _told(place, view, inbound, cases, poison, log)
        story = Story(
            cases=cases, poison=poison, sent=inbound.sent, interrupted=interrupted, log=log.read_text(errors="replace")
        )
        return await _count(place, view, story, log)


async def _told(
    place: Place, view: View, inbound: Inbound, cases: tuple[Case, ...], poison: tuple[Poison, ...], log: Path
) -> Mapping[str, bool]:
    """Tell the story: failures come in, the consumer is killed in the middle of its heals, another one goes on."""
    async with run_consumer(place.settings, log) as process, looking_on(place.stack.dsn, view.show) as board:
        view.say(f"the consumer (pid {process.pid}) is ready; its log: {log}")
        await lose_an_answer(place.world)
        await inbound.bring(_wave(cases, Wave.FIRST))
        await inbound.poison(poison)
        view.say(f"{len(inbound.sent)} records published, {len(poison)} of them poison")
        interrupted = await _killed_in_the_middle(place, view, inbound, cases, process, board)
        again = next(case for case in cases if case.deliveries > 1)
        await inbound.deliver(again)
        await inbound.bring(_wave(cases, Wave.AFTER))
        await board.until(lambda now: all(as_expected(case, now.get(case.name)) for case in cases), ENDED_WITHIN)
        await process.stop()
    return interrupted


async def _killed_in_the_middle(
    place: Place, view: View, inbound: Inbound, cases: tuple[Case, ...], process: ConsumerProcess, board: Board
) -> Mapping[str, bool]:
    """SIGKILL the consumer while the world holds its calls open, and start another; gives the heals that it had."""
    # An un-keyed call of the first wave that is under way when the consumer dies would rightly end unknown.
    await board.until(lambda now: "guests.notify" in now and now["guests.notify"].status == "resolved", SETTLED_WITHIN)
    await inbound.bring(_wave(cases, Wave.CRASH))
    held = frozenset(effect for case in _wave(cases, Wave.CRASH) for effect in case.effects)
    try:
        await place.world.until_held(held, HELD_WITHIN)
    except TimeoutError:
        view.say(f"the world never saw {', '.join(sorted(held))} at the same time: killing anyway")
    killed = process.pid
    await process.kill()
    interrupted = {one.name: one.begun for one in await read_standings(place.connection) if one.healing}
    view.say(f"SIGKILL to the consumer (pid {killed}) in the middle of: {', '.join(sorted(interrupted))}")
    await process.start()
    view.say(f"another consumer (pid {process.pid}) goes on; it takes over once the dead one's time has passed")
    return interrupted


async def _count(place: Place, view: View, story: Story, log: Path) -> int:
    output = await read_output(place.connection, place.kafka)
    checks = checks_of(story, output, place.world.record)
    lost, repeated = lost_and_repeated(story.cases, place.world.record)
    ok = all(check.ok for check in checks) and (lost, repeated) == (0, 0)
    view.end(_in_order(output.standings, story.cases), checks, f"lost {lost}, repeated {repeated}")
    if not ok:
        tail = "\n".join(story.log.splitlines()[-LOG_TAIL_LINES:])
        sys.stderr.write(f"Not all came out as it should. The end of the consumer's log, {log}:\n{tail}\n")
    return 0 if ok else 1


def _in_order(standings: Sequence[Standing], cases: Sequence[Case]) -> list[Standing]:
    place = {case.name: number for number, case in enumerate(cases)}
    return sorted(standings, key=lambda one: place.get(one.name, len(place)))


def _wave(cases: tuple[Case, ...], wave: Wave) -> tuple[Case, ...]:
    return tuple(case for case in cases if case.wave is wave)
