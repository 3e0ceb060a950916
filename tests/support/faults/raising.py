"""Partitions of which one always holds what the client raises for, and members that come and go while it is read."""

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from tests.support.faults.raw_records import Raw, batch, send_raw, unreadable
from tests.support.pipeline import Running, Site, event, until

PARTITIONS: Final = 3
RAISING: Final = 2
"""The partition each of whose batches begins with a record that the client cannot read."""


def quick(org: UUID, name: str) -> dict[str, Any]:
    """A failure that is given up at once: nothing heals it."""
    return event(org, name, workflow_name=name, failure_reason="voice is silent")


def raws(org: UUID, *names: str) -> list[Raw]:
    """Records of failures, to be sent as they are."""
    return [Raw(value=json.dumps(quick(org, name)).encode()) for name in names]


async def send(place: Site, records: Sequence[Raw], *, partition: int = 0, packed: str = "none") -> int:
    """Send one batch to the failures topic; gives its first offset."""
    kafka = place.settings.kafka
    return await send_raw(kafka.bootstrap, kafka.failures_topic, partition, batch(records, packed=packed))


async def nothing() -> None:
    """Do no harm."""


async def publish_raising(place: Site, org: UUID, *, each: int, at_once: int = 50, begin: int = 0) -> set[str]:
    """Publish so many failures to each partition, numbered from `begin` on; gives their names."""
    names: set[str] = set()
    for first in range(begin, begin + each, at_once):
        for partition in range(PARTITIONS):
            some = [f"p{partition}.{n}" for n in range(first, min(begin + each, first + at_once))]
            bad = [unreadable()] if partition == RAISING else []
            await send(place, [*bad, *raws(org, *some)], partition=partition)
            names.update(some)
    return names


async def lost_in_rebalances(
    place: Site,
    names: set[str],
    *,
    members: Site | None = None,
    harms: Sequence[Callable[[], Awaitable[None]]] = (nothing, nothing),
) -> set[str]:
    """Read all of it while, for each of the harms, a member joins, the harm is done, and the member leaves.

    `members` is the place as the members see it; a harm may publish more. Gives the names that never became rows.
    """
    async with (members or place).consumer() as one:
        for n, harm in enumerate(harms, 1):
            await until(partial(_has_rows, place, n * len(names) // (len(harms) + 2)))
            before = one.metric("shw_rebalances_total")
            async with (members or place).consumer() as other:
                await until(partial(_rebalanced, other, 0))
                await harm()
            await until(partial(_rebalanced, one, before))
        await until(place.all_committed)
        await until(partial(_all_told, place))
    return names - set(await place.failures())


async def _has_rows(place: Site, rows: int) -> bool:
    return await place.count("workflow_failures") >= rows


async def _all_told(place: Site) -> bool:
    return await place.count("heal_outbox") == 0


async def _rebalanced(running: Running, before: float) -> bool:
    return running.metric("shw_rebalances_total") > before
