"""Runner for a Prefect server, by its REST API: reruns a failed run in place, or creates a run with other parameters.

In place, Prefect loads what complete tasks have persisted and does the rest. A run's epoch is its `run_count`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID, uuid5

from consumer.catalog import PrefectRunner, WorkflowPolicy
from consumer.model import ID_SPACE, Json, JsonObject
from consumer.model.call import Answer, EgressRefused
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import parsed, server_time, unseen
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Order,
    OrderResult,
    Payload,
    Phase,
    Rejected,
    ReplaceDefinition,
    RerunStep,
    ResumeRun,
    RunRef,
    RunState,
)
from consumer.runners.json_api import JsonApi, NotStarted, api_request, json_api
from consumer.runners.places import dependency_of
from consumer.runners.prefect.answers import (
    EVALUATED,
    FLOW_RUN,
    HISTORY,
    FlowRun,
    creation_of,
    is_evaluated,
    phase_of,
    transition_of,
    waits_for,
)
from consumer.runners.prefect.failures import PrefectFailures
from consumer.runners.templates import UnfitValue, unfit_document
from consumer.runners.watching import RunsOf, WatchedByLooks
from schemas.names import Effect

_NO_ID: Final = "the run's id is not that of a Prefect flow run (a UUID)"


class PrefectEngine(WatchedByLooks):
    """Sends orders to a Prefect server, each at most once for an idempotency key.

    A run with a new payload is another run of the same deployment: what the failed one had done is done again unless
    its tasks are cached by their inputs. A definition is code, which the server does not hold: it is never replaced.
    """

    def __init__(self, described: PrefectRunner, calls: EngineCalls) -> None:
        self._described = described
        self._calls = calls

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        """Return why this order cannot be sent, or None."""
        if isinstance(order, ReplaceDefinition):
            return "Prefect holds no definition, a flow is code: deploy a new version of it"
        if not isinstance(order, RerunStep | ResumeRun):
            return f"a Prefect server takes no order of this kind: {type(order).__name__}"
        if _flow_run_id(order.run) is None:
            return _NO_ID
        if isinstance(order, RerunStep) and order.payload is not None:
            reason = _payload_fault(order.payload, self._described)
            if reason:
                return reason
        return self._calls.refusal(api_request(self._described, order.run, "GET", "/flow_runs"), policy)

    def effect(self, order: Order) -> Effect:
        """Return KEYED: a repeat is recognized by the run's history, or by the new run's own idempotency key."""
        del order
        return Effect.KEYED

    def dependency(self) -> str:
        """Return the server's origin."""
        return dependency_of(self._described.api)

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Check that the run has failed and is still of the epoch that the order is based on; then send the order."""
        reason = self.refusal(order, policy)
        if reason is not None:
            return EgressRefused(reason=reason)
        talk = self._talk(order.run, policy, within)
        if not isinstance(order, RerunStep) or order.payload is None:
            return await talk.run_again(key)
        try:
            return await talk.run_anew(order.payload, key)
        except UnfitValue as unfit:  # the failed run's own parameters cannot be written again
            return Rejected(reason=str(unfit))

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the run; its success is the only proof that a step of it has succeeded."""
        if _flow_run_id(run) is None:
            return LookFailed(reason=_NO_ID)
        return await self._talk(run, policy, within).state()

    def _failures(
        self, of: RunsOf, run_id: str | None, policy: WorkflowPolicy, within: timedelta
    ) -> PrefectFailures | LookFailed:
        if run_id is not None and _flow_run_id(of.run(run_id)) is None:
            return LookFailed(reason=_NO_ID)
        api = json_api(self._described, self._calls, of.run(run_id or ""), policy, within)
        return PrefectFailures(api=api, described=self._described, of=of)

    def _talk(self, run: RunRef, policy: WorkflowPolicy, within: timedelta) -> "_Talk":
        api = json_api(self._described, self._calls, run, policy, within)
        return _Talk(api=api, described=self._described, run=run)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Talk:
    """The calls for one run that make up one order or one look, under one deadline."""

    api: JsonApi
    described: PrefectRunner
    run: RunRef

    async def run_again(self, key: str) -> OrderResult:
        """Schedule the same run again, unless its history shows that this order was taken before."""
        transition = uuid5(ID_SPACE, f"prefect:{key}")
        made = await self.api.before_order(f"/flow_run_states/?flow_run_id={self._id}", HISTORY)
        if not isinstance(made, tuple):
            return made
        # The server itself recognizes a repeat only while nothing has happened to the run since.
        if any(state.state_details.transition_id == transition for state in made):
            return Accepted(run=self.run, said="it had taken the order before")
        found = await self._failed_run()
        if not isinstance(found, FlowRun):
            return found
        state: JsonObject = {
            "type": "SCHEDULED",
            "name": "AwaitingRetry",
            "message": "run again by Self-Healing Workflows",
            "state_details": {"transition_id": str(transition)},
        }
        proposal: JsonObject = {"state": state, "force": False}
        return transition_of(self.run, await self.api.send("POST", f"/flow_runs/{self._id}/set_state", proposal))

    async def run_anew(self, payload: Payload, key: str) -> OrderResult:
        """Create another run of the same deployment with the payload as its parameters."""
        found = await self._failed_run()
        if not isinstance(found, FlowRun):
            return found
        if found.deployment_id is None:
            return Rejected(reason="the run belongs to no deployment: nobody could run it with other parameters")
        parameters = _parameters(found.parameters, payload, self.described.parameter)
        if is_evaluated(parameters):
            return Rejected(reason=f"the failed run's parameters hold `{EVALUATED}`: they are never sent")
        wish: JsonObject = {"parameters": parameters, "idempotency_key": key, "labels": {"shw.heals": str(found.id)}}
        result = await self.api.send("POST", f"/deployments/{found.deployment_id}/create_flow_run", wish)
        return creation_of(self.run, result)

    async def state(self) -> RunState | LookFailed:
        """Query the state of the run."""
        result = await self.api.send("GET", f"/flow_runs/{self._id}")
        if isinstance(result, Answer) and result.status == HTTPStatus.NOT_FOUND:
            return RunState(phase=Phase.GONE, said="answered 404")
        found = parsed(result, FLOW_RUN)
        if found is None or not isinstance(result, Answer):
            return unseen(result)
        phase = phase_of(found, result)
        if phase is None:
            return LookFailed(reason="the look: Prefect names a state that is not known here")
        # No progress: tasks complete anew in each run, so their count is no evidence about the step that failed.
        return RunState(
            phase=phase,
            said=found.said,
            epoch=found.run_count,
            fence=str(found.run_count),
            waits_for=waits_for(found, phase),
            # Of one that runs, when it began to: Prefect tells no sign of life since.
            last_sign_of_life=None if phase is Phase.RUNNING else found.state.timestamp,
            at=server_time(result),
        )

    async def _failed_run(self) -> FlowRun | NotStarted:
        found = await self.api.before_order(f"/flow_runs/{self._id}", FLOW_RUN)
        if not isinstance(found, FlowRun):
            return found
        if found.is_cancelled:
            return Rejected(reason="the run was cancelled: it is not run again")
        if not found.has_failed:
            return Rejected(reason=f"the run is {found.said}: only a failed one is run again", conflict=True)
        if self.run.fence is not None and self.run.fence != str(found.run_count):
            return Rejected(reason=f"the run was started {found.run_count} times by now", conflict=True)
        if self.run.epoch is not None and self.run.epoch != found.run_count:
            reason = f"the run was started {found.run_count} times, and the failure is of time {self.run.epoch}"
            return Rejected(reason=reason, conflict=True)
        return found

    @property
    def _id(self) -> str:
        return str(_flow_run_id(self.run))


def _payload_fault(payload: Payload, described: PrefectRunner) -> str | None:
    if described.parameter is None and not isinstance(payload.document, dict):
        return "a flow's parameters are an object, and the payload is none: name its `parameter` in the catalog"
    if is_evaluated(payload.document):
        return f"the payload holds `{EVALUATED}`: the server would evaluate it, so it is never sent"
    return unfit_document(payload.document)


def _parameters(of_the_failed: Mapping[str, Json], payload: Payload, parameter: str | None) -> JsonObject:
    if parameter is not None:
        return {**of_the_failed, parameter: payload.document}
    return dict(payload.document) if isinstance(payload.document, dict) else {}


def _flow_run_id(run: RunRef) -> UUID | None:
    try:
        return UUID(run.run_id)
    except ValueError:
        return None
