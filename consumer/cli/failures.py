"""`shw failures`, `attempts` and `heal`: reads failures from the database, and requests a heal."""

import asyncio
import json
import shutil
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Final, assert_never
from uuid import UUID

from consumer.analysis.causes import Causes, FailureCause
from consumer.cli.database import open_database
from consumer.cli.exits import ExitCode, say
from consumer.cli.operator import login
from consumer.cli.tables import SHORT_ID, WIDE, numbered, plain, print_json, print_rows
from consumer.diagnose.fingerprint import READ
from consumer.errors import TransientError
from consumer.model import FailureId, Json, JsonObject, OrgId
from consumer.redact import redact_json, redact_text
from consumer.store.attempts import ReportedAttempt, attempt_since, attempts_of
from consumer.store.decisions import decisions_of
from consumer.store.heal_requests import HealAsked, HealRequestResult, ask_heal, requests_of
from consumer.store.listed_failures import FailureFilter, ListedFailure, list_failures
from consumer.store.pool import Pool, transaction
from consumer.store.reports import failure_state, stored_reasons
from schemas.names import FailureType, Result, Status

POLL: Final = 0.25
"""Seconds between two polls for an attempt."""

WATCH_EVERY: Final = 1.0
"""Seconds between two looks of `--watch`."""
WATCHED: Final = 1000
"""The newest failures that `--watch` compares."""

_NARROW_COLUMNS: Final = ("id", "detected_at", "status", "workflow_name", "failure_reason")
"""What fits on one line of a terminal."""
_FAILURE_COLUMNS: Final = (
    "id", "status", "failure_type", "workflow_name", "source", "attempts", "detected_at", "due_at", "suspended_until",
    "failure_reason",
)  # fmt: skip
_CAUSE_COLUMNS: Final = (
    "count", "organisations", "workflows", "failure_types", "first", "last", "fingerprint", "reason"
)  # fmt: skip
_ATTEMPT_COLUMNS: Final = ("step", "attempted_at", "strategy", "result", "code", "reason", "confidence", "evidence")


def print_failures(wanted: FailureFilter, *, limit: int, as_json: bool) -> None:
    """Print failures, newest first; without a status, all that are not resolved."""
    asyncio.run(_print_failures(wanted, limit, as_json=as_json))


def watch_failures(wanted: FailureFilter, *, limit: int, as_json: bool) -> None:
    """Print a line for each failure, and one whenever where it stands has changed, until Ctrl-C."""
    asyncio.run(watch(wanted, limit=limit, as_json=as_json))


def print_causes(
    *, org_id: UUID | None, failure_type: FailureType | None, since: datetime, limit: int, as_json: bool
) -> None:
    """Print the common causes of failures detected since a time, the most frequent first; only masked text."""
    found = asyncio.run(_causes(OrgId(org_id) if org_id else None, failure_type, since))
    if as_json:
        for one in found.most(limit):
            print_json(one.as_json())
    else:
        print_rows(_CAUSE_COLUMNS, map(_as_cause_row, found.most(limit)))
    if found.dropped:
        say(f"{found.dropped} of {found.total} failures have rare causes, too many to keep: their counts are too low.")


def print_attempts(failure_id: UUID, *, as_json: bool) -> ExitCode:
    """Print a failure's attempts, newest first."""
    return asyncio.run(_print_attempts(FailureId(failure_id), as_json=as_json))


def heal(failure_id: UUID, *, wait: float | None, by: str | None = None) -> ExitCode:
    """Make a failure due now and print the outcome; with `wait` (seconds), wait for the attempt and print it."""
    return asyncio.run(_heal(FailureId(failure_id), wait, by))


async def _print_failures(wanted: FailureFilter, limit: int, *, as_json: bool) -> None:
    async with open_database() as pool, transaction(pool) as connection:
        found = await list_failures(connection, wanted, limit)
    shown = [_as_listed(one) for one in found]
    if not as_json:
        columns = _FAILURE_COLUMNS if WIDE.get() or not sys.stdout.isatty() else _NARROW_COLUMNS
        print_rows(columns, ([one[name] for name in columns] for one in shown), short_ids=("id",))
        return
    for one in shown:
        print_json(one)


async def watch(wanted: FailureFilter, *, limit: int, as_json: bool) -> None:
    """Look once a second, and print each failure that stands elsewhere than before; resolved ones once they change."""
    told: dict[FailureId, tuple[Status, int, int]] = {}
    is_first = True
    every = replace(wanted, statuses=tuple(Status))
    async with open_database() as pool:
        while True:
            async with transaction(pool) as connection:
                found = await list_failures(connection, every, max(limit, WATCHED))
            before, told = told, {one.id: (one.status, one.step, one.attempts) for one in found}
            for one in reversed(found):
                is_wanted = one.status in wanted.statuses if wanted.statuses else True
                is_over = is_first and not wanted.statuses and one.status is Status.RESOLVED
                if is_wanted and not is_over and before.get(one.id) != told[one.id]:
                    _print_watched(one, as_json=as_json)
            is_first = False
            sys.stdout.flush()
            await asyncio.sleep(WATCH_EVERY)


def _print_watched(one: ListedFailure, *, as_json: bool) -> None:
    shown = _as_listed(one)
    if as_json:
        print_json(shown)
        return
    head = f"{datetime.now(UTC):%H:%M:%S} {str(one.id)[:SHORT_ID]} {one.status:<17}"
    line = plain(f"{head} {one.workflow_name} {one.failure_type or ''}: {shown['failure_reason']}")
    is_cut = sys.stdout.isatty() and not WIDE.get()
    sys.stdout.write(f"{line[: shutil.get_terminal_size().columns] if is_cut else line}\n")


def _as_listed(one: ListedFailure) -> JsonObject:
    known = {"id": str(one.id), "org_id": str(one.org_id), "failure_reason": redact_text(one.failure_reason)}
    return asdict(one) | known


async def _causes(org_id: OrgId | None, failure_type: FailureType | None, since: datetime) -> Causes:
    found = Causes()
    async with open_database() as pool:
        async for one in stored_reasons(pool, since=since, failure_type=failure_type, org_id=org_id, length=READ):
            found.add(
                one.failure_reason,
                org=one.org_id,
                workflow=one.workflow_name,
                failure_type=one.failure_type,
                at=one.detected_at,
            )
    return found


async def _print_attempts(failure_id: FailureId, *, as_json: bool) -> ExitCode:
    async with open_database() as pool, transaction(pool) as connection:
        stands = await failure_state(connection, failure_id)
        found = await attempts_of(connection, failure_id)
        decisions = await decisions_of(connection, failure_id)
        requests = await requests_of(connection, failure_id)
    if stands is None:
        say(f"No failure {failure_id} in this database: `shw failures` lists what there is.")
        return ExitCode.NO
    if as_json:
        for attempt in found:
            print_json(attempt_as_json(attempt))
    else:
        print_rows(_ATTEMPT_COLUMNS, map(_as_row, found))
    due = f", due at {stands.due_at}" if stands.due_at and stands.status is not Status.NEEDS_PERSON else ""
    for one in decisions:
        what = one.decision.replace("_", " ")
        say(f"Decided at {one.decided_at} by {one.decided_by}: {what}, {one.reason} (step {one.step}).")
    for asked in requests:
        say(f"Heal asked for at {asked.requested_at} by {asked.requested_by} (step {asked.step}).")
    if stands.suspended_until is not None:
        since, until = stands.suspended_since, stands.suspended_until
        what = f"It waits for: {redact_text(stands.waits_for)}. " if stands.waits_for else ""
        say(
            f"Its heal by {stands.suspended_by} waits for another system since {since}, and goes on at {until}: "
            f"it holds no slot. {what}`shw show {failure_id}` prints what it has kept."
        )
        due = ""
    say(f"{failure_id} is {stands.status} after {numbered(len(found), 'attempt')}{due}.")
    return ExitCode.OK


async def _heal(failure_id: FailureId, wait: float | None, by: str | None) -> ExitCode:
    async with open_database() as pool:
        async with transaction(pool) as connection:
            who = by or login()
            asked = await ask_heal(connection, failure_id, by=who)
        code = _report_request(failure_id, asked, who)
        if wait is None or asked.result is not HealRequestResult.DUE:
            return code
        attempt = await _wait_for_attempt(pool, failure_id, asked.step, wait)
    print_json(attempt_as_json(attempt))
    return ExitCode.OK if attempt.result == Result.SUCCESS else ExitCode.NO


def _report_request(failure_id: FailureId, asked: HealAsked, by: str) -> ExitCode:
    match asked.result:
        case HealRequestResult.DUE if asked.suspended:
            say(
                f"A heal of {failure_id} is under way, and waits for another system: a running consumer looks there "
                f"now. Nothing is begun anew (`shw show {failure_id}`)."
            )
            say(f"Asked for by {redact_text(by)}.")
            return ExitCode.OK
        case HealRequestResult.DUE:
            say(f"{failure_id} is due now: a running consumer heals it, as step {asked.step}.")
            say(f"Asked for by {redact_text(by)}.")
            return ExitCode.OK
        case HealRequestResult.RESOLVED:
            say(f"{failure_id} is resolved already: nothing was changed.")
            return ExitCode.OK
        case HealRequestResult.NEEDS_PERSON:
            say(
                f"Refused: {failure_id} needs a person. A call of its may have had its effect: see `shw attempts "
                f"{failure_id}`, look at the other side, then `shw resolve` it, `shw heal --did-not-happen`, or "
                "`shw give-up` it. Nothing was changed."
            )
        case HealRequestResult.AWAITING_APPROVAL:
            say(f"Refused: {failure_id} waits for the approval of its published plan. Nothing was changed.")
        case HealRequestResult.NOT_FOUND:
            say(f"No failure {failure_id} in this database: `shw failures` lists what there is.")
        case _:
            assert_never(asked.result)
    return ExitCode.NO


async def _wait_for_attempt(pool: Pool, failure_id: FailureId, step: int, wait: float) -> ReportedAttempt:
    until = time.monotonic() + wait
    while (attempt := await attempt_since(pool, failure_id, step)) is None:
        if time.monotonic() >= until:
            raise TransientError(
                f"No attempt of {failure_id} ended within {wait:g} s: it stays due. Is a consumer running? "
                f"See `shw attempts {failure_id}` later."
            )
        await asyncio.sleep(POLL)
    return attempt


def _as_cause_row(cause: FailureCause) -> list[object]:
    row = cause.as_json() | {"failure_types": ", ".join(cause.failure_types)}
    return [row[name] for name in _CAUSE_COLUMNS]


def attempt_as_json(attempt: ReportedAttempt) -> JsonObject:
    """Return an attempt with its details, without what looks like a secret."""
    return asdict(attempt) | {"id": str(attempt.id), "details": _details(attempt)}


def _as_row(attempt: ReportedAttempt) -> list[Json]:
    details = _details(attempt)
    known = details if isinstance(details, dict) else {}
    proofs = known.get("evidence")
    proofs = proofs if isinstance(proofs, list) else []
    told = [f"{proof.get('oracle')} {proof.get('verdict')}" for proof in proofs if isinstance(proof, dict)]
    step = "member" if attempt.step is None else attempt.step
    head: list[Json] = [step, attempt.attempted_at, attempt.strategy, attempt.result]
    return [*head, known.get("code"), known.get("reason"), known.get("confidence"), ", ".join(told)]


def _details(attempt: ReportedAttempt) -> Json:
    clean, _ = redact_json(json.loads(attempt.details)) if attempt.details else (None, ())
    return clean
