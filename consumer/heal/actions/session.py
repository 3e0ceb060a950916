"""Session of one heal by a declared action: the values of its templates, its calls, and what came of them."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from consumer.catalog import ActionLook, DeclaredAction
from consumer.heal.calls.session import Calls
from consumer.heal.runs.session import REPORTING_MARGIN, RunTools
from consumer.heal.session import HealSession
from consumer.model import ActionName, Failure, Json, JsonObject
from consumer.model.call import Answer, CallResult, OutboundRequest
from consumer.runners.answers import json_of
from consumer.runners.contract import LookFailed, RunRef
from consumer.runners.places import dependency_of, run_values
from consumer.runners.templates import ABSENT, Values, header_value, render_call
from schemas.json_value import value_at

_MAX_BYTES = 1024 * 1024
_OK = range(200, 300)
_TOO_BUSY = frozenset({425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a look found at the declared place."""

    word: str | int | bool | None


@dataclass(slots=True, kw_only=True)
class ActionSession(HealSession):
    """State of one heal by a declared action."""

    name: ActionName
    action: DeclaredAction
    run: RunRef | None
    calls: Calls
    run_tools: RunTools
    key: str
    told: JsonObject = field(default_factory=dict)
    looks: list[Json] = field(default_factory=list)

    @property
    def details(self) -> JsonObject:
        """What was done and seen, for the attempt's details, redacted."""
        told: JsonObject = {"action": {"name": self.name.action, **self.told}}
        clean, _ = self.run_tools.redact(told | ({"looks": self.looks} if self.looks else {}))
        return clean if isinstance(clean, dict) else {}

    def call_time(self) -> timedelta:
        """Return the timeout of one call, which leaves time to report its outcome; raises as `within`."""
        return self.within(self.action.timeout, spare=REPORTING_MARGIN)

    async def look(self) -> Read | LookFailed:
        """Look at what the action changes."""
        request = look_request(self.action.read_back, self.run, self.task.failure)
        result = await self._send(request, effect=False)
        found = _read(result, self.action.read_back)
        noted: JsonObject = {"found": found.word} if isinstance(found, Read) else {"unseen": found.reason}
        if not self.looks or self.looks[-1] != noted:
            self.looks.append(noted)
        return found

    async def act(self, target: Json, before: Json) -> CallResult:
        """Make the call."""
        request = call_request(self.action, self.run, self.task.failure, self.key, target, before)
        return await self._send(request, effect=True)

    async def _send(self, request: OutboundRequest, *, effect: bool) -> CallResult:
        result = await self.calls.send(
            replace(request, effect=effect), self.policy, within=self.call_time(), max_bytes=_MAX_BYTES
        )
        is_ill = not isinstance(result, Answer) or result.status >= 500 or result.status in _TOO_BUSY  # noqa: PLR2004
        if (where := dependency_of(request.url)) in self.task.plan.intent.others:
            self.task.others[where] = not is_ill
        else:
            self.dependency_unhealthy = is_ill
        return result


def _read(result: CallResult, look: ActionLook) -> Read | LookFailed:
    if not isinstance(result, Answer):
        return LookFailed(reason=result.reason[:200])
    document = json_of(result) if result.status in _OK else ABSENT
    if document is ABSENT:
        return LookFailed(reason=f"answered {result.status}, and nothing that can be read")
    word = value_at(document, look.value, ABSENT)
    if word is None or isinstance(word, str | int | bool):
        return Read(word=word[:200] if isinstance(word, str) else word)
    return LookFailed(reason=f"at {look.value} of its answer stands no plain value")


def look_request(look: ActionLook, run: RunRef | None, failure: Failure) -> OutboundRequest:
    """Render the look; raises UnfitValue."""
    return render_call(look, look.method, _values(run, failure), org_id=failure.org_id)


def call_request(
    action: DeclaredAction, run: RunRef | None, failure: Failure, key: str, target: Json, before: Json
) -> OutboundRequest:
    """Render the call; raises UnfitValue."""
    call = action.call
    values = {**_values(run, failure), "key": key, "larger": target, "class": before}
    request = render_call(call, call.method, values, org_id=failure.org_id)
    if call.key_header is None:
        return request
    return replace(request, headers=(*request.headers, (call.key_header, header_value(call.key_header, key))))


def _values(run: RunRef | None, failure: Failure) -> Values:
    if run is not None:
        return run_values(run)
    return {"org_id": str(failure.org_id), "workflow_name": failure.workflow_name}
