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
    """Return the ids of those whose run is one of which another one of them, that stays, is a part.

    One that names the run, the step and the try of an engine stays: by it the engine can be ordered to run it again.
    Of runs that claim to be parts of each other the first one stays.
    """
    known = [failure for failure in failures if failure.lineage is not None]
    parents = {parent for failure in known for parent in _parents(failure)}
    stay = [one for one in known if not (one.lineage and one.run_key is None and one.lineage.run in parents)]
    kept = {failure.id for failure in stay}
    undecided = [failure for failure in known if failure.id not in kept]
    dropped: set[FailureId] = set()
    while True:
        above = _above(stay, undecided)
        dropped |= {one.id for one in undecided if one.lineage is not None and one.lineage.run in above}
        undecided = [one for one in undecided if one.id not in dropped]
        if not undecided:
            return frozenset(dropped)
        stay = [undecided.pop(0)]


def _parents(failure: Failure) -> tuple[bytes, ...]:
    """Return the runs that a failure's run is a part of, as far as it tells them."""
    return () if failure.lineage is None else failure.lineage.parents


def _above(stay: Iterable[Failure], between: Iterable[Failure]) -> set[bytes]:
    """Return the runs of which those that stay are parts, also by way of others."""
    of_run: dict[bytes, list[bytes]] = {}
    for one in between:
        if one.lineage is not None:
            of_run.setdefault(one.lineage.run, []).extend(one.lineage.parents)
    above: set[bytes] = set()
    open_runs = [parent for one in stay for parent in _parents(one)]
    while open_runs:
        run = open_runs.pop()
        if run not in above:
            above.add(run)
            open_runs += of_run.get(run, ())
    return above


def _key(failure: Failure, run_id: object) -> bytes | None:
    if not isinstance(run_id, str) or REDACTED in run_id:
        return None
    return hashlib.sha256(failure.org_id.bytes + run_id.encode()).digest()
