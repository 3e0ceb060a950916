"""Values of a media store: what an asset points at, and what came of putting, swapping and reading back."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class AssetRef:
    """One asset, as the failure names it."""

    org_id: UUID
    workflow_name: str
    asset_id: str


@value(frozen=True, slots=True, kw_only=True)
class StoreOrigins:
    """Where a store is called, such as `https://files.example.com:443`; some of them are often the same."""

    place: str
    pointer: str
    public: str

    @property
    def each(self) -> tuple[str, ...]:
        """Return each once."""
        return tuple(dict.fromkeys((self.place, self.pointer, self.public)))


@value(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A file to be stored: its bytes as they came, and what is told of them."""

    content: bytes
    digest: str
    """SHA-256 in hex."""
    media_type: str
    notes: tuple[tuple[str, str], ...] = ()
    """Kept with the object, such as `generated-by` and `model`: short names, and values in printable ASCII."""


@value(frozen=True, slots=True, kw_only=True)
class PointerState:
    """What an asset points at. Keep it from before the generation: the swap is from this state alone."""

    version: str | None
    """None: at nothing yet."""
    digest: str | None = None
    """Of the object that it points at, where the store says it."""


@value(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object that stands in the store in whole."""

    digest: str
    key: str
    url: str
    """Where users fetch it."""
    existed: bool = False
    """It was there before: put by an earlier heal, or by another one at the same time."""


@value(frozen=True, slots=True, kw_only=True)
class StoreFailed:
    """The store did not do it; or it is not known, which is told apart."""

    reason: str
    in_doubt: bool = False
    """It may have been done: look again before it is given up."""
    refused: bool = False
    """The catalog, the egress guard or the store forbids it: trying again changes nothing."""
    dependency_unhealthy: bool = False
    after: timedelta | None = None
    """The store's Retry-After."""


@value(frozen=True, slots=True, kw_only=True)
class Swapped:
    """The asset points at the object now."""

    already: bool = False
    """It did so before: by an earlier call of ours that was never answered, or another healer's with the same bytes."""


@value(frozen=True, slots=True, kw_only=True)
class SwapLost:
    """Somebody else has changed the asset since it was looked at; nothing of ours was done to it."""

    state: PointerState | None
    """As it is now, where that could be seen."""


class Served(StrEnum):
    """What users get at an asset's URL."""

    NEW = "new"  # the expected bytes, without any trick: proven
    STALE = "stale"  # a cache on the way still serves another version, its origin the new one: look again later
    OTHER = "other"  # something else, past all caches too: not healed
    ABSENT = "absent"  # nothing
    UNREACHABLE = "unreachable"  # no answer, or none that says anything


@value(frozen=True, slots=True, kw_only=True)
class FetchedAsset:
    """An asset as its users fetch it."""

    served: Served
    detail: str
    content: bytes | None = None
    """The bytes that users get, to be decoded; None where they get none, or too many.

    With `STALE` of a first look: those that stand behind the caches."""
    digest: str | None = None
    fresh_in: timedelta | None = None
    """With `STALE`: when the cache has to ask again, as it says itself."""
    unseen: StoreFailed | None = None
    """Why the store itself could not be asked, where what users get was to be compared with it."""
    dependency_unhealthy: bool = False
