"""`shw give-up`, `resolve` and `heal --did-not-happen`: records a person's decision on a failure."""

import asyncio
from functools import partial
from typing import Final, assert_never
from uuid import UUID

from consumer.cli.database import open_database
from consumer.cli.exits import ExitCode, say
from consumer.cli.operator import login
from consumer.cli.tables import print_json
from consumer.errors import TransientError
from consumer.model import FailureId
from consumer.model.decision import STATUS_AFTER, Decision, DecisionRequest, DecisionResult
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from consumer.redact.words import redact_words
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.settings import read_settings
from consumer.store.decisions import DecisionMade, decide
from consumer.store.pool import Pool, transaction

_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '5s'"
DID_NOT_HAPPEN: Final = "a person looked at the other side: it did not happen"


def decide_failure(
    failure_id: UUID, decision: Decision, *, reason: str, by: str | None, as_json: bool = False
) -> ExitCode:
    """Record a decision, and print its outcome; as JSON on standard output, where that is asked for."""
    request = DecisionRequest(decision=decision, reason=reason, by=by or login())
    ruled = asyncio.run(_decide(FailureId(failure_id), request))
    ruling = ruled.ruling
    if as_json:
        told = {"failure_id": str(failure_id), "decision": decision.value, "result": ruling.value}
        print_json(told | {"by": redact_words(request.by), "heal_under_way": ruled.revoked})
    say(_describe(failure_id, decision, ruling))
    if ruling is DecisionResult.DONE:
        say(f"Recorded as decided by {redact_words(request.by)}.")
    if ruled.revoked:
        say("A heal was under way: nothing more of it starts; a call already sent ends as it ends, and that is told.")
    return ExitCode.OK if ruling is DecisionResult.DONE else ExitCode.NO


async def _decide(failure_id: FailureId, request: DecisionRequest) -> DecisionMade:
    outlet = Outlet.of(read_settings().kafka)
    async with open_database() as pool:
        ruled = await _commit_decision(pool, failure_id, request, outlet)
        if ruled.revoked:
            # Once the command answers, its caller may rely on it that no further effect starts.
            await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
    return ruled


async def _commit_decision(pool: Pool, failure_id: FailureId, request: DecisionRequest, outlet: Outlet) -> DecisionMade:
    is_committing = False
    try:
        async with transaction(pool) as connection:
            await connection.execute(_LOCK_TIMEOUT)
            ruled = await decide(connection, failure_id, request, partial(status_message, outlet=outlet))
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


def _describe(failure_id: UUID, decision: Decision, ruling: DecisionResult) -> str:
    match ruling:
        case DecisionResult.DONE:
            return f"{failure_id} is {STATUS_AFTER[decision]} now; a running consumer tells it within seconds."
        case DecisionResult.RESOLVED:
            return f"Refused: {failure_id} is resolved already. Nothing was changed."
        case DecisionResult.GIVEN_UP:
            return f"Refused: {failure_id} is given up already. Nothing was changed."
        case DecisionResult.NOT_IN_DOUBT:
            return (
                f"Refused: {failure_id} does not need a person, so nothing of it is in doubt: `shw heal {failure_id}` "
                "asks for a heal. Nothing was changed."
            )
        case DecisionResult.NOT_FOUND:
            return f"No failure {failure_id} in this database: `shw failures` lists what there is."
        case _:
            assert_never(ruling)
