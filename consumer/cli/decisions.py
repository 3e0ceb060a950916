"""`shw give-up`, `resolve` and `heal --did-not-happen`: what a person decides of a failure."""

import asyncio
import getpass
from typing import Final, assert_never
from uuid import UUID

from consumer.cli.database import open_database
from consumer.cli.exits import ExitCode, say
from consumer.decided import AFTER, Decision, Ruling, Word
from consumer.errors import TransientError
from consumer.model import FailureId
from consumer.permission import NOTHING_STARTS_AFTER
from consumer.results import Outlet
from consumer.settings import read_settings
from consumer.store.decisions import Ruled, decide
from consumer.store.pool import Pool, transaction

_LOCKED_WITHIN: Final = "SET LOCAL lock_timeout = '5s'"
DID_NOT_HAPPEN: Final = "a person looked at the other side: it did not happen"


def decide_failure(failure_id: UUID, decision: Decision, *, reason: str, by: str | None) -> ExitCode:
    """Let a decision stand, and say what came of it."""
    word = Word(decision=decision, reason=reason, by=by or _login())
    ruled = asyncio.run(_decide(FailureId(failure_id), word))
    ruling = ruled.ruling
    say(_told(failure_id, decision, ruling))
    if ruled.revoked:
        say("A heal was under way: nothing more of it starts; a call already sent ends as it ends, and that is told.")
    return ExitCode.OK if ruling is Ruling.DONE else ExitCode.NO


async def _decide(failure_id: FailureId, word: Word) -> Ruled:
    kafka = read_settings().kafka
    outlet = Outlet(results_topic=kafka.results_topic, dlq_topic=kafka.dlq_topic, max_bytes=kafka.max_message_bytes)
    async with open_database() as pool:
        ruled = await _decided(pool, failure_id, word, outlet)
        if ruled.revoked:
            # Whoever is answered may rely on it.
            await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
    return ruled


async def _decided(pool: Pool, failure_id: FailureId, word: Word, outlet: Outlet) -> Ruled:
    is_committing = False
    try:
        async with transaction(pool) as connection:
            await connection.execute(_LOCKED_WITHIN)
            ruled = await decide(connection, failure_id, word, outlet)
            is_committing = True
    except TransientError as error:
        if is_committing:
            said = f"whether it counts is not known: `shw attempts {failure_id}` shows the decisions that do"
        else:
            said = (
                "nothing was decided. Where another transaction holds the row (pg_stat_activity, state 'idle in "
                "transaction'), end that one and decide again"
            )
        raise TransientError(f"{error}; {said}") from error
    return ruled


def _told(failure_id: UUID, decision: Decision, ruling: Ruling) -> str:
    match ruling:
        case Ruling.DONE:
            return f"{failure_id} is {AFTER[decision]} now; a running consumer tells it within seconds."
        case Ruling.RESOLVED:
            return f"Refused: {failure_id} is resolved already. Nothing was changed."
        case Ruling.GIVEN_UP:
            return f"Refused: {failure_id} is given up already. Nothing was changed."
        case Ruling.NOT_IN_DOUBT:
            return (
                f"Refused: {failure_id} does not need a person, so nothing of it is in doubt: `shw heal {failure_id}` "
                "asks for a heal. Nothing was changed."
            )
        case Ruling.NOT_FOUND:
            return f"No failure {failure_id} in this database: `shw failures` lists what there is."
        case _:
            assert_never(ruling)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return "an operator"
