"""`shw demo`: failures of every kind, two consumers of which one is killed, an outage, and a check of the results."""

import asyncio
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from consumer.api.development_tokens import sign_token
from consumer.demo.acts import Scene, play_crash, play_outage, replace_killed, until_taken_over
from consumer.demo.approvals import Owner, play_approvals
from consumer.demo.assets import AGAIN, asset_cases, calls_told, made_files, spent_on_voices
from consumer.demo.billing import billing_cases
from consumer.demo.cases import Case, Wave, demo_cases
from consumer.demo.catalog import SOURCE
from consumer.demo.checks import Story, as_expected, checks_of, lost_and_repeated
from consumer.demo.consumer_process import run_consumers
from consumer.demo.crowd import Crowd, dependency_of
from consumer.demo.drift import drift_events
from consumer.demo.held_back import held_back_cases, pause_mailings, resume_mailings
from consumer.demo.patience import PATIENCE
from consumer.demo.poison import demo_poison
from consumer.demo.publish import Inbound, lose_an_answer, open_inbound
from consumer.demo.refunds import refund_cases
from consumer.demo.rewrites import read_rewrites, rewrite_cases
from consumer.demo.stage import MADE, Stage, run_place
from consumer.demo.stalls import stall_cases
from consumer.demo.stand_in import lose_provider, play_return
from consumer.demo.state import DemoFailure, Look, looking_on, read_output
from consumer.demo.translations import stand_in_cases
from consumer.demo.view import View, open_view
from consumer.local.foreground import run_in_foreground
from consumer.local.kafka_jars import CHECKOUT
from consumer.settings import ApiSettings

HOME: Final = CHECKOUT / ".local" / "demo"
LOGS: Final = ("consumer-1.log", "consumer-2.log")
TOKEN_LIFE: Final = timedelta(hours=1)
LOG_TAIL_LINES: Final = 15


def run_demo(home: Path = HOME, opened: Callable[[], AbstractAsyncContextManager[View]] = open_view) -> int:
    """Run the demo on the broker that BROKER names (kafka, auto, or by default embedded); its logs stay in `home`.

    Returns 0 only when every check passed; 130 after Ctrl-C or SIGTERM, with nothing left running. It is shown by the
    view that `opened` opens.
    """
    return run_in_foreground(lambda: _demo(home, opened))


async def _demo(home: Path, opened: Callable[[], AbstractAsyncContextManager[View]]) -> int:
    logs = [home / name for name in LOGS]
    for log in logs:
        log.unlink(missing_ok=True)
    async with AsyncExitStack() as resources:
        place = await resources.enter_async_context(run_place(home))
        view = await resources.enter_async_context(opened())
        inbound = await resources.enter_async_context(open_inbound(place.kafka, place.connection, place.organisations))
        story = await _run_scenario(place, view, inbound, logs)
        return await _check_results(place, view, story, logs)


async def _run_scenario(place: Stage, view: View, inbound: Inbound, logs: Sequence[Path]) -> Story:
    """Run the scenario: failures come in, one of two consumers is killed while it heals, then a service goes down."""
    paying = place.organisations.paying
    poison = demo_poison(SOURCE, paying)
    held_back = held_back_cases(place.world, paying)
    translations = stand_in_cases(place.world, paying)
    others = (*held_back, *refund_cases(place.world, paying), *stall_cases(paying), *asset_cases(paying), *translations)
    others = (*others, *billing_cases(paying), *rewrite_cases(paying))
    cases = (*demo_cases(place.world, place.organisations), *others)
    secret = secrets.token_urlsafe(32)
    token = sign_token(ApiSettings(jwt_secret=SecretStr(secret)), place.organisations.owner, TOKEN_LIFE)
    async with (
        run_consumers({**place.settings, "SHW_API__JWT_SECRET": secret}, logs) as consumers,
        looking_on(place.stack.dsn, dependency_of(place.world), view.show) as board,
    ):
        scene = Scene(place=place, inbound=inbound, board=board, view=view)
        for consumer in consumers:
            view.say(f"a consumer (pid {consumer.pid}) is ready; its log: {consumer.log}")
        paused = await pause_mailings(scene)
        await lose_an_answer(place.world)
        lose_provider(place.world)
        await inbound.bring(_wave(cases, Wave.FIRST))
        await inbound.bring_at_once(drift_events(place.organisations.paying))
        await inbound.poison(poison)
        view.say(f"{len(inbound.sent)} records published, {len(poison)} of them poison")
        billing = await play_approvals(scene, Owner(api=consumers[0].address, token=token))
        crash = await play_crash(scene, cases, consumers)
        await inbound.deliver(next(case for case in cases if case.deliveries > 1))
        await inbound.bring(_wave(cases, Wave.AFTER))
        await until_taken_over(scene, crash)
        held = await resume_mailings(scene, paused)
        stand_in = await play_return(scene, translations)
        async with asyncio.TaskGroup() as meanwhile:
            joined = meanwhile.create_task(replace_killed(scene, crash))
            outage = await play_outage(scene, Crowd(world=place.world, org_id=place.organisations.crowded), joined)
        await board.until(
            lambda look: look.drift.healed and all(as_expected(case, look.of(case.name)) for case in cases),
            PATIENCE,
        )
    return Story(
        cases=cases,
        poison=poison,
        sent=inbound.sent,
        interrupted=crash.interrupted,
        taken_over=crash.survivor.log.read_text(errors="replace").count('"claim_inherited"'),
        outage=outage,
        held=held,
        stand_in=stand_in,
        billing=billing,
        rewrites=await read_rewrites(place.connection),
        log="\n".join(log.read_text(errors="replace") for log in logs),
    )


async def _check_results(place: Stage, view: View, story: Story, logs: Sequence[Path]) -> int:
    output = await read_output(place.connection, place.kafka, dependency_of(place.world))
    checks = checks_of(story, output, place.world.record)
    lost, repeated = lost_and_repeated(story.cases, place.world.record)
    view.say(made_files(place.home / MADE))
    view.say(calls_told(next((one.details for one in output.standings if one.name == AGAIN), {})))
    view.say(f"voices were paid from the voice budget: {spent_on_voices(output.voices).normalize():f} AUD")
    ok = all(check.ok for check in checks) and (lost, repeated) == (0, 0)
    look = Look(standings=_in_order(output.standings, story.cases), crowd=output.crowd, drift=output.drift)
    view.end(look, checks, f"lost {lost}, repeated {repeated}")
    if not ok:
        sys.stderr.write("Not all came out as it should.\n")
        for log in logs:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
            sys.stderr.write(f"The end of {log}:\n{tail}\n")
    return 0 if ok else 1


def _in_order(standings: Sequence[DemoFailure], cases: Sequence[Case]) -> tuple[DemoFailure, ...]:
    place = {case.name: number for number, case in enumerate(cases)}
    return tuple(sorted(standings, key=lambda one: place.get(one.name, len(place))))


def _wave(cases: tuple[Case, ...], wave: Wave) -> tuple[Case, ...]:
    return tuple(case for case in cases if case.wave is wave)
