"""Patches that a person has approved, with a registry and watches in memory: for heals without a database."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from consumer.heal.deep_agent.ports import NO_WINDOW, NOTHING_PROPOSED, Definitions, NothingProposed
from consumer.heal.deep_agent.strategy import DeepAgent
from consumer.heal.strategy import Task
from consumer.model import AttemptId, Failure, FailureId, Heal, OrgId
from consumer.model.approval import Approval, ApprovalState
from consumer.model.definition_watch import DefinitionWatch
from consumer.model.rewrite import Rewrite
from consumer.outbound.calls import OutboundCalls
from consumer.redact import redact_json
from consumer.runners.contract import Runners
from consumer.runners.definition_stores import ConfiguredDefinitions
from consumer.workflows.definition import Definition
from consumer.workflows.patch import apply_patch, parse_patch
from tests.support.healing import NOW
from tests.support.worlds.rewrite_world import MENDED, registered

TOLD: Final = "what a person was asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    config: object
    version: str


@dataclass(slots=True)
class MemoryRegistry:
    """The newest version of each workflow."""

    newest: dict[str, Version] = field(default_factory=dict)

    def has(self, workflow_name: str, **changes: object) -> Definition:
        """Have a workflow registered whose definition has other members."""
        config = registered()
        config["definition"] = config["definition"] | changes
        self.newest[workflow_name] = Version(config=config, version="first:")
        return Definition.from_json(config["definition"])

    async def entry(self, org_id: OrgId, workflow_name: str) -> Version | None:
        del org_id
        return self.newest.get(workflow_name)

    async def put(
        self, org_id: OrgId, workflow_name: str, config: object, *, replaces: str, row_id: UUID
    ) -> Version | None:
        del org_id
        if (found := self.newest.get(workflow_name)) is not None and found.version == replaces:
            self.newest[workflow_name] = Version(config=config, version=f"{row_id}:")
        return self.newest.get(workflow_name)


@dataclass(slots=True)
class MemoryWatches:
    """The rows of definitions that were put in force."""

    rows: dict[AttemptId, DefinitionWatch] = field(default_factory=dict)

    async def open(self, watch: DefinitionWatch) -> DefinitionWatch:
        return self.rows.setdefault(watch.attempt_id, watch)

    async def find(self, attempt_id: AttemptId) -> DefinitionWatch | None:
        return self.rows.get(attempt_id)

    async def change(self, after: DefinitionWatch, window: timedelta = NO_WINDOW) -> DefinitionWatch | None:
        del window
        self.rows[after.attempt_id] = after
        return after


@dataclass(slots=True)
class ApprovedRewrites(NothingProposed):
    """Of each failure the one patch that was approved."""

    rows: dict[FailureId, Rewrite] = field(default_factory=dict)

    def approved(self, failed: Failure, definition: Definition) -> None:
        """Have the patch of a failure's workflow approved, its canary too."""
        self.rows[failed.id] = Rewrite(
            attempt_id=AttemptId(failed.id),
            failure_id=failed.id,
            org_id=failed.org_id,
            workflow_name=failed.workflow_name,
            fingerprint="",
            base_digest=definition.digest,
            digest=apply_patch(definition, parse_patch(MENDED)).digest,
            told_digest=TOLD,
            patch=tuple(MENDED),
            hypothesis="tried again",
            risk="low",
            objections="",
            prompts="",
            good_runs=1,
            canary=True,
        )

    async def proposed(self, failure_id: FailureId, told_digest: str) -> Rewrite | None:
        return self.rows.get(failure_id) if told_digest == TOLD else None

    async def of_attempt(self, attempt_id: AttemptId) -> Rewrite | None:
        return self.rows.get(FailureId(attempt_id))


def rewriting(
    calls: OutboundCalls, runners: Runners, registry: MemoryRegistry, rewrites: ApprovedRewrites
) -> DeepAgent:
    """Give the strategy, which asks no model: what it puts in force was approved before."""
    stores = ConfiguredDefinitions(runners, registry)
    return DeepAgent(
        calls=calls,
        ledger=NOTHING_PROPOSED,
        rewrites=rewrites,
        redact=redact_json,
        runners=runners,
        definitions=Definitions(registry=registry, stores=stores, watches=MemoryWatches()),
    )


def as_approved(given: Task) -> Task:
    """Give a task under the approval of its patch."""
    if not isinstance(given.plan, Heal):
        raise TypeError("only a heal is approved")
    approval = Approval(
        state=ApprovalState.APPROVED,
        step=given.failure.step,
        strategy=given.plan.strategy,
        plan_hash="",
        base_hash="",
        until=NOW,
        edits=TOLD,
    )
    return replace(given, plan=replace(given.plan, approval=approval))
