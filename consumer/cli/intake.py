"""`shw intake`: prints whether dead letters have paused the fleet's intake, and resumes it."""

import asyncio
from datetime import timedelta
from typing import Final

from consumer.cli.database import open_database
from consumer.cli.exits import ExitCode, say
from consumer.cli.tables import print_json, print_rows
from consumer.model import JsonObject
from consumer.store import intake_breaker as limit
from consumer.store.pool import transaction

_MAX_SOURCES: Final = 20


def show_intake(*, as_json: bool) -> ExitCode:
    """Print whether dead letters have paused intake, and the sources refused since they were last accepted."""
    return asyncio.run(_show_intake(as_json=as_json))


def resume_intake(off_for: timedelta) -> ExitCode:
    """Resume intake in every process, and disable the dead-letter limit for a while."""
    return asyncio.run(_resume_intake(off_for))


async def _show_intake(*, as_json: bool) -> ExitCode:
    async with open_database() as pool, transaction(pool) as connection:
        stands = await limit.read_state(connection)
        refused = await limit.refused_voices(connection, _MAX_SOURCES)
    shown: list[JsonObject] = [
        {
            "source": one.source,
            "org_id": str(one.org_id),
            "dead_letters": one.refused,
            "last_accepted": one.accepted_at.isoformat(),
            "last_refused": one.refused_at.isoformat(),
        }
        for one in refused
    ]
    if as_json:
        times = {"paused_at": stands.paused_at, "next_probe": stands.probe_due, "off_until": stands.off_until}
        said: JsonObject = {name: at.isoformat() if at else None for name, at in times.items()}
        print_json({"paused": stands.paused_at is not None, "why": stands.why, **said, "refused": list(shown)})
    else:
        columns = ("source", "org_id", "dead_letters", "last_accepted", "last_refused")
        print_rows(columns, ([one[name] for name in columns] for one in shown))
    say(_describe(stands))
    return ExitCode.OK if stands.paused_at is None else ExitCode.NO


def _describe(stands: limit.IntakeState) -> str:
    if stands.paused_at is not None:
        return (
            f"Intake is paused since {stands.paused_at}: {stands.why}. The next probe is due at {stands.probe_due}; "
            "it goes on by itself once a probe's records are accepted, or with `shw intake resume`."
        )
    off = f" The dead-letter limit is off until {stands.off_until}." if stands.off_until else ""
    return f"Dead letters have not paused intake.{off}"


async def _resume_intake(off_for: timedelta) -> ExitCode:
    async with open_database() as pool:
        resumed = await limit.resume(pool, off_for)
    if not resumed:
        say("Intake was not paused by dead letters: nothing was changed.")
        return ExitCode.OK
    off = f" The dead-letter limit is off for {off_for}." if off_for else ""
    say(f"Every running consumer reads again within seconds.{off} What was refused meanwhile: `shw dlq replay`.")
    return ExitCode.OK
