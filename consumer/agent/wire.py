"""The wire to a model: the one place where a call leaves, reserved before, bounded in the request, settled after.

The library's client is given this as its transport, so that nothing it does by itself (a retry, a second request, a
count of tokens) goes around the ledger: what is not a plain call of `/chat/completions` is not sent at all.

What a call may cost is reserved in the token budgets and bounded by what is left of the heal's own hold. The request's
limit of output is set to what was granted. Settled is what the answer tells. An answer that never came, that is broken,
or that tells nothing of its use may be charged: its reservation stays for good, and counts as spent. Only a call of
which not one byte left, and one that the provider refused before it began, gives its reservation back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import httpx2
import orjson

from consumer.catalog import AgentModel, WorkflowPolicy
from consumer.model import AttemptId, FailureId, MicroAud, OrgId
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest, Permitted
from consumer.model.token_budget import Grant, ModelCall, TokenLimits, TokensGranted, TokensShort, TokenUse
from consumer.outbound.calls import OutboundCalls

LEAST_REPLY: Final = 256
"""Tokens below which a reply is not asked for: it would be cut off, and paid."""
_ANSWER_BYTES: Final = 4 * 1024 * 1024
_REQUEST_BYTES: Final = 1024 * 1024
_NOT_CHARGED: Final = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429})
"""Statuses with which a provider refuses a request before its model has seen it."""
_SECOND: Final = timedelta(seconds=1)


class AgentStopped(Exception):
    """No further call of a model is made in this run; the message says why."""


class OutOfTokens(AgentStopped):
    """A budget has no room for another call."""


class TokenLedger(Protocol):
    """The token budgets, shared by all replicas; `consumer/store/agent_budget.py` is one."""

    async def reserve(
        self, call: ModelCall, limits: TokenLimits, *, input_tokens: int, output_tokens: int, least_output: int
    ) -> Grant:
        """Reserve a call in all its budgets, or in none."""
        ...

    async def settle(self, call_id: UUID, use: TokenUse) -> None:
        """Settle a call by what it has used."""
        ...

    async def used_by(self, attempt_id: AttemptId) -> TokenUse:
        """Return what the calls of one heal have used, known or not."""
        ...


@dataclass(slots=True, kw_only=True)
class Spending:
    """On whose behalf calls are made, what they may cost, and what they have cost."""

    model: AgentModel
    policy: WorkflowPolicy
    calls: OutboundCalls
    ledger: TokenLedger
    permitted: Permitted
    charge: Callable[[MicroAud], None]
    remaining: Callable[[], timedelta]
    attempt_id: AttemptId
    failure_id: FailureId
    org_id: OrgId
    workflow_name: str
    hold: MicroAud
    """The credits that are held for the heal: its calls never cost more."""
    purpose: str = "rewrite"
    used: TokenUse = field(default_factory=TokenUse)
    """What its calls have used, with what is reserved for those that never came."""
    sent: int = 0
    stopped: Exception | None = None
    """Why no further call is made: the library wraps what a transport raises."""

    def count(self, use: TokenUse) -> None:
        """Count tokens as used, and charge what they add to the cost."""
        before = self.cost
        self.used = TokenUse(input=self.used.input + use.input, output=self.used.output + use.output)
        self.charge(MicroAud(self.cost - before))

    @property
    def cost(self) -> MicroAud:
        """What is used costs so much."""
        return self.model.token_price.cost(self.used)

    @property
    def left(self) -> int:
        """What is left of the hold."""
        return self.hold - self.cost

    def call(self) -> ModelCall:
        """Return another call."""
        return ModelCall(
            id=uuid4(),
            attempt_id=self.attempt_id,
            failure_id=self.failure_id,
            org_id=self.org_id,
            workflow_name=self.workflow_name,
            purpose=self.purpose,
        )


class BudgetedTransport(httpx2.AsyncBaseTransport):
    """Transport of the library's HTTP client that reserves, sends by the guarded client, and settles."""

    def __init__(self, spending: Spending) -> None:
        self._spending = spending

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Make one call of the model."""
        spending = self._spending
        if spending.stopped is not None:
            raise spending.stopped
        try:
            return await self._call(request)
        except httpx2.TransportError:
            raise
        except Exception as error:
            spending.stopped = error
            raise

    async def _call(self, request: httpx2.Request) -> httpx2.Response:
        spending, model = self._spending, self._spending.model
        body = _plain_call(request, await request.aread())
        call = spending.call()
        input_tokens, output = await self._reserve(call, body)
        body[model.limit_name] = output
        reserved = TokenUse(input=input_tokens, output=output)
        result, left = None, False

        async def send() -> CallResult:
            nonlocal left
            left = True
            outbound = _request_of(model, body, spending.org_id)
            within = min(model.timeout, spending.remaining())
            sent = await spending.calls.send(outbound, spending.policy, within=within, max_bytes=_ANSWER_BYTES)
            left = not isinstance(sent, NotSent | EgressRefused)
            return sent

        try:
            result = await spending.permitted(send)
        finally:
            # Whatever ends it here, a cancellation too: what may have left is charged whole.
            if result is None and left:
                spending.count(reserved)
            elif result is None:
                await spending.ledger.settle(call.id, TokenUse())
        spending.sent += 1
        use = _use_of(result)
        if use is not None:
            spending.count(use)
            await spending.ledger.settle(call.id, use)
        else:
            spending.count(reserved)
        return _response_of(result, request)

    async def _reserve(self, call: ModelCall, body: dict[str, Any]) -> tuple[int, int]:
        spending, model = self._spending, self._spending.model
        # With the limit in it, as long as it can become.
        length = len(orjson.dumps({**body, model.limit_name: model.reply}))
        input_tokens = math.ceil(length / model.bytes_per_token)
        affordable = model.token_price.affordable(input_tokens, spending.left)
        wanted = model.reply if affordable is None else min(model.reply, affordable)
        least = min(LEAST_REPLY, model.reply)
        if wanted < least:
            raise OutOfTokens(f"what is held for this heal ({spending.hold} micro-AUD) pays no further call")
        grant = await spending.ledger.reserve(
            call, model.token_limits, input_tokens=input_tokens, output_tokens=wanted, least_output=least
        )
        match grant:
            case TokensShort(scope=scope, left=left):
                raise OutOfTokens(f"its budget by {scope} has {left} tokens left, fewer than a call may take")
            case TokensGranted(output=output):
                return input_tokens, output


def _plain_call(request: httpx2.Request, content: bytes) -> dict[str, Any]:
    """Return the body of a call of `/chat/completions`; raises AgentStopped for whatever else a client might send."""
    if request.method != "POST" or not request.url.path.endswith("/chat/completions"):
        raise AgentStopped(f"not a plain call of the model: {request.method} {request.url.path}")
    if len(content) > _REQUEST_BYTES:
        raise AgentStopped(f"a request of {len(content)} bytes, more than {_REQUEST_BYTES}")
    body: dict[str, Any] = orjson.loads(content)
    for name in ("max_tokens", "max_completion_tokens"):
        body.pop(name, None)
    if body.get("stream") or body.get("n", 1) != 1 or body.get("best_of", 1) != 1:
        raise AgentStopped("a call of several answers, or of a stream, cannot be bounded")
    return body


def _request_of(model: AgentModel, body: dict[str, Any], org_id: OrgId) -> OutboundRequest:
    """Build the request; of what the client wrote nothing but the body is sent."""
    return OutboundRequest(
        method="POST",
        url=f"{model.api}/chat/completions",
        headers=(("content-type", "application/json"), ("accept", "application/json"), *model.headers.items()),
        body=orjson.dumps(body),
        org_id=org_id,
        effect=True,
    )


def _use_of(result: CallResult) -> TokenUse | None:
    """Return what a call has used; None where nobody knows."""
    match result:
        case NotSent() | EgressRefused():
            return TokenUse()
        case Answer(status=status) if status in _NOT_CHARGED:
            return TokenUse()
        case Answer(body=body, truncated=False) if result.status // 100 == 2:  # noqa: PLR2004 - any success
            told = _usage_in(body)
            # An answer that claims to have used nothing has used its input at least: no provider reads for nothing.
            return told if told is not None and told.total > 0 else None
        case _:
            return None


def _usage_in(body: bytes) -> TokenUse | None:
    try:
        usage = orjson.loads(body)["usage"]
        counts = usage["prompt_tokens"], usage["completion_tokens"]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= 1 << 40 for one in counts):
        return None
    return TokenUse(input=counts[0], output=counts[1])


def _response_of(result: CallResult, request: httpx2.Request) -> httpx2.Response:
    match result:
        case Answer(status=status, body=body):
            headers = {"content-type": result.header("content-type") or "application/json"}
            return httpx2.Response(status, headers=headers, content=body, request=request)
        case NotSent(kind=kind, reason=reason):
            raise httpx2.ConnectError(f"{kind}: {reason}", request=request)
        case Ambiguous(kind=kind, reason=reason):
            raise httpx2.ReadError(f"{kind}: {reason}", request=request)
        case EgressRefused(reason=reason):
            raise AgentStopped(reason)
