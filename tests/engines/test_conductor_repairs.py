"""Broken workflows on a real Conductor: each breaks there, and its mended version, put in place by the runner, runs.

`-k conductor-loop` runs one of them.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest

from consumer.catalog import ConductorRunner
from consumer.runners.contract import (
    Accepted,
    ReplaceDefinition,
    RunRef,
)
from consumer.runners.definitions import DefinitionReader, EngineDefinition
from consumer.workflows.conductor import definition_of, document_of
from consumer.workflows.proof import ProvenPatch
from consumer.workflows.runs import Ending, RecordedAnswer, RecordedRun
from schemas.json_value import same
from tests.support.healing import ORG
from tests.support.workflows.broken import BrokenWorkflow, load_cases
from tests.support.worlds.conductor_engine import Conductor
from tests.support.worlds.http_world import World
from tests.support.worlds.recorded import WITHIN, Ground, ground

pytestmark = pytest.mark.engines

CASES: Final = [case for case in load_cases() if case.registry == "conductor"]
ENDLESS: Final = 12
"""Answers that one run is given at most: beyond that it has no end."""
QUIET: Final = 40
"""Rounds in which no worker finds anything to do, of a run that stands still."""


@pytest.fixture
async def here(conductor: Conductor) -> AsyncIterator[Ground]:
    runner = ConductorRunner.model_validate({"kind": "conductor", "api": conductor.api, "timeout": "PT30S"})
    async with ground(World(port=conductor.port), runner) as opened:
        yield opened


class Workers:
    """The workers of a case: they answer what was recorded of a run."""

    def __init__(self, conductor: Conductor, case: BrokenWorkflow, run: RecordedRun) -> None:
        self._conductor, self._case = conductor, case
        self._left = list(run.answers)
        self._done: set[str] = set()
        actions = case.limits.actions.items()
        self._kinds = [name for name, spec in actions if "SIMPLE" in spec.engines]

    async def play(self, run_id: str) -> dict[str, Any]:
        """Work until the run has ended, stands still, or has been answered too often; gives its state."""
        quiet = answered = 0
        while quiet < QUIET and answered < ENDLESS:
            state: dict[str, Any] = await self._conductor.state(run_id)
            if state["status"] not in {"RUNNING", "PAUSED"}:
                return state
            worked = [kind for kind in self._kinds if await self._one(kind, run_id)]
            answered += len(worked)
            quiet = 0 if worked else quiet + 1
            await asyncio.sleep(0 if worked else 0.05)
        return dict(await self._conductor.state(run_id))

    async def _one(self, kind: str, run_id: str) -> bool:
        task = await self._conductor.ask("GET", f"/tasks/poll/{kind}?workerid=w-1")
        if not task or task["workflowInstanceId"] != run_id:
            return False
        answer = self._answer(kind, task["inputData"])
        wish: dict[str, Any] = {"workflowInstanceId": run_id, "taskId": task["taskId"]}
        if answer is None or answer.error is not None:
            said = "no answer is recorded" if answer is None else answer.error
            failed = "FAILED" if answer is not None and answer.may_pass else "FAILED_WITH_TERMINAL_ERROR"
            wish |= {"status": failed, "reasonForIncompletion": said}
        else:
            self._done.add(kind)
            wish |= {"status": "COMPLETED", "outputData": dict(answer.output)}
        await self._conductor.ask("POST", "/tasks", wish)
        return True

    def _answer(self, kind: str, given: dict[str, Any]) -> RecordedAnswer | None:
        names = {kind, *self._case.limits.actions[kind].replaces}
        fits = [
            each
            for each in self._left
            if each.action in names and same(each.parameters, given) and self._done.issuperset(each.after)
        ]
        if len(fits) > 1:
            self._left.remove(fits[0])
        return fits[0] if fits else None


async def define_tasks(conductor: Conductor, case: BrokenWorkflow) -> None:
    limits = {"retryCount": 0, "retryDelaySeconds": 0, "timeoutSeconds": 600, "responseTimeoutSeconds": 300}
    names = {task for task in case.limits.actions if not case.limits.actions[task].operator}
    wish = [{"name": name, "ownerEmail": "a@example.com", **limits} for name in sorted(names)]
    await conductor.ask("POST", "/metadata/taskdefs", wish)
    if case.kind == "missing_compensation":
        undo = {"name": "free_table", "version": 1, "schemaVersion": 2, "ownerEmail": "a@example.com"}
        undo |= {"timeoutSeconds": 0, "timeoutPolicy": "ALERT_ONLY"}
        task = {"name": "free_table", "taskReferenceName": "free_table", "type": "SIMPLE", "inputParameters": {}}
        await conductor.ask("PUT", "/metadata/workflow", [undo | {"tasks": [task]}])


async def start(conductor: Conductor, case: BrokenWorkflow, version: int, run: RecordedRun) -> str:
    wish = {"name": case.document["name"], "version": version, "input": dict(run.input)}
    return str(await conductor.ask("POST", "/workflow", wish))


async def ended(conductor: Conductor, case: BrokenWorkflow, version: int, run: RecordedRun) -> dict[str, Any]:
    """Have a version run, with the workers that the run was recorded with; what has no end is ended."""
    run_id = await start(conductor, case, version, run)
    state = await Workers(conductor, case, run).play(run_id)
    if state["status"] == "RUNNING":
        await conductor.ask("DELETE", f"/workflow/{run_id}?reason=over")
    return state


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_workflow_breaks_and_its_mended_version_runs(
    conductor: Conductor, here: Ground, case: BrokenWorkflow
) -> None:
    await define_tasks(conductor, case)
    await conductor.ask("PUT", "/metadata/workflow", [case.document])
    broken = await ended(conductor, case, 1, case.failing)
    assert broken["status"] != "COMPLETED"
    assert "conductor.failure_workflow" not in broken["output"]

    name = case.document["name"]
    run = RunRef(org_id=str(ORG), workflow_name=name, run_id=broken["workflowId"], step=case.failing_step)
    assert isinstance(here.runner, DefinitionReader)
    found = await here.runner.definition(run, here.allowed, within=WITHIN)
    assert isinstance(found, EngineDefinition), found
    read = definition_of(found.document, case.definition.invariants)
    assert {step.id: step for step in read.steps} == dict(case.definition.by_id)
    proof = case.judge(case.competent)
    assert isinstance(proof, ProvenPatch), proof
    mended = document_of(proof.definition, found.document)
    order = ReplaceDefinition(run=run, definition=mended, replaces=found.version)
    assert isinstance(await here.give(order), Accepted)

    state = await ended(conductor, case, 2, case.failing)
    if case.failing.ends is Ending.COMPENSATED:
        assert state["status"] == "FAILED"
        undo = state["output"]["conductor.failure_workflow"]
        assert (await Workers(conductor, _with_undo(case), case.failing).play(undo))["status"] == "COMPLETED"
    else:
        assert state["status"] == "COMPLETED", state.get("reasonForIncompletion")
    for good in (*case.shown, *case.held_out):
        state = await ended(conductor, case, 2, good)
        assert (state["status"], state["output"]) == ("COMPLETED", good.outputs), good.id


def _with_undo(case: BrokenWorkflow) -> BrokenWorkflow:
    """The same, where a worker takes the task of the workflow that undoes a run."""
    actions = dict(case.limits.actions)
    actions["free_table"] = actions["free_table"].model_copy(update={"engines": ("SIMPLE",)})
    return replace(case, limits=case.limits.model_copy(update={"actions": actions}))
