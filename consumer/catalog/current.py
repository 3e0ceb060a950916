"""The catalog in force, swapped on reload, and the earlier ones that plans still refer to."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

from consumer.catalog.access import Secret
from consumer.catalog.parsing import Catalog

_KEPT_CATALOGS: Final = 64


class Catalogs:
    """Holds the catalog in force, and earlier ones under which heals may still be under way.

    Code that keeps a part of `current` across an await keeps what was in force then.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.current = catalog
        self.secrets: Mapping[str, Secret] = _Secrets(self)
        """A live view: always the secrets of the catalog in force."""
        self._by_version = OrderedDict({catalog.version: catalog})

    def change(self, catalog: Catalog) -> None:
        """Put a new catalog in force: every plan from now on uses it."""
        self._by_version[catalog.version] = catalog
        self._by_version.move_to_end(catalog.version)
        while len(self._by_version) > _KEPT_CATALOGS:
            self._by_version.popitem(last=False)
        self.current = catalog

    def of(self, version: str) -> Catalog:
        """Return the catalog of a version, from which a plan was made; the one in force where it is no longer kept."""
        return self._by_version.get(version, self.current)


class _Secrets(Mapping[str, Secret]):
    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs

    def __getitem__(self, name: str) -> Secret:
        return self._catalogs.current.secrets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogs.current.secrets)

    def __len__(self) -> int:
        return len(self._catalogs.current.secrets)
