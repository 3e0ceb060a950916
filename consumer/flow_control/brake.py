"""The brake: pauses the heals of an organisation's workflow while too many of its runs fail at once."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import structlog

from consumer.catalog import Catalog
from consumer.flow_control.backlog import SHARE
from consumer.metrics import Metrics
from consumer.model import OrgId
from consumer.store import rate_limits
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

Braked: TypeAlias = frozenset[tuple[OrgId, str]]


@dataclass(slots=True, kw_only=True)
class WorkflowBrake:
    """Compares the whole fleet's open failures of each workflow with the limit in its catalog entry.

    A count reads every open failure within its span. It is made as seldom as the census of the backlog where it is
    slow; in between the last one counts.
    """

    metrics: Metrics
    pool: Pool
    replicas: Callable[[], int] = lambda: 1
    """Processes of the fleet, which all count."""
    braked: Braked = frozenset()
    _counts: dict[timedelta, Mapping[tuple[OrgId, str], int]] = field(default_factory=dict)
    _next_count: float = 0.0

    async def look(self, catalog: Catalog) -> Braked:
        """Return the workflows that are not to be healed now, from a new count if one is due."""
        spans = {policy.brake.within for policy in catalog.workflows if policy.brake is not None}
        if spans != self._counts.keys() or time.monotonic() >= self._next_count:
            await self._count(spans)
        braked: set[tuple[OrgId, str]] = set()
        for span, counts in self._counts.items():
            for (org_id, workflow), failures in counts.items():
                policy = catalog.policy(workflow)
                brake = policy.brake if policy is not None else None
                if brake is not None and brake.within == span and failures > brake.share * brake.runs:
                    braked.add((org_id, workflow))
        if braked != self.braked:
            log.warning("brake", workflows=sorted({name for _, name in braked})[:20], braked=len(braked))
        self.metrics.workflows_braked.set(len(braked))
        self.braked = frozenset(braked)
        return self.braked

    async def _count(self, spans: Collection[timedelta]) -> None:
        started = time.monotonic()
        self._counts = {span: await rate_limits.open_failures_by_workflow(self.pool, span) for span in spans}
        self._next_count = started + (time.monotonic() - started) * self.replicas() / SHARE
