"""Creates the media stores that the catalog in force declares."""

from consumer.catalog import Catalogs, WorkflowPolicy
from consumer.media_store.store import MediaStore
from consumer.outbound.calls import OutboundCalls


class CurrentMediaStores:
    """The stores of the catalog in force, recreated when the catalog changes."""

    def __init__(self, catalogs: Catalogs, calls: OutboundCalls) -> None:
        self._catalogs = catalogs
        self._calls = calls
        self._cached = catalogs.current, self._create()

    def of(self, policy: WorkflowPolicy) -> MediaStore | None:
        """Return the store that a workflow's entry names, as the catalog in force declares it; None for none."""
        catalog, stores = self._cached
        if catalog is not self._catalogs.current:
            self._cached = self._catalogs.current, self._create()
            _, stores = self._cached
        return None if policy.media_store is None else stores.get(policy.media_store)

    def _create(self) -> dict[str, MediaStore]:
        declared = self._catalogs.current.media_stores
        return {name: MediaStore(each, self._calls) for name, each in declared.items()}
