"""Asking a model what is broken: begun durably before its first call, ended once, with the charge of all its calls.

Its row stands beside its failure and belongs to the process that asks. Where that process has died another one begins
once more, and a third time nobody does. In the lock order a row stands before its organisation's wallet.
"""

from datetime import timedelta
from typing import Any, Final

from consumer.model import AttemptId, FailureId, MicroAud, OrgId, OwnerId
from consumer.model.agent_diagnosis import AgentDiagnosis, AgentQuestion, DiagnosisAnswer
from consumer.model.token_budget import TokenPrice
from consumer.store.agent_budget import used_by
from consumer.store.credits import EndedHold, settle_holds
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import as_json
from consumer.store.wallets import Hold
from schemas.names import DiagnosisAnswerKind, StrategyName

MOST_ASKS: Final = 2
"""How often one failure is asked about: once, and once more after a crash."""

# A wallet that cannot pay, is locked out, or has debts, is asked to pay nothing more.
_BEGIN = """
INSERT INTO heal_agent_diagnosis AS d (failure_id, attempt_id, org_id, workflow_name, model, prompts, input_price,
                                       output_price, owner)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
 WHERE $10::bigint = 0
    OR (EXISTS (SELECT FROM token_wallets w WHERE w.org_id = $3 AND w.text_budget_aud * 1000000 >= $10)
        AND NOT EXISTS (SELECT FROM heal_debt b WHERE b.org_id = $3)
        AND NOT EXISTS (SELECT FROM usage_lockouts l WHERE l.org_id = $3 AND l.unlocked_at IS NULL
                         AND l.lockout_type IN ('text', 'both')))
ON CONFLICT (failure_id) DO UPDATE
   SET owner = excluded.owner, asks = d.asks + 1, asked_at = clock_timestamp(), model = excluded.model,
       prompts = excluded.prompts, input_price = greatest(d.input_price, excluded.input_price),
       output_price = greatest(d.output_price, excluded.output_price)
 WHERE d.ended_at IS NULL AND d.asks < $11
   AND (d.owner = excluded.owner OR NOT EXISTS (SELECT FROM heal_owner o WHERE o.owner = d.owner
                                                AND o.lease_until > clock_timestamp()))
RETURNING d.asks
"""

_STANDS = """
SELECT d.ended_at IS NULL AS open, d.asks,
       d.owner <> $2 AND EXISTS (SELECT FROM heal_owner o WHERE o.owner = d.owner
                                  AND o.lease_until > clock_timestamp()) AS asked
  FROM heal_agent_diagnosis d WHERE d.failure_id = $1
"""

_IS_OURS = """
SELECT EXISTS (SELECT FROM heal_agent_diagnosis d WHERE d.failure_id = $1 AND d.owner = $2 AND d.ended_at IS NULL)
"""

_LOCK = """
SELECT d.failure_id, d.attempt_id, d.org_id, d.asks, d.model, d.input_price, d.output_price
  FROM heal_agent_diagnosis d
 WHERE d.failure_id = $1 AND d.ended_at IS NULL
   AND (d.owner = $2 OR NOT EXISTS (SELECT FROM heal_owner o WHERE o.owner = d.owner
                                     AND o.lease_until > clock_timestamp()))
   FOR UPDATE
"""

_END = """
UPDATE heal_agent_diagnosis SET answer = $2::jsonb, input_tokens = $3, output_tokens = $4, ended_at = clock_timestamp()
 WHERE failure_id = $1
"""

# Nobody comes back to them: a person has decided meanwhile, or the catalog asks no model any more.
_LEFT = """
SELECT d.failure_id FROM heal_agent_diagnosis d
  LEFT JOIN workflow_failures f ON f.id = d.failure_id
 WHERE d.ended_at IS NULL AND d.asked_at < clock_timestamp() - $1 * interval '1 second'
   AND NOT EXISTS (SELECT FROM heal_owner o WHERE o.owner = d.owner AND o.lease_until > clock_timestamp())
   AND (f.id IS NULL OR f.due_at IS NULL OR f.step > 0)
 ORDER BY d.asked_at LIMIT $2
"""


class NotAsked(Exception):
    """A model is not asked; the message says why."""


async def begin_asking(pool: Pool, owner: OwnerId, question: AgentQuestion) -> int | None:
    """Make durable that a model is about to be asked; returns the number of this asking.

    None where another process asks. Raises NotAsked where it has been begun as often as it may be, or the wallet cannot
    pay it.
    """
    with translated():
        asks: int | None = await pool.fetchval(
            _BEGIN,
            question.failure_id,
            question.attempt_id,
            question.org_id,
            question.workflow_name,
            question.model,
            question.prompts,
            question.price.input,
            question.price.output,
            owner,
            question.needs,
            MOST_ASKS,
        )
        if asks is not None:
            return asks
        row = await pool.fetchrow(_STANDS, question.failure_id, owner)
    if row is None:
        raise NotAsked(f"the wallet has less than the {question.needs / 1_000_000:g} AUD that a diagnosis may cost")
    if row["open"] and not row["asked"] and row["asks"] >= MOST_ASKS:
        raise NotAsked(f"it was asked {row['asks']} times, and each time its process died")
    return None


async def is_asked_by(pool: Pool, owner: OwnerId, failure_id: FailureId) -> bool:
    """Return whether the asking about a failure is still this process's own."""
    with translated():
        return bool(await pool.fetchval(_IS_OURS, failure_id, owner))


async def end_asking(
    pool: Pool, owner: OwnerId, failure_id: FailureId, answer: DiagnosisAnswer
) -> AgentDiagnosis | None:
    """End an asking with its answer, and charge what all its calls have used, the lost ones included.

    None where it is not this process's own any more: it counts for nothing then.
    """
    async with transaction(pool) as connection:
        row = await connection.fetchrow(_LOCK, failure_id, owner)
        return None if row is None else await _end(connection, row, answer)


async def end_left(pool: Pool, owner: OwnerId, after: timedelta, limit: int) -> int:
    """End what was begun by processes that have died, and that nobody comes back to; returns how many."""
    with translated():
        rows = await pool.fetch(_LEFT, after / timedelta(seconds=1), limit)
    left = DiagnosisAnswer(kind=DiagnosisAnswerKind.UNANSWERED, reason="its process died, and its failure has moved on")
    ended = [await end_asking(pool, owner, FailureId(row["failure_id"]), left) for row in rows]
    return sum(one is not None for one in ended)


async def _end(connection: Connection, row: Any, answer: DiagnosisAnswer) -> AgentDiagnosis:  # noqa: ANN401 - a record
    use = await used_by(connection, AttemptId(row["attempt_id"]))
    await connection.execute(_END, row["failure_id"], as_json(answer.described), use.input, use.output)
    spent = TokenPrice(input=row["input_price"], output=row["output_price"]).cost(use)
    if spent:
        nothing_held = Hold(attempt_id=AttemptId(row["attempt_id"]), org_id=OrgId(row["org_id"]), amount=MicroAud(0))
        await settle_holds(
            connection, [EndedHold(hold=nothing_held, strategy=StrategyName.WORKFLOW_REWRITE, spent=spent)]
        )
    return AgentDiagnosis(
        asks=row["asks"], answer=answer, model=row["model"], input_tokens=use.input, output_tokens=use.output
    )
