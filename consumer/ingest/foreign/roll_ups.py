"""Roll-ups: a run that failed because a part of it did is no failure of its own, where the part is known. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from consumer.model import Failure, FailureId
from consumer.model.failure import Lineage
from consumer.redact import REDACTED


def with_lineage(failure: Failure) -> Failure:
    """Return a failure of a lineage topic with the keys of its run and of the runs that it is a part of."""
    told = failure.context.get("lineage")
    if not isinstance(told, dict):
        return failure
    run, parents = _key(failure, told.get("run_id")), told.get("parents")
    above = [_key(failure, one) for one in parents] if isinstance(parents, list) else []
    if run is None:
        return failure
    return replace(failure, lineage=Lineage(run=run, parents=tuple(one for one in above if one is not None)))


def roll_ups(failures: Iterable[Failure]) -> frozenset[FailureId]:
    """Return the ids of those whose run is one of which another one of them is a part."""
    known = [(failure.id, failure.lineage) for failure in failures if failure.lineage is not None]
    parents = {parent for _, lineage in known for parent in lineage.parents}
    return frozenset(failure_id for failure_id, lineage in known if lineage.run in parents)


def _key(failure: Failure, run_id: object) -> bytes | None:
    if not isinstance(run_id, str) or REDACTED in run_id:
        return None
    return hashlib.sha256(failure.org_id.bytes + run_id.encode()).digest()
