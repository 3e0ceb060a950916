"""Runner for an Airflow server, by its stable REST API (v2): clears the failed task of a run, and looks at the run.

Airflow runs the cleared task again within the same run, and nothing that is complete. Each try of a task has an id of
its own, which is the fence.
"""

from datetime import timedelta
from typing import assert_never

from consumer.catalog import AirflowRunner, WorkflowPolicy
from consumer.model.call import EgressRefused
from consumer.outbound.tokens import EngineCalls
from consumer.runners.airflow.failures import AirflowFailures
from consumer.runners.airflow.looks import AirflowLook
from consumer.runners.airflow.orders import AirflowOrders
from consumer.runners.airflow.place import place_of
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
from consumer.runners.json_api import api_request, json_api, segment
from consumer.runners.places import dependency_of
from consumer.runners.templates import unfit_document
from consumer.runners.watching import RunsOf, WatchedByLooks
from schemas.names import Effect


class AirflowEngine(WatchedByLooks):
    """Sends orders to an Airflow server; each is safe only right after a look, which it makes itself."""

    def __init__(self, described: AirflowRunner, calls: EngineCalls) -> None:
        self._described = described
        self._calls = calls

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        """Return why this order cannot be sent, or None."""
        match order:
            case ReplaceDefinition() | StartRun():
                return "Airflow takes no definition, a DAG is code: deploy a new version of it"
            case MoveToQueue() | SkipStep() | RemapStep():
                return f"Airflow's API has no call for {type(order).__name__}: a person has to"
            case RerunStep(run=run) if run.step is None:
                return "no step is named: Airflow clears a task, by context.run.step"
            case RerunStep(run=run, payload=Payload() as payload):
                reason = self._input_fault(run, payload)
                if reason is not None:
                    return reason
            case RerunStep() | ResumeRun() | Terminate():
                pass
            case _:
                assert_never(order)
        place = place_of(self._described, order.run)
        if isinstance(place, str):
            return place
        return self._calls.refusal(api_request(self._described, order.run, "GET", place.path), policy)

    def effect(self, order: Order) -> Effect:
        """Return CONDITIONAL: what is cleared twice runs twice, unless a look shows it failed in between."""
        del order
        return Effect.CONDITIONAL

    def dependency(self) -> str:
        """Return the server's origin."""
        return dependency_of(self._described.api)

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Look that the task stands where the order supposes it; then clear it, or set it failed."""
        reason = self.refusal(order, policy)
        place = place_of(self._described, order.run)
        if reason is not None or isinstance(place, str):
            return EgressRefused(reason=reason or str(place))
        api = json_api(self._described, self._calls, order.run, policy, within)
        latest = isinstance(order, RerunStep) and order.latest
        orders = AirflowOrders(api=api, run=order.run, place=place, key=key, latest=latest)
        if isinstance(order, Terminate):
            return await (orders.terminate_run() if place.task is None else orders.terminate_step())
        if isinstance(order, RerunStep) and order.payload is not None:
            source = self._described.input_of(place.dag_id, str(order.run.step))
            return await orders.clear(None if source is None else (source, order.payload))
        return await orders.clear(None)

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the run, its tasks, and the pools from which they wait to be taken."""
        place = place_of(self._described, run)
        if isinstance(place, str):
            return LookFailed(reason=f"the look: {place}")
        api = json_api(self._described, self._calls, run, policy, within)
        return await AirflowLook(api=api, run=run, place=place).state()

    def _failures(self, of: RunsOf, run_id: str | None, policy: WorkflowPolicy, within: timedelta) -> AirflowFailures:
        api = json_api(self._described, self._calls, of.run(run_id or ""), policy, within)
        return AirflowFailures(api=api, described=self._described, of=of)

    def _input_fault(self, run: RunRef, payload: Payload) -> str | None:
        dag_id = self._described.dag_id(run.workflow_name)
        source = self._described.input_of(dag_id, str(run.step))
        if source is None:
            return f"the runner's `inputs` name no XCom of {dag_id}.{run.step}: it would run with its old input again"
        if segment(source.key) is None or segment(source.task) is None:
            return "the XCom's task or key cannot stand in a URL's path"
        return unfit_document(payload.document)
