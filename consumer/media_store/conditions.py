"""Finds out whether a place heeds the conditions of a write: without them two heals could both win one asset.

A small object of our own is put where nothing may stand, and over a version that never was: a place that compares
refuses both. Whatever it answers, under the object's digest stands the same as before. One condition of the two is not
enough: the first pointer of an asset needs `If-None-Match`, each later one `If-Match`.
"""

import hashlib
from datetime import timedelta
from functools import partial
from typing import Final

from consumer.catalog import DeclaredMediaStore, WorkflowPolicy
from consumer.media_store import places
from consumer.media_store.answers import ABSENT, CONFLICT, failure, is_ok
from consumer.media_store.contract import AssetRef, MediaFile, StoreFailed
from consumer.media_store.keys import render_key
from consumer.media_store.places import OnlyIf
from consumer.model.call import Answer, CallResult, OutboundRequest, Permitted
from consumer.outbound.calls import OutboundCalls

_TEXT: Final = b"Put to see whether this place heeds If-None-Match and If-Match. It may stay.\n"
_PROBE: Final = MediaFile(content=_TEXT, digest=hashlib.sha256(_TEXT).hexdigest(), media_type="text/plain")
_NOTHING: Final = OnlyIf(version=None)
_NEVER_WAS: Final = OnlyIf(version='"00000000000000000000000000000000"')
_UNKNOWN: Final = frozenset({400, 405, 501})
"""Of places that know no conditions, and say so."""
_ANSWER_BYTES: Final = 64 * 1024


class ConditionProbe:
    """Asks one place, until it has answered."""

    def __init__(self, declared: DeclaredMediaStore, calls: OutboundCalls) -> None:
        self._declared = declared
        self._calls = calls
        self._heeds = False

    async def check(
        self, asset: AssetRef, policy: WorkflowPolicy, permitted: Permitted, *, within: timedelta
    ) -> StoreFailed | None:
        """Return why the place cannot compare and set, or None; one that has shown that it can is not asked again."""
        if self._heeds:
            return None
        requests = {one: self._request(one, asset) for one in (_NOTHING, _NEVER_WAS)}
        limit = min(within, self._declared.timeout)

        async def put(condition: OnlyIf) -> CallResult:
            send = partial(self._calls.send, requests[condition], policy, within=limit, max_bytes=_ANSWER_BYTES)
            return await permitted(send)

        first = await put(_NOTHING)
        second = await put(_NOTHING) if is_ok(first) else first
        if (failed := _refusal(second, _NOTHING)) is not None:
            return failed
        if (failed := _refusal(await put(_NEVER_WAS), _NEVER_WAS)) is not None:
            return failed
        self._heeds = True
        return None

    def _request(self, condition: OnlyIf, asset: AssetRef) -> OutboundRequest:
        key = render_key(self._declared.object_key, {"digest": _PROBE.digest})
        return places.put(
            self._declared.place, key, _PROBE, asset.org_id, only_if=condition, cache_control=places.IMMUTABLE
        )


def _refusal(answered: CallResult, condition: OnlyIf) -> StoreFailed | None:
    status = answered.status if isinstance(answered, Answer) else None
    if status in CONFLICT or (status in ABSENT and condition is _NEVER_WAS):
        return None
    header = "If-None-Match" if condition is _NOTHING else "If-Match"
    if is_ok(answered) or status in _UNKNOWN:
        said = f"the store answered {status} to a PUT whose {header} did not hold"
        return StoreFailed(
            reason=f"{said}: two heals could both change one asset; use a place that compares and sets, or a pointer "
            "of `kind: call`",
            refused=True,
        )
    return failure(answered)
