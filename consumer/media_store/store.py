"""A media store: puts objects, looks at what an asset points at, and swaps that by compare-and-set.

A write that is never answered is looked at: what stands there then says whether it was done, and a file under its
digest is the same whoever wrote it. So none of this needs a key, and all of it may be done again.
"""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Final

from consumer.catalog import DeclaredMediaStore, KeyPointer, WorkflowPolicy
from consumer.media_store import places
from consumer.media_store.answers import ABSENT, CONFLICT, failure, is_ok, version_in
from consumer.media_store.called_pointer import CalledPointer
from consumer.media_store.conditions import ConditionProbe
from consumer.media_store.contract import (
    AssetRef,
    FetchedAsset,
    MediaFile,
    PointerState,
    Served,
    StoredObject,
    StoreFailed,
    StoreOrigins,
    SwapLost,
    Swapped,
)
from consumer.media_store.keys import UnfitKey, asset_values, render_key, url_of
from consumer.media_store.places import OnlyIf
from consumer.media_store.read_back import AssetFetch, compared, digest_named, digest_of
from consumer.model.call import Answer, CallResult, OutboundRequest, Permitted
from consumer.outbound.calls import OutboundCalls
from consumer.runners.places import dependency_of
from schemas.json_text import to_json

_HEAD_BYTES: Final = 64 * 1024
_NO_DIGEST: Final = "0" * 64
_EMPTY: Final = MediaFile(content=b"", digest=_NO_DIGEST, media_type="application/octet-stream")


class MediaStore:
    """One store, as the catalog declares it."""

    def __init__(self, declared: DeclaredMediaStore, calls: OutboundCalls) -> None:
        self._declared = declared
        self._calls = calls
        pointer = declared.pointer
        self._called = None if isinstance(pointer, KeyPointer) else CalledPointer(pointer, calls)
        self._read_back = AssetFetch(declared, calls)
        self._probe = ConditionProbe(declared, calls)

    def refusal(self, asset: AssetRef, policy: WorkflowPolicy) -> str | None:
        """Return why an asset cannot be stored (its id, a host or a secret that is not allowed), or None. Pure."""
        declared = self._declared
        if declared.organisations != "*" and asset.org_id not in declared.organisations:
            return "the media store is not for this organisation: list it under the store's `organisations`"
        try:
            requests = [
                places.put(
                    declared.place,
                    self._object_key(_NO_DIGEST),
                    _EMPTY,
                    asset.org_id,
                    only_if=OnlyIf(version=None),
                    cache_control="",
                ),
                places.head(declared.place, self._object_key(_NO_DIGEST), asset.org_id),
                *self._read_back.requests(asset),
            ]
            if self._called is not None:
                requests += self._called.requests(asset)
            else:
                key = self._pointer_key(asset)
                requests.append(places.head(declared.place, key, asset.org_id))
                requests.append(
                    places.put(
                        declared.place, key, _EMPTY, asset.org_id, only_if=OnlyIf(version='""'), cache_control=""
                    )
                )
        except UnfitKey as unfit:
            return f"the media store: {unfit}"
        refusals = (self._calls.refusal(request, policy) for request in requests)
        return next((reason for reason in refusals if reason is not None), None)

    def origins(self) -> StoreOrigins:
        """Return where it is called: all of them have to be healthy for it to work."""
        place, pointer = dependency_of(self._declared.place.base), self._declared.pointer
        return StoreOrigins(
            place=place,
            pointer=place if isinstance(pointer, KeyPointer) else dependency_of(pointer.look.url),
            public=dependency_of(self._declared.public),
        )

    def served_at(self, asset: AssetRef) -> str:
        """Return the URL at which users fetch an asset. Pure; asked only of one that is not refused."""
        return self._read_back.url(asset)

    async def served(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> FetchedAsset:
        """Fetch what users get at present, and compare it with what stands behind the caches."""
        if self._called is not None:
            return await self._read_back.past_caches(asset, policy, within=within)
        found = await self._read_back.current(asset, policy, within=within)
        if found.served is Served.UNREACHABLE:
            return found
        return await compared(found, await self._standing(asset, policy, within=within))

    async def check(
        self, asset: AssetRef, policy: WorkflowPolicy, permitted: Permitted, *, within: timedelta
    ) -> StoreFailed | None:
        """Return why nothing could be swapped there by compare-and-set, or None; puts a small object of its own."""
        return None if self._called is not None else await self._probe.check(asset, policy, permitted, within=within)

    async def put(
        self, file: MediaFile, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta
    ) -> StoredObject | StoreFailed:
        """Put an object under its digest, unless it stands there already; done again, it changes nothing."""
        key = self._object_key(file.digest)
        request = places.put(
            self._declared.place, key, file, asset.org_id, only_if=OnlyIf(version=None), cache_control=places.IMMUTABLE
        )
        result = await self._send(request, policy, within)
        if isinstance(result, Answer) and is_ok(result):
            # A pointer that holds the content proves itself; what only names an object must not name half of one.
            if self._holds_content or places.is_confirmed(result, file):
                return self._stored(file.digest)
            found = await self._existing(file, asset, policy, within=within)
            return found if isinstance(found, StoreFailed) else replace(found, existed=False)
        if isinstance(result, Answer) and result.status in CONFLICT:
            return await self._existing(file, asset, policy, within=within)
        return failure(result)

    async def fetch(
        self, digest: str, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> bytes | StoreFailed:
        """Fetch an object of an earlier generation; only the bytes of exactly this digest are returned."""
        request = places.get(self._declared.place, self._object_key(digest), asset.org_id)
        return await _of_digest(await self._send(request, policy, within, max_bytes), digest)

    async def look(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> PointerState | StoreFailed:
        """Look at what an asset points at; do so before a generation, and swap from that state."""
        if self._called is not None:
            return await self._called.look(asset, policy, within=self._limit(within))
        result = await self._send(
            places.head(self._declared.place, self._pointer_key(asset), asset.org_id), policy, within
        )
        if isinstance(result, Answer) and result.status in ABSENT:
            return PointerState(version=None)
        if not isinstance(result, Answer) or not is_ok(result):
            return failure(result)
        return version_in(result)

    async def swap(
        self,
        asset: AssetRef,
        stored: StoredObject,
        file: MediaFile,
        seen: PointerState,
        policy: WorkflowPolicy,
        *,
        within: timedelta,
    ) -> Swapped | SwapLost | StoreFailed:
        """Have an asset point at a stored object, if it is still in the state that was seen."""
        if self._called is not None:
            result = await self._called.swap(asset, stored, seen, policy, within=self._limit(within))
            done, conflict = self._called.is_done(result), self._called.is_conflict(result)
            wanted = file.digest
        else:
            pointer = self._pointer_file(stored, file)
            request = places.put(
                self._declared.place,
                self._pointer_key(asset),
                pointer,
                asset.org_id,
                only_if=OnlyIf(version=seen.version),
                cache_control=self._cache_control,
            )
            result = await self._send(request, policy, within)
            # S3 answers 404 where what was to be replaced is gone.
            done, conflict = is_ok(result), isinstance(result, Answer) and result.status in CONFLICT | ABSENT
            wanted = pointer.digest
        if done:
            return Swapped()
        failed = failure(result)
        if not conflict and not failed.in_doubt:
            return failed
        return await self._after_doubt(asset, seen, wanted, failed, policy, conflict=conflict, within=within)

    async def read_back(
        self, asset: AssetRef, file: MediaFile, policy: WorkflowPolicy, *, within: timedelta
    ) -> FetchedAsset:
        """Fetch an asset as its users do, and say whether they get the file."""
        fetched = await self._read_back.fetch(asset, file, policy, within=within)
        if self._called is not None or fetched.served not in (Served.OTHER, Served.ABSENT):
            return fetched
        # Some caches take no notice of a query: the place itself says whether the swap took.
        now = await self.look(asset, policy, within=within)
        if isinstance(now, StoreFailed) or now.version is None:
            return fetched
        now = now if now.digest is not None else await self._with_digest(asset, now, policy, within=within)
        wanted = self._pointer_file(self._stored(file.digest), file).digest
        if now.digest != wanted:
            return fetched
        return replace(fetched, served=Served.STALE, detail=f"a cache is behind: {fetched.detail}")

    async def purge(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> StoreFailed | None:
        """Have caches forget an asset, where the catalog says how; None where that was done, or is not declared."""
        return await self._read_back.purge(asset, policy, within=within)

    async def _standing(
        self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta
    ) -> bytes | StoreFailed | None:
        """Return what the place itself has of an asset: its bytes, or None for nothing that is whole."""
        most = self._read_back.max_bytes
        request = places.get(self._declared.place, self._pointer_key(asset), asset.org_id)
        result = await self._send(request, policy, within, most)
        if isinstance(result, Answer) and result.status in ABSENT:
            return None
        if not isinstance(result, Answer) or not is_ok(result):
            return failure(result)
        if self._holds_content:
            return None if result.truncated else result.body
        digest = digest_named(result)
        if digest is None:
            return None
        found = await self.fetch(digest, asset, policy, within=within, max_bytes=most)
        is_passing = isinstance(found, StoreFailed) and (found.in_doubt or found.dependency_unhealthy)
        return found if isinstance(found, bytes) or is_passing else None

    async def _existing(
        self, file: MediaFile, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta
    ) -> StoredObject | StoreFailed:
        """Prove that what stands under a digest is the file: a name is no proof.

        Where nothing stands there, another upload of it was under way (S3 answers 409 then) or has failed since.
        """
        request = places.get(self._declared.place, self._object_key(file.digest), asset.org_id)
        result = await self._send(request, policy, within, len(file.content) + 1)
        if isinstance(result, Answer) and result.status in ABSENT:
            return StoreFailed(reason="the store answered a conflict, and there is no object yet: put it again")
        found = await _of_digest(result, file.digest)
        return found if isinstance(found, StoreFailed) else self._stored(file.digest, existed=True)

    async def _after_doubt(
        self,
        asset: AssetRef,
        seen: PointerState,
        wanted: str,
        failed: StoreFailed,
        policy: WorkflowPolicy,
        *,
        conflict: bool,
        within: timedelta,
    ) -> Swapped | SwapLost | StoreFailed:
        now = await self.look(asset, policy, within=within)
        if isinstance(now, StoreFailed):
            return SwapLost(state=None) if conflict else failed
        if now.digest is None and self._called is None and now.version is not None:
            now = await self._with_digest(asset, now, policy, within=within)
        if now.digest == wanted:
            return Swapped(already=True)
        if now.version != seen.version:
            return SwapLost(state=now)
        # Nothing has changed: it was not done, or not yet, and the same condition holds for the next try.
        return StoreFailed(
            reason=failed.reason,
            in_doubt=not conflict,
            dependency_unhealthy=failed.dependency_unhealthy,
            after=failed.after,
        )

    async def _with_digest(
        self, asset: AssetRef, now: PointerState, policy: WorkflowPolicy, *, within: timedelta
    ) -> PointerState:
        request = places.get(self._declared.place, self._pointer_key(asset), asset.org_id)
        result = await self._send(request, policy, within, self._read_back.max_bytes)
        if not isinstance(result, Answer) or not is_ok(result) or result.truncated:
            return now
        return PointerState(version=now.version, digest=await digest_of(result.body))

    async def _send(
        self, request: OutboundRequest, policy: WorkflowPolicy, within: timedelta, max_bytes: int = _HEAD_BYTES
    ) -> CallResult:
        return await self._calls.send(request, policy, within=self._limit(within), max_bytes=max_bytes)

    def _limit(self, within: timedelta) -> timedelta:
        return min(within, self._declared.timeout)

    def _stored(self, digest: str, *, existed: bool = False) -> StoredObject:
        public = render_key(self._declared.public_object_key or self._declared.object_key, {"digest": digest})
        url = url_of(self._declared.public, public)
        return StoredObject(digest=digest, key=self._object_key(digest), url=url, existed=existed)

    def _object_key(self, digest: str) -> str:
        return render_key(self._declared.object_key, {"digest": digest})

    def _pointer_key(self, asset: AssetRef) -> str:
        pointer = self._declared.pointer
        return render_key(pointer.key, asset_values(asset)) if isinstance(pointer, KeyPointer) else ""

    @property
    def _holds_content(self) -> bool:
        pointer = self._declared.pointer
        return isinstance(pointer, KeyPointer) and pointer.holds == "content"

    @property
    def _cache_control(self) -> str:
        pointer = self._declared.pointer
        return pointer.cache_control if isinstance(pointer, KeyPointer) else ""

    def _pointer_file(self, stored: StoredObject, file: MediaFile) -> MediaFile:
        return file if self._holds_content else link_file(stored, file)


async def _of_digest(result: CallResult, digest: str) -> bytes | StoreFailed:
    """Return the bytes that were fetched, where they are exactly those of a digest."""
    if not isinstance(result, Answer) or not is_ok(result):
        return failure(result)
    if result.truncated or await digest_of(result.body) != digest:
        return StoreFailed(reason="the object under this digest is another one, or damaged", refused=True)
    return result.body


def link_file(stored: StoredObject, file: MediaFile) -> MediaFile:
    """Return the document that names an object: the same for the same object, whoever writes it."""
    document = to_json(
        {
            "sha256": file.digest,
            "key": stored.key,
            "url": stored.url,
            "media_type": file.media_type,
            "bytes": len(file.content),
        }
    )
    return MediaFile(content=document, digest=hashlib.sha256(document).hexdigest(), media_type="application/json")
