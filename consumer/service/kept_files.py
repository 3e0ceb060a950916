"""Reads the files that heals have made, to show them: by the catalog in force, through the egress guard, bounded."""

import asyncio
from datetime import timedelta
from typing import Final

from consumer.api.assets import ProvenFile
from consumer.catalog import Catalogs, WorkflowPolicy
from consumer.media_store.configured import CurrentMediaStores
from consumer.media_store.contract import AssetRef
from consumer.media_store.read_back import digest_of
from consumer.media_store.store import MediaStore
from consumer.outbound.calls import OutboundCalls

MAX_SHOWN_BYTES: Final = 16 * 1024 * 1024
READ_WITHIN: Final = timedelta(seconds=10)


class KeptFiles:
    """The files in the stores of this deployment."""

    def __init__(self, catalogs: Catalogs, calls: OutboundCalls, *, within: timedelta = READ_WITHIN) -> None:
        self._catalogs = catalogs
        self._stores = CurrentMediaStores(catalogs, calls)
        self._within = within

    async def read(self, file: ProvenFile) -> bytes | None:
        """Return exactly this file; None where it is gone, too large, too slow, or the catalog does not allow it."""
        policy = self._catalogs.current.policy(file.workflow_name)
        store = self._stores.of(policy) if policy is not None else None
        ref = AssetRef(org_id=file.org_id, workflow_name=file.workflow_name, asset_id=file.asset_id)
        if policy is None or store is None or store.refusal(ref, policy) is not None:
            return None
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                return await self._of_digest(store, ref, policy, file.digest)
        except TimeoutError:
            return None

    async def _of_digest(self, store: MediaStore, ref: AssetRef, policy: WorkflowPolicy, digest: str) -> bytes | None:
        found = await store.fetch(digest, ref, policy, within=self._within, max_bytes=MAX_SHOWN_BYTES)
        if isinstance(found, bytes):
            return found
        if found.in_doubt or found.dependency_unhealthy:
            return None
        # What others have put right stands at its address, and not under its digest.
        served = await store.served(ref, policy, within=self._within)
        content = served.content
        if content is None or len(content) > MAX_SHOWN_BYTES or await digest_of(content) != digest:
            return None
        return content
