"""The demo's two acts: one of two consumers is killed while it heals, and a service goes down and comes back."""

import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from consumer.demo.assets import ASSET_MADE
from consumer.demo.billing import NAME as BILLING
from consumer.demo.cases import Case, Wave
from consumer.demo.checks import HELD
from consumer.demo.consumer_process import ConsumerProcess
from consumer.demo.crowd import COUNT, NAME, SERVICE, WATCHED_PROBES, Crowd, CrowdStanding, Outage
from consumer.demo.patience import PATIENCE
from consumer.demo.publish import Inbound
from consumer.demo.rewrites import BROKEN, HOSTILE
from consumer.demo.stage import Stage
from consumer.demo.state import Board, DemoFailure, Look, read_standings
from consumer.demo.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Environment of the acts: servers, input, observation and output."""

    place: Stage
    inbound: Inbound
    board: Board
    view: View

    @property
    def calls(self) -> int:
        """Number of calls so far to the service that goes down."""
        return self.place.world.record.calls[SERVICE]

    @property
    def crowd(self) -> CrowdStanding:
        """State of the crowd's failures at the last observation."""
        return self.board.look.crowd


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """Which consumer was killed, the heals it was running, and the consumer that survives."""

    killed: ConsumerProcess
    survivor: ConsumerProcess
    interrupted: Mapping[str, bool]
    """Heals running in the killed consumer, and whether each had marked an effect as begun."""


async def play_crash(scene: Scene, cases: Sequence[Case], consumers: Sequence[ConsumerProcess]) -> Crash:
    """SIGKILL the consumer whose calls the world holds open, and leave the other one running alone."""
    made = [case.name for case in cases if case.expected == ASSET_MADE]
    # Wait first: an un-keyed call of the first wave under way when the consumer dies would rightly end as unknown, and
    # a repair is taken over only when its long effect deadline has passed.
    await scene.board.until(
        lambda look: (
            _is_resolved(look.of("guests.notify"))
            and _is_resolved(look.of("invoices.book"))
            and _is_resolved(look.of(BILLING))
            and _is_resolved(look.of(BROKEN))
            and _is_given_up(look.of(HOSTILE))
            and look.drift.healed
            and all(_is_resolved(look.of(name)) for name in made)
        ),
        PATIENCE,
    )
    crashing = [case for case in cases if case.wave is Wave.CRASH]
    await scene.inbound.bring(crashing, key=b"one partition, one consumer")
    held = frozenset(effect for case in crashing for effect in case.effects)
    try:
        await scene.place.world.until_held(held, PATIENCE)
    except TimeoutError:
        scene.view.say(f"the world never saw {', '.join(sorted(held))} at the same time: killing anyway")
    at_it = next((one for one in await _standings(scene) if one.name == crashing[0].name), None)
    killed = next((one for one in consumers if at_it is not None and _is_owner(one, at_it)), consumers[0])
    survivor = next(one for one in consumers if one is not killed)
    await killed.kill()
    left = [one for one in await _standings(scene) if _is_owner(killed, one)]
    names = ", ".join(sorted(one.name for one in left))
    scene.view.say(f"SIGKILL to the consumer (pid {killed.pid}) in the middle of: {names}")
    scene.view.say(f"the other (pid {survivor.pid}) goes on; it takes over once the dead one's time has passed")
    return Crash(killed=killed, survivor=survivor, interrupted={one.name: one.begun for one in left})


async def until_taken_over(scene: Scene, crash: Crash) -> None:
    """Wait until the heals whose calls the world holds open no longer belong to the killed consumer."""
    left = [name for name in HELD if name in crash.interrupted]

    def taken(look: Look) -> bool:
        return all(one is not None and not _is_owner(crash.killed, one) for one in map(look.of, left))

    if await scene.board.until(taken, PATIENCE):
        scene.view.say(f"the other (pid {crash.survivor.pid}) has taken over {', '.join(left)}")


async def replace_killed(scene: Scene, crash: Crash) -> None:
    """Start another consumer in place of the killed one."""
    await crash.killed.start()
    scene.view.say(f"a new consumer (pid {crash.killed.pid}) has joined")


async def play_outage(scene: Scene, crowd: Crowd, joined: Awaitable[None]) -> Outage:
    """Take the service down, count the probes of two replicas, bring it back, and wait until all is healed."""
    world, view, until = scene.place.world, scene.view, scene.board.until
    world.take_down(SERVICE)
    view.say(f"{SERVICE} is down: {COUNT:,} failures of {NAME} come in at once")
    await scene.inbound.bring_at_once(crowd.events())
    opened = await until(lambda look: look.crowd.is_open, PATIENCE)
    if opened:
        view.say(f"breaker opened: {SERVICE} saw {scene.calls} calls; from now on one at a time tries it")
    await joined
    watched, at_once = await _count_probes(scene)
    calls = scene.calls
    world.bring_up(SERVICE)
    back_at = time.monotonic()
    view.say(f"{SERVICE} is back; until now it saw {calls} calls for {COUNT:,} failures")
    found = opened and await until(lambda look: not look.crowd.is_open, PATIENCE)
    if found:
        view.say(f"breaker closed: a probe found it {time.monotonic() - back_at:.1f} s later")
    if await until(lambda look: look.crowd.healed, PATIENCE):
        view.say(f"all {COUNT:,} healed {time.monotonic() - back_at:.1f} s after it came back")
    return Outage(opened=opened, calls=calls, watched=watched, at_once=at_once, found=found)


async def _count_probes(scene: Scene) -> tuple[int, int]:
    """Count the calls, and the most at once, after the calls from before the breaker opened are over."""
    record, until = scene.place.world.record, scene.board.until
    await until(lambda look: _only_probes(look.crowd), PATIENCE)
    record.watch_anew(SERVICE)
    before = scene.calls
    await until(lambda _: scene.calls >= before + WATCHED_PROBES, PATIENCE)
    watched, at_once = scene.calls - before, record.most_at_once[SERVICE]
    waiting = f"{scene.crowd.waiting:,} of {scene.crowd.failures:,} wait"
    scene.view.say(f"{watched} calls of two consumers, never more than {at_once} at a time; {waiting}")
    return watched, at_once


async def _standings(scene: Scene) -> tuple[DemoFailure, ...]:
    return await read_standings(scene.place.connection)


def _is_resolved(one: DemoFailure | None) -> bool:
    return one is not None and one.status == "resolved"


def _is_given_up(one: DemoFailure | None) -> bool:
    return one is not None and one.status == "given_up"


def _is_owner(consumer: ConsumerProcess, one: DemoFailure) -> bool:
    return f":{consumer.pid}:" in one.owner


def _only_probes(crowd: CrowdStanding) -> bool:
    return crowd.failures == COUNT and (crowd.failed_probes or 0) > 0 and crowd.healing <= 1
