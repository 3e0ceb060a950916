"""Session of one heal of billing: its account and wire, its calls to both sides, and how far it has come."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Literal, TypeAlias

import orjson

from consumer.catalog.billing import BillingAccount
from consumer.heal.billing_sync.book import BillingBook
from consumer.heal.billing_sync.money import exact_json
from consumer.heal.billing_sync.state import SyncState
from consumer.heal.billing_sync.wire import Wire
from consumer.heal.calls.asked_wait import asked_wait
from consumer.heal.calls.backoff import jitter
from consumer.heal.calls.request import origin
from consumer.heal.calls.session import CallTools
from consumer.heal.calls.status_verdict import signals_unhealthy, throttled
from consumer.heal.gate import run_permitted
from consumer.heal.kept import SUSPEND_ABOVE
from consumer.heal.session import HealSession
from consumer.model import Json, JsonObject, OrgId
from consumer.model.billing_event import EventMark
from consumer.model.call import Answer, CallResult, EgressRefused, OutboundRequest
from consumer.model.http_status import passing

Side: TypeAlias = Literal["processor", "platform"]
TRIES: Final = 4
LEAVE_BEFORE: Final = timedelta(seconds=15)
"""Time at the end of a window in which nothing new begins: the heal is suspended, and goes on under another one."""
COME_BACK: Final = timedelta(seconds=30)
"""After which a side that fails without a word of when is asked again."""
REFUSES: Final = frozenset({401, 403})
"""Statuses by which a side refuses our credential, whatever is asked for."""
_GOOD: Final = range(200, 300)


class CannotGoOn(Exception):
    """A side does not answer as it should: nothing more can be done now."""

    def __init__(
        self, side: Side, why: str, *, after: timedelta | None, unhealthy: bool = False, of_one: bool = False
    ) -> None:
        super().__init__(f"the {side} {why}")
        self.side = side
        self.after = after
        """When to go on; None: it would be the same again."""
        self.unhealthy = unhealthy
        self.of_one = of_one
        """Whether it may be so of the one thing that was asked for alone, and other things are answered."""


class WindowOver(Exception):
    """The heal has to go on under another window."""


@dataclass(slots=True, kw_only=True)
class BillingSession(HealSession):
    """State of one heal of a billing account."""

    tools: CallTools
    name: str
    """The account's name in the catalog."""
    account: BillingAccount
    wire: Wire
    book: BillingBook
    state: SyncState
    has_kept: bool = False
    """Whether its state is on the claim."""
    told: JsonObject | None = None
    """The report, once there is one."""

    @property
    def org_id(self) -> OrgId:
        """The organisation."""
        return self.task.failure.org_id

    @property
    def details(self) -> JsonObject:
        """The report, for the attempt's details, redacted."""
        clean, _ = self.tools.redact({"billing": self.told or {"account": self.name}})
        return clean if isinstance(clean, dict) else {}

    async def keep(self, **changes: int | bool | None) -> None:
        """Go to another state, and make that durable."""
        self.state = self.state.model_copy(update=changes)
        await self.gate.keep(self.state)
        self.has_kept = True

    def stay_in_window(self) -> None:
        """Raise WindowOver where too little of the window is left to begin anything."""
        if self.gate.remaining() <= LEAVE_BEFORE:
            raise WindowOver

    async def marks(self) -> tuple[EventMark, ...]:
        """Return what this attempt has made of events so far."""
        return tuple(await self.book.of_attempt(self.org_id, self.name, self.task.attempt_id))

    async def read(self, side: Side, call: OutboundRequest) -> Json:
        """Read a document; raises CannotGoOn."""
        return self.parsed(side, await self.good_answer(side, call))

    async def read_exact(self, side: Side, call: OutboundRequest) -> Any:  # noqa: ANN401 - JSON with exact decimals
        """Read a document with its decimals as they are written; raises CannotGoOn."""
        return self._parsed(side, await self.good_answer(side, call), exact_json)

    async def good_answer(self, side: Side, call: OutboundRequest) -> Answer:
        """Make a call without effect that has to be answered well; raises CannotGoOn."""
        answer = await self.ask(side, call)
        if answer.status not in _GOOD:
            why = "refuses our credential" if answer.status in REFUSES else "does not take what it is asked"
            raise CannotGoOn(side, f"{why}: it answered {answer.status}", after=None)
        return answer

    async def ask(self, side: Side, call: OutboundRequest) -> Answer:
        """Make a call without effect, again while it fails in a way that passes; raises CannotGoOn."""
        for n in range(1, TRIES + 1):
            result = await self._send(side, call)
            if (answer := _final(side, result)) is not None:
                return answer
            await self.wait_after(side, result, n)
        raise AssertionError("the last try raises")

    async def act(self, side: Side, call: OutboundRequest) -> CallResult:
        """Make a keyed call through the gate, once."""
        return await run_permitted(self.gate, partial(self._send, side, replace(call, effect=True)))

    async def wait_after(self, side: Side, result: CallResult, n: int) -> None:
        """Wait after the n-th failed try in a row; raises CannotGoOn after the last, or where a long wait is asked."""
        said = f"answered {result.status}" if isinstance(result, Answer) else f"does not answer: {result.reason}"
        asked = asked_wait(result, self.tools.now()) if isinstance(result, Answer) else None
        unhealthy = signals_unhealthy(result, self.account.timeout)
        limits = self.policy.auto_retry
        wait = jitter(limits, n, throttled=throttled(result), random=self.tools.random)
        wait = max(wait, asked or wait)
        if n == TRIES or wait > SUSPEND_ABOVE or wait + LEAVE_BEFORE >= self.gate.remaining():
            of_one = isinstance(result, Answer) and result.status == HTTPStatus.INTERNAL_SERVER_ERROR
            raise CannotGoOn(side, said, after=max(asked or COME_BACK, wait), unhealthy=unhealthy, of_one=of_one)
        await self.sleep(wait)

    async def _send(self, side: Side, call: OutboundRequest) -> CallResult:
        self.tools.budget.called(self.task.failure)
        within = self.within(self.account.timeout)
        call = replace(call, org_id=self.org_id)
        result = await self.tools.calls.send(call, self.policy, within=within, max_bytes=self.account.response_bytes)
        if side == "processor":
            self.dependency_unhealthy = signals_unhealthy(result, within)
        elif not isinstance(result, EgressRefused) and (where := origin(call.url)) in self.task.plan.intent.others:
            self.task.others[where] = not signals_unhealthy(result, within)
        return result

    def parsed(self, side: Side, answer: Answer) -> Json:
        """Return the document of a good answer; raises CannotGoOn."""
        if answer.status not in _GOOD:
            raise CannotGoOn(side, f"answered {answer.status}", after=None, of_one=answer.status not in REFUSES)
        read: Json = self._parsed(side, answer, orjson.loads)
        return read

    def _parsed(self, side: Side, answer: Answer, parse: Any) -> Any:  # noqa: ANN401 - JSON is anything
        if answer.truncated:
            limit = self.account.response_bytes
            raise CannotGoOn(side, f"answers more than {limit} bytes: raise response_bytes", after=None, of_one=True)
        try:
            return parse(answer.body)
        except (ValueError, RecursionError) as error:
            raise CannotGoOn(side, "answered what is no JSON", after=COME_BACK, of_one=True) from error


def _final(side: Side, result: CallResult) -> Answer | None:
    """Return an answer that will not be another one soon; None where the call may be made again."""
    if isinstance(result, EgressRefused):
        raise CannotGoOn(side, f"may not be called: {result.reason}", after=None)
    if isinstance(result, Answer) and passing(result.status, result.named_headers) is None:
        return result
    return None
