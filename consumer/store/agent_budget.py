"""Token budgets of the agent's model: reserved before each call, settled by its answer, shared by all replicas.

A reservation is one transaction: the rows of all its scopes are locked in the order of their names, the call gets what
the fullest of them has left, and that stands as held until it is settled. What never is settled stays held: nobody
knows whether it was used. In the lock order these rows stand alone, for no other row is locked with them.
"""

from typing import Final
from uuid import UUID

from consumer.model import AttemptId
from consumer.model.token_budget import Grant, ModelCall, TokenLimits, TokensGranted, TokensShort, TokenUse
from consumer.store.pool import Connection, Pool, transaction, translated

FORGET_AFTER_DAYS: Final = 100
"""Above the longest a failure is open: a failure's own budget must not begin anew."""

_SCOPES = """
INSERT INTO heal_agent_budget (scope)
SELECT s FROM (SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day) AS d,
       unnest(ARRAY[$1::text, replace($2, '{day}', d.day), replace($3, '{day}', d.day),
                    replace($4, '{day}', d.day)]) AS s
 ORDER BY s
ON CONFLICT (scope) DO NOTHING
"""

# Locks in the order of the names, and reads what was committed last: a statement of its own.
_LOCK = """
SELECT b.scope, b.spent, b.held FROM heal_agent_budget b,
       (SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day) AS d
 WHERE b.scope IN ($1::text, replace($2, '{day}', d.day), replace($3, '{day}', d.day), replace($4, '{day}', d.day))
 ORDER BY b.scope FOR UPDATE OF b
"""

_HOLD = """
WITH held AS (
  UPDATE heal_agent_budget SET held = held + $6 + $7, at = clock_timestamp() WHERE scope = ANY($5::text[])
)
INSERT INTO heal_agent_call (id, attempt_id, failure_id, org_id, scopes, input_held, output_held)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_LOCK_CALL = """
SELECT c.scopes, c.input_held + c.output_held AS held FROM heal_agent_call c
 WHERE c.id = $1 AND c.input_spent IS NULL FOR UPDATE
"""

_LOCK_SCOPES = "SELECT b.scope FROM heal_agent_budget b WHERE b.scope = ANY($1::text[]) ORDER BY b.scope FOR UPDATE"

_SETTLE = """
WITH settled AS (
  UPDATE heal_agent_budget SET held = held - $5, spent = spent + $3 + $4, at = clock_timestamp()
   WHERE scope = ANY($2::text[])
)
UPDATE heal_agent_call SET input_spent = $3, output_spent = $4 WHERE id = $1
"""

_USE = """
SELECT coalesce(sum(coalesce(c.input_spent, c.input_held)), 0)::bigint AS input,
       coalesce(sum(coalesce(c.output_spent, c.output_held)), 0)::bigint AS output
  FROM heal_agent_call c WHERE c.attempt_id = $1
"""

_FORGET_CALLS = """
DELETE FROM heal_agent_call WHERE id IN (
  SELECT id FROM heal_agent_call WHERE at < clock_timestamp() - $1 * interval '1 day'
   ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)
"""

_FORGET_BUDGETS = """
DELETE FROM heal_agent_budget WHERE scope IN (
  SELECT scope FROM heal_agent_budget WHERE at < clock_timestamp() - $1 * interval '1 day'
   ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED)
"""


class StoredTokenBudgets:
    """The budgets in the database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(
        self, call: ModelCall, limits: TokenLimits, *, input_tokens: int, output_tokens: int, least_output: int
    ) -> Grant:
        """Reserve a call: its input, and as much of the output as there is room for, at least `least_output`."""
        names = _scopes_of(call)
        most = dict(zip(names, (limits.failure, limits.workflow, limits.organisation, limits.day), strict=True))
        async with transaction(self._pool) as connection:
            await connection.execute(_SCOPES, *names)
            rows = await connection.fetch(_LOCK, *names)
            left = {row["scope"]: _limit_of(row["scope"], most) - row["spent"] - row["held"] for row in rows}
            fullest = min(left, key=lambda scope: left[scope])
            output = min(output_tokens, left[fullest] - input_tokens)
            if len(left) < len(names) or output < least_output:
                return TokensShort(scope=fullest.partition(":")[0], left=max(0, left[fullest]))
            scopes = sorted(left)
            await connection.execute(
                _HOLD, call.id, call.attempt_id, call.failure_id, call.org_id, scopes, input_tokens, output
            )
        return TokensGranted(output=output)

    async def settle(self, call_id: UUID, use: TokenUse) -> None:
        """Settle a call by what it has used, which may be more than was reserved; a second time changes nothing."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(_LOCK_CALL, call_id)
            if row is not None:
                await connection.fetch(_LOCK_SCOPES, row["scopes"])
                await connection.execute(_SETTLE, call_id, row["scopes"], use.input, use.output, row["held"])

    async def used_by(self, attempt_id: AttemptId) -> TokenUse:
        """Return what the calls of one heal have used, those without an answer with all that is held for them."""
        with translated():
            return await used_by(self._pool, attempt_id)


async def used_by(connection: Connection | Pool, attempt_id: AttemptId) -> TokenUse:
    """Return what the calls under one id have used, those without an answer with all that is held for them."""
    row = await connection.fetchrow(_USE, attempt_id)
    return TokenUse() if row is None else TokenUse(input=row["input"], output=row["output"])


async def forget_budgets(pool: Pool) -> None:
    """Delete some of what is too old to count."""
    with translated():
        await pool.execute(_FORGET_CALLS, FORGET_AFTER_DAYS)
        await pool.execute(_FORGET_BUDGETS, FORGET_AFTER_DAYS)


def _scopes_of(call: ModelCall) -> tuple[str, str, str, str]:
    purpose, org = call.purpose, call.org_id
    return (
        f"failure:{purpose}:{call.failure_id}",
        f"workflow:{purpose}:{{day}}:{org}:{call.workflow_name}",
        f"organisation:{purpose}:{{day}}:{org}",
        f"day:{purpose}:{{day}}",
    )


def _limit_of(scope: str, most: dict[str, int]) -> int:
    kind = scope.partition(":")[0]
    return next(limit for name, limit in most.items() if name.partition(":")[0] == kind)
