"""A pointer that another system keeps: asked, and changed, by the calls that the catalog describes."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import orjson

from consumer.catalog import CallPointer, WorkflowPolicy
from consumer.media_store.answers import failure, is_ok
from consumer.media_store.contract import AssetRef, PointerState, StoredObject, StoreFailed
from consumer.media_store.keys import UnfitKey, asset_values
from consumer.model import Json
from consumer.model.call import Answer, CallResult, EgressRefused, OutboundRequest
from consumer.outbound.calls import OutboundCalls
from consumer.runners.templates import ABSENT, Found, UnfitValue, render_call
from schemas.json_value import value_at

_ANSWER_BYTES: Final = 1024 * 1024
_DUMMY: Final = StoredObject(digest="0" * 64, key="sha256/0", url="https://example.com/0")
_DIGEST_LENGTH: Final = 64


class CalledPointer:
    """Looks and swaps as described."""

    def __init__(self, described: CallPointer, calls: OutboundCalls) -> None:
        self._described = described
        self._calls = calls

    def requests(self, asset: AssetRef) -> list[OutboundRequest]:
        """Return the calls that it would make, to be checked; raises UnfitKey."""
        return [self._look_request(asset), self._swap_request(asset, _DUMMY, PointerState(version="0"))]

    async def look(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> PointerState | StoreFailed:
        """Ask what the asset points at."""
        result = await self._calls.send(self._look_request(asset), policy, within=within, max_bytes=_ANSWER_BYTES)
        look = self._described.look
        if isinstance(result, Answer) and result.status in look.gone:
            return PointerState(version=None)
        if not isinstance(result, Answer) or not is_ok(result) or result.truncated:
            return failure(result)
        try:
            document: Json = orjson.loads(result.body)
        except orjson.JSONDecodeError:
            return StoreFailed(reason="the pointer's answer is no JSON")
        version = value_at(document, look.version, ABSENT)
        if isinstance(version, bool) or not isinstance(version, str | int):
            return StoreFailed(reason=f"there is no version at {look.version} of the pointer's answer", refused=True)
        named = ABSENT if look.digest is None else value_at(document, look.digest, ABSENT)
        return PointerState(version=str(version), digest=_digest_in(named))

    async def swap(
        self, asset: AssetRef, stored: StoredObject, seen: PointerState, policy: WorkflowPolicy, *, within: timedelta
    ) -> CallResult:
        """Have it point at another object, from the version that was seen."""
        try:
            request = self._swap_request(asset, stored, seen)
        except UnfitKey as unfit:
            return EgressRefused(reason=f"the pointer: {unfit}")
        return await self._calls.send(replace(request, effect=True), policy, within=within, max_bytes=_ANSWER_BYTES)

    def is_done(self, result: CallResult) -> bool:
        """Return whether an answer means that it was changed."""
        accepted = self._described.swap.accepted
        return isinstance(result, Answer) and (result.status in accepted if accepted else is_ok(result))

    def is_conflict(self, result: CallResult) -> bool:
        """Return whether an answer means that it has another version by now."""
        return isinstance(result, Answer) and result.status in self._described.swap.conflict

    def _look_request(self, asset: AssetRef) -> OutboundRequest:
        values: dict[str, Found] = dict(asset_values(asset))
        try:
            return render_call(self._described.look, "GET", values, org_id=asset.org_id)
        except UnfitValue as unfit:
            raise UnfitKey(str(unfit)) from unfit

    def _swap_request(self, asset: AssetRef, stored: StoredObject, seen: PointerState) -> OutboundRequest:
        values: dict[str, Found] = dict(asset_values(asset))
        values |= {"object.url": stored.url, "object.key": stored.key, "digest": stored.digest}
        values["version"] = ABSENT if seen.version is None else seen.version
        try:
            return render_call(self._described.swap, self._described.swap.method, values, org_id=asset.org_id)
        except UnfitValue as unfit:
            raise UnfitKey(str(unfit)) from unfit


def _digest_in(named: Found) -> str | None:
    """Return the digest that a value is or ends with: a digest itself, a key, a URL."""
    if not isinstance(named, str):
        return None
    last = named.rpartition("/")[2].partition("?")[0].removeprefix("sha256:")
    is_digest = len(last) == _DIGEST_LENGTH and all(character in "0123456789abcdef" for character in last)
    return last if is_digest else None
