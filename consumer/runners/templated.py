"""Runner for an engine behind HTTP: sends orders and looks as the catalog's call templates describe them.

What an answer to a look says is for the kind of engine to read.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, assert_never

from consumer.catalog import LookCall, OrderCall, TemplatedRunner, WorkflowPolicy
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import accepted_run, is_accepted, not_accepted
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
from consumer.runners.places import dependency_of, organisation, run_values
from consumer.runners.templates import ABSENT, UnfitValue, Values, header_value, render_call
from schemas.names import Effect

_DUMMY_FENCE: Final = "fence"
"""Placeholder for the fence of the look before the order, where an order is only checked, not sent."""
_DUMMY_KEY: Final = "00000000-0000-0000-0000-000000000000"
"""Placeholder for the idempotency key where an order is only checked, not sent."""


class TemplatedEngine(ABC):
    """Sends orders and looks as described; refuses an order that is not described, or whose payload has no place."""

    def __init__(self, described: TemplatedRunner, calls: EngineCalls) -> None:
        self._described = described
        self._calls = calls

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        """Return why this order, or the look that has to prove it, cannot be sent, or None."""
        planned = replace(order, run=replace(order.run, fence=order.run.fence or _DUMMY_FENCE))
        try:
            calls = (self._order_request(planned, _DUMMY_KEY), self._look_request(order.run))
        except UnfitValue as unfit:
            return f"the runner: {unfit}"
        refusals = (self._calls.refusal(call, policy) for call in calls)
        return next((reason for reason in refusals if reason is not None), None)

    def effect(self, order: Order) -> Effect:
        """Return the effect class of the order: what sending it twice would do; unsafe where it is not described."""
        call = self._call(order)
        return Effect.UNSAFE if call is None else call.effect

    def dependency(self) -> str:
        """Return the one origin that all its calls go to."""
        return dependency_of(self._described.look.url)

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Send the order by one call."""
        call = self._call(order)
        try:
            request = self._order_request(order, key)
        except UnfitValue as unfit:
            return EgressRefused(reason=f"the runner: {unfit}")
        result = await self._calls.send(
            replace(request, effect=True),
            policy,
            within=min(within, self._described.timeout),
            max_bytes=self._described.response_bytes,
        )
        match result:
            case NotSent() | Ambiguous() | EgressRefused():
                return result
            case Answer() if call is not None and is_accepted(result.status, call.accepted):
                return accepted_run(order.run, result, call)
            case Answer():
                return not_accepted(result, self.effect(order))
            case _:
                assert_never(result)

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the state of a run, by one call without effect."""
        result = await self.query(run, policy, within=within)
        return result if isinstance(result, LookFailed) else self.state_in(result, run)

    async def query(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> CallResult | LookFailed:
        """Send the look as it is described."""
        try:
            request = self._look_request(run)
        except UnfitValue as unfit:
            return LookFailed(reason=f"the look: {unfit}")
        return await self.send_look(request, policy, within=within)

    async def send_look(self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta) -> CallResult:
        """Send a call without effect, within the limits of the runner."""
        limits = self._described
        return await self._calls.send(
            request, policy, within=min(within, limits.timeout), max_bytes=limits.response_bytes
        )

    @abstractmethod
    def state_in(self, result: CallResult, run: RunRef) -> RunState | LookFailed:
        """Read the run's state from what came of the look. Pure."""

    def _call(self, order: Order) -> OrderCall | None:
        if isinstance(order, RerunStep) and order.payload is not None and self._described.rerun_changed is not None:
            return self._described.rerun_changed
        return self._described.orders.get(_NAMES[type(order)])

    def _order_request(self, order: Order, key: str) -> OutboundRequest:
        call = self._call(order)
        if call is None:
            raise UnfitValue(f"it has no `{_NAMES[type(order)]}` in the catalog")
        if isinstance(order, RerunStep) and order.payload is not None and "payload" not in call.used:
            raise UnfitValue("its `rerun_step` has no place for a payload: the step would run with its old input again")
        request = render_call(call, call.method, _values(order, key), org_id=organisation(order.run))
        if call.key_header is None:
            return request
        headers = (*request.headers, (call.key_header, header_value(call.key_header, key)))
        return OutboundRequest(
            method=request.method, url=request.url, headers=headers, body=request.body, org_id=request.org_id
        )

    def _look_request(self, run: RunRef) -> OutboundRequest:
        look = self._described.look
        method = look.method if isinstance(look, LookCall) else "GET"
        return render_call(look, method, run_values(run), org_id=organisation(run))


_NAMES: Final[Mapping[type[Order], str]] = {
    RerunStep: "rerun_step",
    ResumeRun: "resume_run",
    ReplaceDefinition: "replace_definition",
    StartRun: "start_run",
    Terminate: "terminate",
    MoveToQueue: "move_to_queue",
    SkipStep: "skip_step",
    RemapStep: "remap_step",
}


def _values(order: Order, key: str) -> Values:
    values = run_values(order.run) | {"key": key, "run.fence": ABSENT if order.run.fence is None else order.run.fence}
    match order:
        case RerunStep(payload=payload, latest=latest):
            return values | {"payload": ABSENT if payload is None else payload.document, "latest": latest or ABSENT}
        case ReplaceDefinition(definition=definition, replaces=replaces):
            return values | {"definition": definition, "definition.replaces": ABSENT if replaces is None else replaces}
        case StartRun(definition=definition, replaces=replaces, given=given):
            return values | {"definition": definition, "definition.replaces": replaces, "input": given}
        case MoveToQueue(queue=queue):
            return values | {"queue": queue}
        case RemapStep(to=to):
            return values | {"to": to}
        case ResumeRun() | Terminate() | SkipStep():
            return values
        case _:
            assert_never(order)
