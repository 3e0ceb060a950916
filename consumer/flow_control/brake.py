"""The brake: pauses the heals of an organisation's workflow while too many of its runs fail at once."""

from dataclasses import dataclass
from typing import TypeAlias

import structlog

from consumer.catalog import Catalog
from consumer.metrics import Metrics
from consumer.model import OrgId
from consumer.store import rate_limits
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

Braked: TypeAlias = frozenset[tuple[OrgId, str]]


@dataclass(slots=True, kw_only=True)
class WorkflowBrake:
    """Compares the whole fleet's open failures of each workflow with the limit in its catalog entry."""

    metrics: Metrics
    pool: Pool
    braked: Braked = frozenset()

    async def look(self, catalog: Catalog) -> Braked:
        """Read the open failures again; returns the workflows that are not to be healed now."""
        spans = {policy.brake.within for policy in catalog.workflows if policy.brake is not None}
        braked: set[tuple[OrgId, str]] = set()
        for span in spans:
            for (org_id, workflow), failures in (await rate_limits.open_failures_by_workflow(self.pool, span)).items():
                policy = catalog.policy(workflow)
                brake = policy.brake if policy is not None else None
                if brake is not None and brake.within == span and failures > brake.share * brake.runs:
                    braked.add((org_id, workflow))
        if braked != self.braked:
            log.warning("brake", workflows=sorted({name for _, name in braked})[:20], braked=len(braked))
        self.metrics.workflows_braked.set(len(braked))
        self.braked = frozenset(braked)
        return self.braked
