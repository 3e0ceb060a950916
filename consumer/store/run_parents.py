"""Runs of which a part is a failure here: what the whole run tells afterwards is linked to that failure."""

from collections.abc import Iterable, Sequence

from consumer.model import Failure, FailureId
from consumer.store.pool import Connection

_KNOWN_PARENTS = "SELECT run_parent FROM intake_run_parent WHERE run_parent = ANY($1::bytea[])"

_KEEP_PARENTS = """
INSERT INTO intake_run_parent (run_parent, failure_id)
SELECT x.run_parent, x.failure_id FROM unnest($1::bytea[], $2::uuid[]) AS x (run_parent, failure_id)
 ORDER BY x.run_parent
ON CONFLICT DO NOTHING
"""


async def known_roll_ups(connection: Connection, arrived: Iterable[Failure]) -> frozenset[FailureId]:
    """Return the ids of those whose run has a part that is a failure here; one with a run key is never one of them."""
    runs = {one.id: one.lineage.run for one in arrived if one.lineage is not None and one.run_key is None}
    if not runs:
        return frozenset()
    rows = await connection.fetch(_KNOWN_PARENTS, sorted(set(runs.values())))
    known = {row["run_parent"] for row in rows}
    return frozenset(failure_id for failure_id, run in runs.items() if run in known)


async def keep_parents(connection: Connection, parts: Sequence[tuple[Failure, FailureId]]) -> None:
    """Keep the runs that these failures are parts of, each with the failure that stands for it."""
    pairs = [(parent, first) for part, first in parts if part.lineage is not None for parent in part.lineage.parents]
    if pairs:
        await connection.execute(_KEEP_PARENTS, *zip(*pairs, strict=True))
