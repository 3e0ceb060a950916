"""A place whose catalog has an agent and an engine: what is approved is run as a canary there, and put in force.

A learnt rule proposes the patch, so no model is asked: how the agent comes to one is proven elsewhere.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from consumer.diagnose.fingerprint import fingerprint
from consumer.metrics import Metrics
from consumer.model import AttemptId, Failure, FailureId, OrgId
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.model.definition_watch import DefinitionWatch, RewriteStage
from consumer.pipeline.definitions import DefinitionRecords
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.plan_answers import answer_plan
from consumer.store.pool import transaction
from consumer.workflows.definition import Definition
from consumer.workflows.runs import WorkflowConfig
from schemas.definition_change import DEFINITION_CHANGE_TYPE
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE
from schemas.names import StrategyName
from tests.support.healing import failure
from tests.support.pipeline import Site, event, until
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.rewrite_world import (
    MENDED,
    REASON,
    WORKFLOW,
    RunsEngine,
    failed_context,
    register,
    registered,
)

REWRITE: Final = StrategyName.WORKFLOW_REWRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a definition is put in force, and what is seen of it."""

    place: Site
    chat: ChatWorld
    runs: RunsEngine
    org: UUID

    async def fail(self, n: int = 1, name: str = WORKFLOW) -> None:
        await self.place.publish(
            event(self.org, n, workflow_name=name, failure_reason=REASON, context=failed_context())
        )

    async def learnt(self) -> None:
        """Have a rule that proposes the patch."""
        await self.place.db.execute(
            "INSERT INTO heal_rewrite_rule (id, org_id, workflow_name, fingerprint, patch, hypothesis, risk, verified,"
            " accepted_by, reason) VALUES ($1, $2, $3, $4, $5::jsonb, 'tried again', 'low', 3, 'ann', 'it holds')",
            uuid4(),
            self.org,
            WORKFLOW,
            fingerprint(self._failure(), REWRITE),
            json.dumps(MENDED),
        )

    async def asked(self) -> dict[str, Any]:
        """Wait until a person is asked; gives what is told of it."""

        async def look() -> list[dict[str, Any]]:
            return [one for one in await self.told(FAILURE_STATUS_TYPE) if one["status"] == "awaiting_approval"]

        return (await until(look))[-1]

    async def approve(self) -> dict[str, Any]:
        said = await self.asked()
        given = PlanAnswer(
            approves=True, plan_hash=said["approval"]["plan_hash"], step=said["step"], by="ann", reason="looked at it"
        )
        tell = partial(status_message, outlet=Outlet.of(self.place.settings.kafka))
        async with transaction(self.place.db) as connection:
            answered = await answer_plan(connection, FailureId(UUID(said["failure_id"])), given, tell)
        assert answered.result is AnswerResult.APPROVED
        return said

    async def configs(self, name: str = WORKFLOW) -> list[dict[str, Any]]:
        """The versions of a definition in the registry, the one in force last."""
        query = "SELECT config FROM deep_agent_workflows WHERE workflow_name = $1 ORDER BY created_at"
        return [json.loads(row["config"]) for row in await self.place.db.fetch(query, name)]

    async def watch(self, name: str = WORKFLOW) -> Any:  # noqa: ANN401 - a record
        return await self.place.db.fetchrow("SELECT * FROM heal_definition_watch WHERE workflow_name = $1", name)

    async def watched(self, state: str, name: str = WORKFLOW) -> Any:  # noqa: ANN401 - a record
        async def look() -> Any:  # noqa: ANN401
            row = await self.watch(name)
            return row if row is not None and row["state"] == state else None

        return await until(look)

    async def told(self, kind: str = HEAL_RESULT_TYPE) -> list[dict[str, Any]]:
        return [one["data"] for one in await self.place.results() if one["type"] == kind]

    async def changes(self) -> set[str]:
        """The states of the definition that were told: each has an event of its own, however often it is sent."""
        return {one["state"] for one in await self.told(DEFINITION_CHANGE_TYPE)}

    async def in_force(self, name: str = WORKFLOW, state: RewriteStage = RewriteStage.WATCHING) -> None:
        """Have the registry and the watch as a promotion leaves them, or as one that was broken off does."""
        await register(self.place.db, self.org, name=name)
        await register(self.place.db, self.org, mended(), name=name)
        failed = self._failure(name)
        watch = DefinitionWatch(
            attempt_id=AttemptId(uuid4()),
            rewrite_id=uuid4(),
            failure_id=failed.id,
            org_id=OrgId(self.org),
            workflow_name=name,
            fingerprint=fingerprint(failed, REWRITE),
            base_digest=WorkflowConfig.from_json(registered()).definition.digest,
            digest=WorkflowConfig.from_json(mended()).definition.digest,
            before=WorkflowConfig.from_json(registered()).as_json(),
        )
        outlet = Outlet.of(self.place.settings.kafka)
        records = DefinitionRecords(pool=self.place.db, outlet=outlet, metrics=Metrics(CollectorRegistry()))
        await records.open(watch)
        if state is not RewriteStage.PROMOTING:
            await records.change(replace(watch, state=state, version="its version"), timedelta(days=7))

    async def looks_are_due(self) -> None:
        """Make it time to look at what is under way, as after a minute in which its process was dead."""
        await self.place.db.execute(
            "UPDATE heal_definition_watch SET look_due = clock_timestamp()"
            " WHERE look_due IS NOT NULL AND (state <> 'watching' OR relapse_id IS NOT NULL)"
        )

    def _failure(self, name: str = WORKFLOW) -> Failure:
        return replace(failure(failed_context(), reason=REASON), org_id=OrgId(self.org), workflow_name=name)


def mended() -> dict[str, Any]:
    """The registry's document once the patch is in force."""
    config = registered()
    steps = [dict(step) for step in config["definition"]["steps"]]
    steps[2]["retries"] = 2
    return {**config, "definition": {**config["definition"], "steps": steps}}


def same_steps(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two documents are of one definition, however what is empty is written."""
    return _definition(left).digest == _definition(right).digest


def _definition(config: Mapping[str, Any]) -> Definition:
    return WorkflowConfig.from_json(config).definition
