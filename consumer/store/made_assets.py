"""Made assets: what generators made, by the content address of the order, so that the same is never paid twice."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from consumer.model import AttemptId, MicroAud, OrgId
from consumer.model.made_asset import MadeAsset
from consumer.store.pool import Pool, translated

FORGET_AFTER: Final = timedelta(days=90)
"""Retention: an object that old may have gone from its store by the store's own rules."""
MOST_OF_AN_ORGANISATION: Final = 100_000
"""Cap on rows of an organisation: what is made for nothing can be made any number of times."""

_FIND = """
SELECT generation, digest, media_type, size, generator, cost, attempt_id FROM heal_made_asset
 WHERE org_id = $1 AND generation = ANY($2::text[]) AND made_at > clock_timestamp() - $3::interval
"""

_REMEMBER = """
WITH gone AS (
  DELETE FROM heal_made_asset WHERE (org_id, generation) IN (
    SELECT o.org_id, o.generation FROM heal_made_asset o WHERE o.org_id = $1 AND o.generation <> $2
     ORDER BY o.made_at DESC OFFSET $9 LIMIT 10)
)
INSERT INTO heal_made_asset (org_id, generation, digest, media_type, size, generator, cost, attempt_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (org_id, generation) DO UPDATE
   SET digest = EXCLUDED.digest, media_type = EXCLUDED.media_type, size = EXCLUDED.size,
       generator = EXCLUDED.generator, cost = EXCLUDED.cost, attempt_id = EXCLUDED.attempt_id,
       made_at = clock_timestamp()
"""

_FORGET = "DELETE FROM heal_made_asset WHERE org_id = $1 AND generation = $2"


class StoredMadeAssets:
    """The memory of what was made, in the database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, org_id: OrgId, generations: Sequence[str]) -> Mapping[str, MadeAsset]:
        """Return what is known of some generations."""
        with translated():
            rows = await self._pool.fetch(_FIND, org_id, list(generations), FORGET_AFTER)
        return {
            row["generation"]: MadeAsset(
                org_id=org_id,
                generation=row["generation"],
                digest=row["digest"],
                media_type=row["media_type"],
                size=row["size"],
                generator=row["generator"],
                cost=MicroAud(row["cost"]),
                attempt_id=AttemptId(row["attempt_id"]),
            )
            for row in rows
        }

    async def remember(self, made: MadeAsset) -> None:
        """Remember an asset that is stored; of the same generation the last one counts."""
        with translated():
            await self._pool.execute(
                _REMEMBER,
                made.org_id,
                made.generation,
                made.digest,
                made.media_type,
                made.size,
                made.generator,
                made.cost,
                made.attempt_id,
                MOST_OF_AN_ORGANISATION,
            )

    async def forget(self, org_id: OrgId, generation: str) -> None:
        """Forget one whose object is gone, or is not what it was."""
        with translated():
            await self._pool.execute(_FORGET, org_id, generation)
