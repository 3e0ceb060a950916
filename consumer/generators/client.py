"""What the clients of all wires share: the checks of an order, the price, and the one call that is never repeated."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.catalog.generators.common import ApiGenerator, GeneratorBase
from consumer.generators.answers import declined_by
from consumer.generators.content import media_type_of
from consumer.generators.contract import (
    AssetOrder,
    Declined,
    DeclineKind,
    JobSeen,
    JobUnseen,
    Made,
    MakeResult,
    NothingFound,
    Submitted,
)
from consumer.model import MicroAud
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest, requested_wait
from consumer.model.digest import digest
from consumer.model.http_status import is_unhealthy
from consumer.outbound.calls import OutboundCalls
from consumer.runners.places import dependency_of
from consumer.runners.templates import json_bytes

_LOCAL_FAILURE: Final = "PoolTimeout"
FETCH_AGAIN: Final = (0.5, 1.5)
"""Pauses in seconds: what was written a moment ago is not everywhere at once."""
_NOT_YET: Final = frozenset({404, 408, 425, 429})


class Client:
    """Base of a client: its declaration, and its calls."""

    def __init__(self, name: str, described: GeneratorBase, calls: OutboundCalls) -> None:
        self._name = name
        self._base = described
        self._calls = calls
        self._identity = digest(described.model_dump(mode="json", exclude={"price", "successors", "timeout", "can"}))

    @property
    def name(self) -> str:
        """Its name in the catalog."""
        return self._name

    @property
    def identity(self) -> str:
        """Digest of what makes its assets; price, limits and successors have no part in it."""
        return self._identity

    @property
    def is_keyed(self) -> bool:
        """Whether it makes what comes twice under one key once; no known wire does."""
        return False

    def most(self, order: AssetOrder) -> MicroAud | None:
        """Return the most that one call may cost."""
        most = self._base.most(len(order.prompt))
        return None if most is None else MicroAud(most)

    def longest_call(self) -> timedelta:
        """Return the timeout of one call."""
        return self._base.timeout

    async def send(
        self,
        request: OutboundRequest,
        policy: WorkflowPolicy,
        *,
        within: timedelta,
        effect: bool = False,
        opaque: bool = False,
    ) -> CallResult:
        """Make one call; only the call that makes something has an effect. `opaque`: the answer is the asset itself."""
        return await self._calls.send(
            replace(request, effect=effect, opaque=opaque),
            policy,
            within=min(within, self._base.timeout),
            max_bytes=self._base.response_bytes,
        )

    def egress_refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Return why the catalog does not allow a call, or None."""
        return self._calls.refusal(request, policy)

    def cost(
        self,
        order: AssetOrder,
        *,
        units: Decimal | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> MicroAud:
        """Return what a call did cost by what its answer tells, else by the list; what has no price is never called."""
        price = self._base.price
        if price is None:
            return MicroAud(0)
        return price.cost(len(order.prompt), units=units, input_tokens=input_tokens, output_tokens=output_tokens)

    async def fetch(
        self, url: str, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta, again: bool = True
    ) -> CallResult:
        """Fetch an asset from the address that an answer names, without any credential.

        It is paid by then: what is not to be had yet is asked for `again` before another one is made.
        """
        request = OutboundRequest(method="GET", url=url, headers=(("accept", "*/*"),), org_id=order.org_id)
        end = monotonic() + within.total_seconds()
        fetched = await self.send(request, policy, within=within, opaque=True)
        for pause in FETCH_AGAIN if again else ():
            left = end - monotonic() - pause
            if not may_come(fetched) or left <= 0:
                break
            await asyncio.sleep(pause)
            fetched = await self.send(request, policy, within=timedelta(seconds=left), opaque=True)
        return fetched


class ApiClient(Client):
    """Base of a client of a known wire, which makes an asset by one call."""

    provider = ""

    def __init__(self, name: str, described: ApiGenerator, calls: OutboundCalls) -> None:
        super().__init__(name, described, calls)
        self._api = described

    def dependency(self) -> str:
        """Return the origin of its API."""
        return dependency_of(self._api.api)

    def request(self, path: str, body: object | None, order: AssetOrder, method: str = "POST") -> OutboundRequest:
        """Build a call of its API."""
        content = None if body is None else json_bytes(body)
        headers = tuple(self._api.headers.items())
        if content is not None:
            headers = (("content-type", "application/json"), *headers)
        return OutboundRequest(
            method=method, url=self._api.api + path, headers=headers, body=content, org_id=order.org_id
        )

    async def look(self, job_id: str, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta) -> JobSeen:
        """Return that there are no jobs: it answers with the asset itself."""
        del job_id, order, policy, within
        return JobUnseen(reason=f"{self.name} makes no jobs")

    async def cancel(self, job_id: str, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta) -> str:
        """Return that there is nothing to cancel."""
        del job_id, order, policy, within
        return "nothing to take back"

    async def find(
        self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, since: datetime, within: timedelta
    ) -> Made | Submitted | NothingFound | JobUnseen:
        """Return that it keeps no history: whether a lost call made something, nobody can tell."""
        del order, policy, key, since, within
        return NothingFound(certain=False)


def no_asset(result: CallResult, provider: str) -> MakeResult:
    """Map the result of a call that brought no answer of success."""
    match result:
        case NotSent() | Ambiguous() | EgressRefused():
            return result
        case Answer():
            return declined_by(result, provider)


def may_come(fetched: CallResult) -> bool:
    """Return whether an asset that could not be fetched may be there a moment later."""
    match fetched:
        case Answer(status=status):
            return status in _NOT_YET or status >= 500  # noqa: PLR2004 - HTTP's own border
        case NotSent() | Ambiguous():
            return True
        case EgressRefused():
            return False


def empty(answer: Answer, cost: MicroAud, why: str) -> Declined:
    """Build the result of an answer of success without an asset: what it costs is paid."""
    return Declined(kind=DeclineKind.EMPTY, reason=f"answered {answer.status} {why}", cost=cost)


def media_of(answer: Answer) -> str | None:
    """Return the media type that an answer claims."""
    return media_type_of(answer.header("content-type"))


def unseen(result: CallResult, what: str) -> JobUnseen:
    """Map the result of a look that told nothing."""
    match result:
        case Answer(status=status):
            return JobUnseen(
                reason=f"{what}: answered {status}",
                dependency_unhealthy=is_unhealthy(status, result.named_headers),
                after=requested_wait(result),
            )
        case NotSent(kind=kind, reason=reason) | Ambiguous(kind=kind, reason=reason):
            return JobUnseen(reason=f"{what}: {reason}", dependency_unhealthy=kind != _LOCAL_FAILURE)
        case EgressRefused(reason=reason):
            return JobUnseen(reason=f"{what}: {reason}")
