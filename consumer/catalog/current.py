"""The catalog in force: what everybody asks who has to obey the newest one."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

from consumer.catalog.access import Secret
from consumer.catalog.document import Catalog

_REMEMBERED: Final = 64


class Catalogs:
    """The catalog in force, and those before it under which heals may still be under way.

    Whoever holds a part of `current` over an await holds on to what was in force then.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.current = catalog
        self.secrets: Mapping[str, Secret] = _Secrets(self)
        """Always those of the catalog in force."""
        self._known = OrderedDict({catalog.version: catalog})

    def change(self, catalog: Catalog) -> None:
        """Put a new catalog in force: what is planned from now on obeys it."""
        self._known[catalog.version] = catalog
        self._known.move_to_end(catalog.version)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self.current = catalog

    def of(self, version: str) -> Catalog:
        """Give the catalog that a plan was made from; the one in force where that is not known any more."""
        return self._known.get(version, self.current)


class _Secrets(Mapping[str, Secret]):
    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs

    def __getitem__(self, name: str) -> Secret:
        return self._catalogs.current.secrets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogs.current.secrets)

    def __len__(self) -> int:
        return len(self._catalogs.current.secrets)
