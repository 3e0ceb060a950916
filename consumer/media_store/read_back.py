"""Reads an asset back as its users do: their URL, their caches, and no trick that they do not use.

A parameter that no cache has seen reaches the origin and proves what the origin has; what users get may still be the
old version for hours. So the proof is the plain URL. Only where that serves something else is the origin asked past the
caches, to tell a cache that is behind (it is looked at again when the cache says that it will ask) from a swap that
did not take.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import uuid4

from consumer.catalog import DeclaredMediaStore, KeyPointer, WorkflowPolicy
from consumer.media.verdict import MAX_BYTES
from consumer.media_store.answers import ABSENT, failure, is_ok
from consumer.media_store.contract import AssetRef, FetchedAsset, MediaFile, Served, StoreFailed
from consumer.media_store.keys import UnfitKey, asset_values, render_key, url_of
from consumer.model.call import Answer, CallResult, OutboundRequest, parsed_body
from consumer.outbound.calls import OutboundCalls
from consumer.runners.templates import UnfitValue, render_call

PAST_CACHES: Final = "shw-past-caches"
"""Query parameter whose value no cache has seen."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SECONDS: Final = re.compile(r"\d{1,9}")
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])(s-maxage|max-age)\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_HEAD_BYTES: Final = 64 * 1024
_HASHED_AT_ONCE: Final = 1024 * 1024
_LEAST_WAIT: Final = timedelta(seconds=5)
_MOST_WAIT: Final = timedelta(days=1)
_UNKNOWN_WAIT: Final = timedelta(minutes=1)


class AssetFetch:
    """Fetches the assets of one store."""

    def __init__(self, declared: DeclaredMediaStore, calls: OutboundCalls) -> None:
        self._declared = declared
        self._calls = calls
        self.max_bytes = MAX_BYTES

    def requests(self, asset: AssetRef) -> list[OutboundRequest]:
        """Return the calls that it would make, to be checked; raises UnfitKey."""
        purge = [self._purge_request(asset)] if self._declared.purge is not None else []
        return [_fetch(self.url(asset), asset), *purge]

    async def fetch(
        self, asset: AssetRef, file: MediaFile, policy: WorkflowPolicy, *, within: timedelta
    ) -> FetchedAsset:
        """Fetch an asset and compare it with the file that it should be."""
        limit = min(within, self._declared.timeout)
        url, wanted = self.url(asset), file.digest
        if isinstance(self._declared.pointer, KeyPointer) and self._declared.pointer.holds == "link":
            document = await self._calls.send(_fetch(url, asset), policy, within=limit, max_bytes=_HEAD_BYTES)
            if not isinstance(document, Answer) or not await _names(document, file.digest):
                return await self._not_new(url, asset, document, policy, is_new=_names, wanted=wanted, within=limit)
            url = self._object_url(file.digest)
        plain = await self._calls.send(_fetch(url, asset), policy, within=limit, max_bytes=self.max_bytes)
        if isinstance(plain, Answer) and await _is(plain, wanted):
            return FetchedAsset(served=Served.NEW, detail=_told(plain), content=plain.body, digest=wanted)
        return await self._not_new(url, asset, plain, policy, is_new=_is, wanted=wanted, within=limit)

    async def current(
        self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta, past: bool = False
    ) -> FetchedAsset:
        """Fetch what users get, by the document that names it where that is what stands at an asset's URL.

        With `past` a query that no cache has seen is asked for.
        """
        limit, ask = min(within, self._declared.timeout), _past_caches if past else _fetch
        found = await self._calls.send(ask(self.url(asset), asset), policy, within=limit, max_bytes=self.max_bytes)
        if isinstance(self._declared.pointer, KeyPointer) and self._declared.pointer.holds == "link":
            digest = digest_named(found)
            if digest is not None:
                request = ask(self._object_url(digest), asset)
                found = await self._calls.send(request, policy, within=limit, max_bytes=self.max_bytes)
        if isinstance(found, Answer) and found.status in ABSENT:
            return FetchedAsset(served=Served.ABSENT, detail=_told(found), fresh_in=fresh_in(found))
        if not isinstance(found, Answer) or not is_ok(found):
            return _unreachable(found)
        content = None if found.truncated else found.body
        return FetchedAsset(served=Served.OTHER, detail=_told(found), content=content, fresh_in=fresh_in(found))

    async def past_caches(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> FetchedAsset:
        """Fetch what users get, and what they will get once no cache is behind any more."""
        found = await self.current(asset, policy, within=within)
        if found.served is Served.UNREACHABLE:
            return found
        past = await self.current(asset, policy, within=within, past=True)
        if past.served is Served.UNREACHABLE:
            reason = f"past its caches {past.detail}"
            return replace(past, detail=reason)
        return await compared(found, past.content)

    async def _not_new(
        self,
        url: str,
        asset: AssetRef,
        plain: CallResult,
        policy: WorkflowPolicy,
        *,
        is_new: "_IsNew",
        wanted: str,
        within: timedelta,
    ) -> FetchedAsset:
        """Say why users do not get the file, with a fetch past the caches."""
        if not isinstance(plain, Answer):
            return _unreachable(plain)
        past = await self._calls.send(_past_caches(url, asset), policy, within=within, max_bytes=self.max_bytes)
        if isinstance(past, Answer) and await is_new(past, wanted):
            return stale(plain)
        if plain.status in ABSENT:
            return FetchedAsset(served=Served.ABSENT, detail=_told(plain))
        if not is_ok(plain):
            return _unreachable(plain)
        digest = None if plain.truncated else await digest_of(plain.body)
        content = None if plain.truncated else plain.body
        return FetchedAsset(served=Served.OTHER, detail=_told(plain), content=content, digest=digest)

    async def purge(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> StoreFailed | None:
        """Have caches forget an asset, where the catalog says how."""
        if self._declared.purge is None:
            return None
        try:
            request = self._purge_request(asset)
        except UnfitKey as unfit:
            return StoreFailed(reason=f"the purge: {unfit}", refused=True)
        limit = min(within, self._declared.timeout)
        result = await self._calls.send(request, policy, within=limit, max_bytes=_HEAD_BYTES)
        return None if is_ok(result) else failure(result)

    def _purge_request(self, asset: AssetRef) -> OutboundRequest:
        purge = self._declared.purge
        if purge is None:
            raise UnfitKey("no purge is declared")
        url = self.url(asset)
        path = "/" + url.partition("://")[2].partition("/")[2]
        try:
            values = asset_values(asset) | {"public.url": url, "public.path": path}
            return render_call(purge, purge.method, values, org_id=asset.org_id)
        except UnfitValue as unfit:
            raise UnfitKey(str(unfit)) from unfit

    def url(self, asset: AssetRef) -> str:
        """Return the URL at which users fetch an asset."""
        pointer = self._declared.pointer
        own = pointer.key if isinstance(pointer, KeyPointer) else ""
        return url_of(self._declared.public, render_key(self._declared.public_key or own, asset_values(asset)))

    def _object_url(self, digest: str) -> str:
        key = render_key(self._declared.public_object_key or self._declared.object_key, {"digest": digest})
        return url_of(self._declared.public, key)


_IsNew: TypeAlias = Callable[[Answer, str], Awaitable[bool]]


def _fetch(url: str, asset: AssetRef) -> OutboundRequest:
    return OutboundRequest(method="GET", url=url, org_id=asset.org_id, opaque=True)


def _past_caches(url: str, asset: AssetRef) -> OutboundRequest:
    return OutboundRequest(
        method="GET",
        url=f"{url}?{PAST_CACHES}={uuid4().hex}",
        headers=(("cache-control", "no-cache"),),
        org_id=asset.org_id,
        opaque=True,
    )


async def digest_of(content: bytes) -> str:
    """Return a file's SHA-256 in hex; a large one is hashed in a thread, which lets the event loop turn."""
    if len(content) <= _HASHED_AT_ONCE:
        return hashlib.sha256(content).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())


async def _is(answer: Answer, digest: str) -> bool:
    return is_ok(answer) and not answer.truncated and await digest_of(answer.body) == digest


def digest_named(result: CallResult) -> str | None:
    """Return the digest of the object that a document names, or None."""
    if not isinstance(result, Answer) or not is_ok(result) or result.truncated or len(result.body) > _HEAD_BYTES:
        return None
    document = parsed_body(result, None)
    digest = document.get("sha256") if isinstance(document, dict) else None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


async def _names(answer: Answer, digest: str) -> bool:
    """Return whether an answer is the document that names an object."""
    if not is_ok(answer):
        return False
    document = parsed_body(answer, None)
    return isinstance(document, dict) and document.get("sha256") == digest


def stale(plain: Answer) -> FetchedAsset:
    """Return that a cache is behind, and until when it says that it will be."""
    return FetchedAsset(served=Served.STALE, detail=f"a cache is behind: {_told(plain)}", fresh_in=fresh_in(plain))


async def compared(found: FetchedAsset, standing: bytes | StoreFailed | None) -> FetchedAsset:
    """Judge what users get by what stands behind the caches: only what is there past them lasts."""
    if isinstance(standing, StoreFailed):
        return replace(found, content=None, unseen=standing)
    if standing is None:
        said = f"only a cache has it: {found.detail}" if found.content is not None else found.detail
        return FetchedAsset(served=Served.ABSENT, detail=said)
    if found.content is not None and await digest_of(found.content) == await digest_of(standing):
        return found
    detail = f"a cache is behind: {found.detail}"
    return FetchedAsset(served=Served.STALE, detail=detail, content=standing, fresh_in=found.fresh_in)


def fresh_in(answer: Answer) -> timedelta:
    """Return after what time a cache has to ask its origin again, as its own headers say."""
    headers = answer.named_headers
    ages = {name.lower(): int(seconds) for name, seconds in _MAX_AGE.findall(headers.get("cache-control", ""))}
    kept = ages.get("s-maxage", ages.get("max-age"))
    if kept is None:
        return _UNKNOWN_WAIT
    age = headers.get("age", "0").strip()
    left = timedelta(seconds=kept - (int(age) if _SECONDS.fullmatch(age) else 0))
    return min(max(left, _LEAST_WAIT), _MOST_WAIT)


def _told(answer: Answer) -> str:
    headers = answer.named_headers
    age = headers.get("age", "").strip()
    parts = [f"answered {answer.status}", f"{len(answer.body)} bytes{' and more' if answer.truncated else ''}"]
    parts += [f"age {age} s"] if _SECONDS.fullmatch(age) else []
    return ", ".join(parts)


def _unreachable(result: CallResult) -> FetchedAsset:
    failed = failure(result)
    return FetchedAsset(
        served=Served.UNREACHABLE, detail=failed.reason, dependency_unhealthy=failed.dependency_unhealthy
    )
