"""Edits: a transaction that gives a failed step another input, makes the failure due, and publishes that."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from pydantic_core import from_json

from consumer.model import FailureId, JsonObject
from consumer.model.edit import EditRefused, edit_context
from consumer.redact import redact_json
from consumer.redact.words import redact_words
from consumer.store.decisions import TellChange, change_of
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Connection
from consumer.store.rows import READABLE_BYTES, as_json
from schemas.edit import Edit
from schemas.names import Status

# A keyed call that was never answered is in doubt too: the edited input goes out under another key.
_LOCK_EDITED = """
SELECT f.id, f.org_id, f.workflow_name, f.status, f.step, f.failure_type, f.traceparent, f.tracestate, f.redactions,
       CASE WHEN f.size BETWEEN 1 AND $2 OR shw_json_bytes(f.context, $2) <= $2 THEN coalesce(f.context, '{}') END
         AS context,
       f.unsure OR f.effect_made OR coalesce(jsonb_typeof(f.rungs -> 'unsure') = 'string', false) AS in_doubt,
       clock_timestamp() AS at
  FROM workflow_failures f WHERE f.id = $1 FOR NO KEY UPDATE
"""

# A statement of its own: only one that begins after the lock is held sees a claim that was made before it.
_CLAIM_OF = "SELECT c.owner FROM heal_claim c WHERE c.failure_id = $1"

# The trigger on `context` marks the row: it is redacted once more before anything is done with it.
_EDIT = """
UPDATE workflow_failures
   SET context = $2::jsonb, redactions = $3::jsonb, status = 'pending', resolved = false, step = $4,
       due_at = clock_timestamp(), waits_on = NULL, damage = NULL, twin = NULL, unsure = false, effect_made = false,
       attempts = 0, rungs = NULL, vouched = true
 WHERE id = $1
"""

UNDER_WAY: Final = "a heal of it is under way: wait for its end, or give it up first"
UNREADABLE: Final = "its context is no object that can be read: publish the failure anew, with what its heal needs"
IN_DOUBT: Final = "an effect of it may have happened: look, then send the edit with did_not_happen"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMade:
    """The result of an edit: the failure's step, or why nothing was changed."""

    step: int | None = None
    refusal: str = ""


async def edit_failure(
    connection: Connection, failure_id: FailureId, edit: Edit, tell: TellChange, *, by: str, token: str
) -> EditMade:
    """Give a failed step another input, in the caller's transaction; as the service.

    Its ladder begins anew. `token` goes into the idempotency key of a call that has one.
    """
    row = await connection.fetchrow(_LOCK_EDITED, failure_id, READABLE_BYTES)
    if row is None:
        return EditMade(refusal="no such failure")
    try:
        await _check_standing(connection, row, edit)
        edited = edit_context(_read_context(row["context"]), edit, token)
        _check_input(edit)
    except EditRefused as error:
        return EditMade(refusal=str(error))
    before = from_json(row["redactions"]) if row["redactions"] is not None else []
    redactions = [path for path in before if not f"{path}/".startswith(f"{edited.pointer}/")]
    step = row["step"] + 1
    reason = redact_words(f"edited by {by}: {edit.reason}" if edit.reason else f"edited by {by}")
    message = tell(change_of(row, status=Status.PENDING, reason=reason, step=step, token=uuid4().hex[:8]))
    await connection.execute(
        _EDIT, failure_id, as_json(edited.context), as_json(redactions) if redactions else None, step
    )
    await put_for_sweeper(connection, [message])
    return EditMade(step=step)


async def _check_standing(connection: Connection, row: Any, edit: Edit) -> None:  # noqa: ANN401 - asyncpg's record
    owner = await connection.fetchval(_CLAIM_OF, row["id"])
    if Status(row["status"]) is Status.RESOLVED:
        raise EditRefused("it is resolved already")
    if owner is not None and owner != "parked":
        raise EditRefused(UNDER_WAY)
    if (owner is not None or row["in_doubt"]) and not edit.did_not_happen:
        raise EditRefused(IN_DOUBT)


def _read_context(text: str | None) -> JsonObject:
    try:
        context = from_json(text) if text is not None else None
    except ValueError:
        context = None
    if not isinstance(context, dict):
        raise EditRefused(UNREADABLE)
    return context


def _check_input(edit: Edit) -> None:
    given = edit.payload if "payload" in edit.model_fields_set else edit.body
    _, found = redact_json({"input": given})
    if found:
        where = found[0].removeprefix("/input") or "its whole"
        raise EditRefused(f"the input holds what looks like a secret ({where}): name it as secret://NAME")
