"""Runner for a Conductor server, by its REST API: reruns a run from its failed task, and puts new definitions in place.

A rerun keeps the run and what is complete of it, and may take another input for the task. The server runs a completed
run again as readily as a failed one: so each order looks first, and only a failed run is touched.
"""

from datetime import timedelta
from typing import assert_never

from consumer.catalog import ConductorRunner, WorkflowPolicy
from consumer.model.call import EgressRefused
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import parsed, unseen
from consumer.runners.conductor.answers import DEFINITION
from consumer.runners.conductor.failures import ConductorFailures
from consumer.runners.conductor.looks import state_of
from consumer.runners.conductor.orders import ConductorOrders
from consumer.runners.contract import (
    LookFailed,
    MoveToQueue,
    Order,
    OrderResult,
    Payload,
    RemapStep,
    ReplaceDefinition,
    RerunStep,
    ResumeRun,
    RunRef,
    RunState,
    SkipStep,
    StartRun,
    Terminate,
)
from consumer.runners.definitions import EngineDefinition
from consumer.runners.json_api import api_request, json_api, segment
from consumer.runners.places import dependency_of
from consumer.runners.templates import unfit_document
from consumer.runners.watching import RunsOf, WatchedByLooks
from schemas.names import Effect


class ConductorEngine(WatchedByLooks):
    """Sends orders to a Conductor server; each is safe only right after a look, which it makes itself."""

    def __init__(self, described: ConductorRunner, calls: EngineCalls) -> None:
        self._described = described
        self._calls = calls

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        """Return why this order cannot be sent, or None."""
        match order:
            case MoveToQueue() | SkipStep() | RemapStep():
                return f"Conductor's API has no call for {type(order).__name__}: a person has to"
            case RerunStep(latest=True):
                return "Conductor reruns a task on the version that its run has begun on"
            case RerunStep(run=run) if run.step is None:
                return "no step is named: Conductor reruns from a task, by context.run.step"
            case RerunStep(payload=Payload() as payload):
                reason = _input_fault(payload)
            case ReplaceDefinition():
                reason = _version_fault(order)
            case StartRun():
                reason = _start_fault(order)
            case RerunStep() | ResumeRun() | Terminate():
                reason = None
            case _:
                assert_never(order)
        if reason is not None:
            return reason
        path = _path(order.run)
        if path is None:
            return "the run's id cannot stand in a URL's path"
        return self._calls.refusal(api_request(self._described, order.run, "GET", path), policy)

    def effect(self, order: Order) -> Effect:
        """Return CONDITIONAL: what is rerun twice runs twice, unless a look shows it failed in between.

        A run that was started under a key is found by it.
        """
        return Effect.IDEMPOTENT if isinstance(order, ReplaceDefinition) else Effect.CONDITIONAL

    def dependency(self) -> str:
        """Return the server's origin."""
        return dependency_of(self._described.api)

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Look that the run stands where the order supposes it; then send it."""
        reason, path = self.refusal(order, policy), _path(order.run)
        if reason is not None or path is None:
            return EgressRefused(reason=reason or "the run's id cannot stand in a URL's path")
        api = json_api(self._described, self._calls, order.run, policy, within)
        orders = ConductorOrders(api=api, described=self._described, run=order.run, path=path)
        return await _give(orders, order, key)

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the run, its tasks, and who polls for those that wait to be taken."""
        path = _path(run)
        if path is None:
            return LookFailed(reason="the look: the run's id cannot stand in a URL's path")
        api = json_api(self._described, self._calls, run, policy, within)
        return await state_of(api, self._described, run, path)

    def _failures(self, of: RunsOf, run_id: str | None, policy: WorkflowPolicy, within: timedelta) -> ConductorFailures:
        api = json_api(self._described, self._calls, of.run(run_id or ""), policy, within)
        return ConductorFailures(api=api, described=self._described, of=of)

    async def definition(
        self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta
    ) -> EngineDefinition | LookFailed:
        """Query the latest version of the workflow's definition."""
        name = self._described.definition_name(run.workflow_name)
        path = segment(name)
        if path is None:
            return LookFailed(reason="the look: the definition's name cannot stand in a URL's path")
        result = await json_api(self._described, self._calls, run, policy, within).send(
            "GET", f"/metadata/workflow/{path}"
        )
        found = parsed(result, DEFINITION)
        if found is None:
            return unseen(result)
        version = found.get("version")
        if found.get("name") != name or isinstance(version, bool) or not isinstance(version, int):
            return LookFailed(reason="the look: the answer is of another definition")
        return EngineDefinition(document=found, version=str(version))


async def _give(orders: ConductorOrders, order: Order, key: str) -> OrderResult:
    match order:
        case RerunStep(payload=payload):
            return await orders.rerun(payload)
        case ResumeRun():
            return await orders.retry()
        case Terminate():
            return await orders.terminate(key)
        case StartRun():
            return await orders.start(order)
        case ReplaceDefinition():
            return await orders.replace(order)
        case MoveToQueue() | SkipStep() | RemapStep():
            return EgressRefused(reason="Conductor has no call for it")
        case _:
            assert_never(order)


def _path(run: RunRef) -> str | None:
    quoted = segment(run.run_id)
    return None if quoted is None else f"/workflow/{quoted}"


def _input_fault(payload: Payload) -> str | None:
    if not isinstance(payload.document, dict):
        return "a task's input is an object at Conductor, and the payload is none"
    return unfit_document(payload.document)


def _start_fault(order: StartRun) -> str | None:
    if not order.replaces.isascii() or not order.replaces.isdigit():
        return "a run of a definition names the version that it is based on: Conductor's are whole numbers"
    return unfit_document({"definition": order.definition, "input": order.given})


def _version_fault(order: ReplaceDefinition) -> str | None:
    if order.replaces is None or not order.replaces.isascii() or not order.replaces.isdigit():
        return "a definition is replaced from a version on: Conductor's are whole numbers"
    return _input_fault(Payload(document=order.definition))
