"""Sends a change request, or writes its file, and waits until people have merged it.

Its state is kept before the first call and after each one: whoever goes on makes the call that was under way once more,
under the same key. What the host does not answer is repeated for as long as the request is waited for.
"""

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias
from uuid import uuid4

from consumer.catalog import ChangeCall, MergedLook
from consumer.errors import WouldAct
from consumer.heal.deep_agent.changes.latest import go_on_with_run, run_on_latest
from consumer.heal.deep_agent.changes.rendering import call_of, document_of, file_of, look_of, path_of, values_of
from consumer.heal.deep_agent.changes.session import ChangeSession
from consumer.heal.deep_agent.changes.state import MAX_WORD, ChangeState
from consumer.heal.gate import run_permitted
from consumer.heal.kept import Suspended, keepable_text
from consumer.model import JsonObject, Outcome, Refused, Unknown
from consumer.model.call import REHEARSED, Ambiguous, Answer, CallResult, EgressRefused, NotSent
from consumer.runners.answers import is_accepted, json_of, not_accepted
from consumer.runners.contract import Rejected
from consumer.runners.templates import ABSENT, UnfitValue
from consumer.workflows.definition import Definition
from schemas.json_value import value_at
from schemas.names import Code

_MAX_BYTES: Final = 1024 * 1024
_OK: Final = range(200, 300)
_AGAIN: Final = timedelta(seconds=30)
"""After which a call is made again that the host did not answer, or did not take for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The file is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """The file could not be written; the message says why."""

    reason: str


Sent: TypeAlias = "ChangeState | Suspended | Outcome"


async def submit(session: ChangeSession, definition: Definition | str) -> Outcome | Suspended:
    """Open the change request of a patch that was approved; `definition` is the one in force."""
    state = ChangeState(rewrite=session.rewrite.attempt_id)
    await session.gate.keep(state)
    return await go_on(session, state, definition, timedelta(0))


async def go_on(
    session: ChangeSession, state: ChangeState, definition: Definition | str, waited: timedelta
) -> Outcome | Suspended:
    """Go on from a state; `definition` is the one in force, or why it cannot be read."""
    session.told |= {"request": state.request_id} if state.request_id is not None else {}
    if waited >= session.declared.wait:
        return too_long(state)
    if state.stage == "running":
        return await go_on_with_run(session, state)
    if not isinstance(definition, str) and definition.digest == session.rewrite.digest:
        session.told["merged"] = "the registry has the definition that was proposed"
        return await run_on_latest(session, state)
    if state.stage == "sending":
        sent = await _send(session, state, definition)
        if not isinstance(sent, ChangeState):
            return sent
        state = sent
    return await _await_merge(session, state, definition)


def too_long(state: ChangeState) -> Outcome:
    """Return the end of one that nobody merged in time, or whose run has no end."""
    if state.stage == "running":
        return Unknown(reason="its run on the merged version has not come to an end in time")
    return Refused(code=Code.NEEDS_PERSON, reason="its change request was not merged in time")


async def _send(session: ChangeSession, state: ChangeState, definition: Definition | str) -> Sent:
    """Make the calls that are left, or write the file."""
    if isinstance(definition, str):
        return session.for_person(f"its change request cannot be written: {definition}")
    if definition.digest != session.rewrite.base_digest:
        return session.for_person("the definition has changed since it was approved: no change request is sent")
    document = _document(session, definition)
    if isinstance(document, str):
        return session.for_person(f"no change request is sent: {document}")
    if session.declared.directory is not None:
        written = await run_permitted(session.gate, lambda: _write(session, document))
        if isinstance(written, Unwritten):
            return session.later(state, f"its change request could not be written: {written.reason}", _AGAIN)
        session.told["file"] = f"{session.key}.patch"
    for call in session.declared.calls[state.calls_made :]:
        done = await _call(session, state, call, document)
        if not isinstance(done, ChangeState):
            return done
        state = done
        await session.gate.keep(state)
    state = state.model_copy(update={"stage": "open"})
    await session.gate.keep(state)
    return state


async def _call(session: ChangeSession, state: ChangeState, call: ChangeCall, document: JsonObject) -> Sent:
    failure = session.task.failure
    values = values_of(failure, session.run, key=session.key, document=document, request_id=state.request_id)
    try:
        request = call_of(call, failure, values)
    except UnfitValue as unfit:
        return session.for_person(f"no change request is sent: {unfit}")
    within = session.call_time()  # before the gate: where it is too late, nothing has begun

    async def send() -> CallResult:
        return await session.tools.calls.send(request, session.policy, within=within, max_bytes=_MAX_BYTES)

    result = await run_permitted(session.gate, send)
    match result:
        case EgressRefused(reason=reason):
            return session.for_person(f"no change request is sent: {reason}")
        case NotSent(reason=reason) | Ambiguous(reason=reason):
            return session.later(state, f"the host of its change request gave no answer: {reason}", _AGAIN)
        case Answer() if is_accepted(result.status, call.accepted):
            return _taken(session, state, call, result)
        case Answer():
            said = not_accepted(result, call.effect)
            if isinstance(said, Rejected) and not said.dependency_unhealthy:
                return session.for_person(f"the host does not take its change request: it answered {result.status}")
            wait = said.after if isinstance(said, Rejected) else None
            return session.later(state, f"the host of its change request answered {result.status}", wait or _AGAIN)


def _taken(session: ChangeSession, state: ChangeState, call: ChangeCall, answer: Answer) -> Sent:
    done = state.model_copy(update={"calls_made": state.calls_made + 1})
    if call.request_id is None:
        return done
    found = value_at(json_of(answer), call.request_id, ABSENT)
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    if not text or keepable_text(text, session.tools.redact, MAX_WORD) != text:
        return session.for_person(f"the host took its change request, and at {call.request_id} its answer names none")
    session.told["request"] = text
    return done.model_copy(update={"request_id": text})


async def _await_merge(session: ChangeSession, state: ChangeState, definition: Definition | str) -> Outcome | Suspended:
    """Look once whether it is merged; wait on where it is not."""
    look = session.declared.look
    if look is None:
        changed = isinstance(definition, Definition) and definition.digest != session.rewrite.base_digest
        if changed:
            return session.for_person(
                "the registry has another definition by now than the one that was proposed: run the workflow on it, "
                "then `shw resolve`"
            )
        return session.later(state, "its change request waits to be merged")
    said = await _look(session, state, look)
    if said == "merged":
        session.told["merged"] = "its host says so"
        return await run_on_latest(session, state)
    if said == "declined":
        return session.for_person(f"its change request {session.key} was closed without being merged")
    return session.later(state, f"its change request waits to be merged{said}")


async def _look(session: ChangeSession, state: ChangeState, look: MergedLook) -> str:
    """Return `merged`, `declined`, or what else there is to be told."""
    failure, rewrite = session.task.failure, session.rewrite
    document: JsonObject = {"digest": rewrite.digest, "base_digest": rewrite.base_digest, "path": _path(session)}
    values = values_of(failure, session.run, key=session.key, document=document, request_id=state.request_id)
    try:
        request = look_of(look, failure, values)
    except UnfitValue as unfit:
        return f": it cannot be looked at: {unfit}"
    result = await session.tools.calls.send(request, session.policy, within=session.call_time(), max_bytes=_MAX_BYTES)
    if not isinstance(result, Answer):
        return f": it cannot be looked at: {result.reason}"
    document_seen = json_of(result) if result.status in _OK else ABSENT
    if document_seen is ABSENT:
        return f": its look was answered {result.status}"
    if _is_one_of(value_at(document_seen, look.value, ABSENT), look.merged):
        return "merged"
    closed = value_at(document_seen, look.declined_value or look.value, ABSENT)
    return "declined" if _is_one_of(closed, look.declined) else ""


def _is_one_of(found: object, words: tuple[str | int | bool, ...]) -> bool:
    """Return whether a word is one of these; true is not 1."""
    return any(type(found) is type(word) and found == word for word in words)


def _path(session: ChangeSession) -> str:
    return path_of(session.declared, session.task.failure)


def _document(session: ChangeSession, definition: Definition) -> JsonObject | str:
    """Return the change request, or why there is none: what looks like a secret is put in no repository."""
    try:
        document = document_of(_path(session), definition, session.rewrite)
    except ValueError as error:
        return str(error)
    leaves = {"diff"}.union(*(call.used for call in session.declared.calls)) & {"diff", "patch", "source"}
    _, touched = session.tools.redact({name: document[name] for name in sorted(leaves)})
    return f"it holds what looks like a secret, at {', '.join(touched)[:200]}" if touched else document


async def _write(session: ChangeSession, document: JsonObject) -> Written | Unwritten:
    if REHEARSED.get() is not None:
        raise WouldAct
    return await asyncio.to_thread(_write_file, session, file_of(document))


def _write_file(session: ChangeSession, text: str) -> Written | Unwritten:
    """Put the file in its place at once; a second time it is the same."""
    directory = Path(session.declared.directory or "")
    beside = directory / f".{session.key}.{uuid4().hex}"
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(directory / f"{session.key}.patch")
    except OSError as error:
        beside.unlink(missing_ok=True)
        return Unwritten(reason=f"{type(error).__name__}: {error.strerror}")
    return Written()
