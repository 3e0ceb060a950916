"""Orders to a Conductor server: each looks that the run stands where it is supposed to, right before its effect."""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from consumer.catalog import ConductorRunner
from consumer.model import JsonObject
from consumer.model.call import Ambiguous, Answer, CallResult
from consumer.runners.answers import not_accepted
from consumer.runners.conductor.answers import DEFINITION, STARTED, UNFINISHED, ConductorRun, ConductorTask
from consumer.runners.conductor.looks import before_order
from consumer.runners.contract import Accepted, OrderResult, Payload, Rejected, ReplaceDefinition, RunRef, StartRun
from consumer.runners.json_api import JsonApi, NotStarted, segment
from schemas.json_value import same
from schemas.names import Effect

_SUCCESSFUL: Final = range(200, 300)
_RAN: Final = frozenset({"FAILED", "FAILED_WITH_TERMINAL_ERROR", "TIMED_OUT", "CANCELED"})
_FAILED: Final = frozenset({"FAILED", "TIMED_OUT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductorOrders:
    """The calls for one run that make up one order."""

    api: JsonApi
    described: ConductorRunner
    run: RunRef
    path: str

    async def rerun(self, payload: Payload | None) -> OrderResult:
        """Rerun the run from its failed task, with another input for it where there is one."""
        found = await self._failed()
        if not isinstance(found, ConductorRun):
            return found
        task = found.latest.get(self.run.step or "")
        if task is None or task.status not in _RAN:
            said = "is not there" if task is None else f"is {task.said}"
            return Rejected(reason=f"the task {said}: only one that failed is run again", conflict=task is not None)
        if payload is None and sum(one.status in _RAN for one in found.latest.values()) == 1:
            return await self._retry()
        wish: JsonObject = {"reRunFromTaskId": task.task_id}
        if payload is not None and isinstance(payload.document, dict):
            wish["taskInput"] = dict(payload.document)
        result = await self.api.send("POST", f"{self.path}/rerun", wish)
        return self._taken(result, self.run.run_id, "rerun from its failed task")

    async def retry(self) -> OrderResult:
        """Have the run go on from all of its failed tasks."""
        found = await self._failed()
        return await self._retry() if isinstance(found, ConductorRun) else found

    async def _retry(self) -> OrderResult:
        """Retry what failed: unlike a rerun, the server itself refuses that to a run that goes on or is complete."""
        result = await self.api.send("POST", f"{self.path}/retry")
        if isinstance(result, Answer) and result.status == HTTPStatus.NOT_FOUND:
            return Rejected(reason="the run goes on by now", conflict=True)
        return self._taken(result, "", "retried")

    async def terminate(self, key: str) -> OrderResult:
        """Fail the task for good, so that a late answer of its worker counts no more; or end the whole run."""
        found = await before_order(self.api, self.run, self.path)
        if not isinstance(found, ConductorRun):
            return found
        reason = f"ended by Self-Healing Workflows, order {key}"
        if self.run.step is None:
            if found.status not in {"RUNNING", "PAUSED"}:
                return Rejected(reason=f"the run is {found.status} by now", conflict=True)
            result = await self.api.send("DELETE", f"{self.path}?reason={quote(reason, safe='')}")
            return self._taken(result, "", "terminated")
        task = found.latest.get(self.run.step)
        if task is None or task.status not in UNFINISHED:
            return Rejected(reason=f"the task is {'not there' if task is None else task.said}", conflict=True)
        return self._taken(await self.api.send("POST", "/tasks", _failure_of(task, reason)), task.task_id, "failed")

    async def replace(self, order: ReplaceDefinition) -> OrderResult:
        """Make the definition the version after the one that it is based on, where that is the last one."""
        name = self.described.definition_name(self.run.workflow_name)
        latest = await self.api.before_order(f"/metadata/workflow/{segment(name)}", DEFINITION)
        if not isinstance(latest, dict):
            return latest
        version = int(order.replaces or "0") + 1
        wish: JsonObject = {**order.definition, "name": name, "version": version}
        if all(same(latest.get(member), value) for member, value in wish.items()):
            return Accepted(run=self.run, said="it had taken the order before")
        if latest.get("name") != name or latest.get("version") != version - 1:
            return Rejected(reason=f"version {latest.get('version')} is in place by now", conflict=True)
        # Made, and not put: a version that is there by then is refused, and never written over.
        return self._taken(await self.api.send("POST", "/metadata/workflow", wish), "", f"version {version}")

    async def start(self, order: StartRun) -> OrderResult:
        """Start a run of a definition that goes with the order: what is registered stays as it is."""
        name, key = self.described.definition_name(self.run.workflow_name), self.run.run_id
        path = f"/workflow/{segment(name)}/correlated/{segment(key)}?includeClosed=true&includeTasks=false"
        known = await self.api.before_order(path, STARTED)
        if not isinstance(known, list):
            return known
        if any(one.key != key or segment(one.run_id) is None for one in known):
            return Rejected(reason="before the order: the answer is of another run")
        if known:
            return Accepted(run=replace(self.run, run_id=known[0].run_id), said="it had taken the order before")
        version = int(order.replaces) + 1
        wish: JsonObject = {"name": name, "version": version, "input": dict(order.given), "correlationId": key}
        wish["workflowDef"] = {**order.definition, "name": name, "version": version}
        result = await self.api.send("POST", "/workflow", wish)
        taken = self._taken(result, None, f"a run of version {version}")
        if not isinstance(taken, Accepted) or not isinstance(result, Answer):
            return taken
        run_id = result.body.decode(errors="replace").strip('" \n')
        if segment(run_id) is None:
            why = "Conductor took the order, and its answer names no run"
            return Ambiguous(kind="NoRun", reason=why, elapsed=result.elapsed)
        return replace(taken, run=replace(self.run, run_id=run_id))

    async def _failed(self) -> ConductorRun | NotStarted:
        found = await before_order(self.api, self.run, self.path)
        if isinstance(found, ConductorRun) and found.status not in _FAILED:
            return Rejected(reason=f"the run is {found.status}: only a failed one is run again", conflict=True)
        return found

    def _taken(self, result: CallResult, body: str | None, said: str) -> OrderResult:
        """Map an answer: taken where it is a success and says exactly this, if it has to say anything."""
        if not isinstance(result, Answer):
            return result
        if result.status not in _SUCCESSFUL:
            return not_accepted(result, Effect.CONDITIONAL)
        if result.truncated or (body is not None and result.body.decode(errors="replace").strip('" \n') != body):
            why = "Conductor answered as it does not when it takes an order: it may have taken it"
            return Ambiguous(kind="NotTaken", reason=why, elapsed=result.elapsed)
        return Accepted(run=self.run, said=said)


def _failure_of(task: ConductorTask, reason: str) -> JsonObject:
    return {
        "workflowInstanceId": task.run_id,
        "taskId": task.task_id,
        "status": "FAILED_WITH_TERMINAL_ERROR",
        "reasonForIncompletion": reason,
    }
