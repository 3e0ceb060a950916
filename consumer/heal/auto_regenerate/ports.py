"""What auto-regenerate needs of others: the judge of bytes, the place of assets, and the memory of earlier ones."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

from consumer.catalog import WorkflowPolicy
from consumer.media.verdict import MediaExpectation, MediaVerdict
from consumer.media_store.contract import (
    AssetRef,
    FetchedAsset,
    MediaFile,
    PointerState,
    StoredObject,
    StoreFailed,
    StoreOrigins,
    SwapLost,
    Swapped,
)
from consumer.model import OrgId
from consumer.model.call import Permitted
from consumer.model.made_asset import MadeAsset


class MediaWorkers(Protocol):
    """Judges files in child processes, bounded in time and memory."""

    async def validate(self, content: bytes, expected: MediaExpectation, *, of: OrgId) -> MediaVerdict:
        """Judge an organisation's file; raises NoWorkerFree and NoWorkerStarts."""
        ...


class AssetStore(Protocol):
    """Where assets are stored, pointed at and served; `consumer/media_store/store.py` is one."""

    def refusal(self, asset: AssetRef, policy: WorkflowPolicy) -> str | None:
        """Return why an asset cannot be stored there, or None. Pure."""
        ...

    def served_at(self, asset: AssetRef) -> str:
        """Return the URL at which its users fetch an asset. Pure."""
        ...

    def origins(self) -> StoreOrigins:
        """Return where it is called: all of them have to be healthy for it to work. Pure."""
        ...

    async def served(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> FetchedAsset:
        """Fetch what users get at present, compared with what stands behind the caches; without effect."""
        ...

    async def check(
        self, asset: AssetRef, policy: WorkflowPolicy, permitted: Permitted, *, within: timedelta
    ) -> StoreFailed | None:
        """Return why nothing could be swapped there by compare-and-set, or None; may put a small object of its own."""
        ...

    async def look(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> PointerState | StoreFailed:
        """Look at what an asset points at; without effect."""
        ...

    async def fetch(
        self, digest: str, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> bytes | StoreFailed:
        """Fetch an object; only the bytes of exactly this digest are returned."""
        ...

    async def put(
        self, file: MediaFile, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta
    ) -> StoredObject | StoreFailed:
        """Put an object under its digest."""
        ...

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
        ...

    async def read_back(
        self, asset: AssetRef, file: MediaFile, policy: WorkflowPolicy, *, within: timedelta
    ) -> FetchedAsset:
        """Fetch an asset as its users do, and say whether they get the file."""
        ...

    async def purge(self, asset: AssetRef, policy: WorkflowPolicy, *, within: timedelta) -> StoreFailed | None:
        """Have caches forget an asset, where the catalog says how."""
        ...


class AssetStores(Protocol):
    """The stores of this deployment."""

    def of(self, policy: WorkflowPolicy) -> AssetStore | None:
        """Return the store that the workflow's catalog entry names, or None where it names none."""
        ...


class MadeAssets(Protocol):
    """The memory of what was made, by organisation and generation."""

    async def find(self, org_id: OrgId, generations: Sequence[str]) -> Mapping[str, MadeAsset]:
        """Return what is known of some generations."""
        ...

    async def remember(self, made: MadeAsset) -> None:
        """Remember one."""
        ...

    async def forget(self, org_id: OrgId, generation: str) -> None:
        """Forget one whose object is gone, or is not what it was."""
        ...


class NothingMade:
    """The memory of a process that only plans: it knows nothing, and learns nothing."""

    async def find(self, org_id: OrgId, generations: Sequence[str]) -> Mapping[str, MadeAsset]:
        """Return that nothing is known."""
        del org_id, generations
        return {}

    async def remember(self, made: MadeAsset) -> None:
        """Forget it at once."""

    async def forget(self, org_id: OrgId, generation: str) -> None:
        """Have nothing to forget."""


NOTHING_MADE: Final = NothingMade()
