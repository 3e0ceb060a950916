"""Runner for a Temporal server, by the HTTP API of its frontend: resets failed runs, moves what nobody takes elsewhere.

A reset makes another run of the same workflow, which keeps what its history has before a point, and goes on from there.
Code decides what comes next: a worker that fails at that is mended by a new build, and by no order.
"""

from datetime import timedelta
from typing import Final, assert_never

from consumer.catalog import TemporalRunner, WorkflowPolicy
from consumer.model.call import EgressRefused
from consumer.outbound.tokens import EngineCalls
from consumer.runners.contract import (
    LookFailed,
    MoveToQueue,
    Order,
    OrderResult,
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
from consumer.runners.json_api import api_request, json_api
from consumer.runners.places import dependency_of
from consumer.runners.temporal.failures import TemporalFailures
from consumer.runners.temporal.history import WORKFLOW_TASK
from consumer.runners.temporal.looks import TemporalLook
from consumer.runners.temporal.orders import TemporalOrders
from consumer.runners.temporal.place import TemporalPlace, place_of
from consumer.runners.watching import RunsOf, WatchedByLooks
from schemas.names import Effect

_NO_PLACE: Final = TemporalPlace(workflow_id="", run_id=None, namespace="", path="")
"""Of a look for runs, which is at none of them."""


class TemporalEngine(WatchedByLooks):
    """Sends orders to a Temporal server; each looks first that the run stands where it is supposed to."""

    def __init__(self, described: TemporalRunner, calls: EngineCalls) -> None:
        self._described = described
        self._calls = calls

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        """Return why this order cannot be sent, or None."""
        reason = _refused(order)
        place = place_of(self._described, order.run)
        if reason is not None or isinstance(place, str):
            return reason or str(place)
        return self._calls.refusal(api_request(self._described, order.run, "GET", place.path), policy)

    def effect(self, order: Order) -> Effect:
        """Return CONDITIONAL: a reset that is given again is known by its key, and what it is of has moved on by it."""
        del order
        return Effect.CONDITIONAL

    def dependency(self) -> str:
        """Return the server's origin."""
        return dependency_of(self._described.api)

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Look that the run stands where the order supposes it; then send it."""
        reason = self.refusal(order, policy)
        look = self._look(order.run, policy, within)
        if reason is not None or isinstance(look, str):
            return EgressRefused(reason=reason or str(look))
        orders = TemporalOrders(look=look, key=key)
        match order:
            case RerunStep():
                return await orders.rerun()
            case ResumeRun():
                return await orders.resume()
            case Terminate():
                return await orders.terminate()
            case MoveToQueue(queue=queue):
                return await orders.move(queue)
            case ReplaceDefinition() | StartRun() | SkipStep() | RemapStep():
                return EgressRefused(reason="Temporal has no call for it")
            case _:
                assert_never(order)

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the run, its history, and who asks for the tasks that wait."""
        look = self._look(run, policy, within)
        return LookFailed(reason=f"the look: {look}") if isinstance(look, str) else await look.state()

    def _failures(
        self, of: RunsOf, run_id: str | None, policy: WorkflowPolicy, within: timedelta
    ) -> TemporalFailures | LookFailed:
        place = _NO_PLACE if run_id is None else place_of(self._described, of.run(run_id))
        if isinstance(place, str):
            return LookFailed(reason=f"the look: {place}")
        run = of.run(place.workflow_id)
        api = json_api(self._described, self._calls, run, policy, within)
        look = TemporalLook(api=api, described=self._described, run=run, place=place, policy=policy)
        return TemporalFailures(look=look, of=of)

    def _look(self, run: RunRef, policy: WorkflowPolicy, within: timedelta) -> TemporalLook | str:
        place = place_of(self._described, run)
        if isinstance(place, str):
            return place
        api = json_api(self._described, self._calls, run, policy, within)
        return TemporalLook(api=api, described=self._described, run=run, place=place, policy=policy)


def _refused(order: Order) -> str | None:
    """Return why Temporal takes no such order, or None."""
    match order:
        case ReplaceDefinition() | StartRun():
            return "Temporal takes no definition, a workflow is code: deploy a worker with a new build"
        case SkipStep() | RemapStep():
            return f"Temporal's API has no call for {type(order).__name__}: a person has to"
        case RerunStep(payload=payload) if payload is not None:
            return "Temporal gives an activity no other input: it is decided by the workflow's code"
        case MoveToQueue(run=run) | Terminate(run=run) if run.step == WORKFLOW_TASK:
            return "the queue of a run's workflow tasks cannot be changed, nor one of them ended: start workers there"
        case MoveToQueue(run=run) if run.step is None:
            return "no step is named: Temporal moves an activity, by context.run.step"
        case RerunStep() | ResumeRun() | Terminate() | MoveToQueue():
            return None
        case _:
            assert_never(order)
