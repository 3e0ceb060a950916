"""The catalog's file looked at again and again: a valid new one is put in force, a wrong one is said and left alone."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from consumer.catalog import Catalog, Catalogs, parse_catalog
from consumer.errors import ConfigError
from consumer.event_loop import wait_for_event
from consumer.metrics import Metrics, Reload

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(seconds=1)
_Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class CatalogFile:
    """The file that the catalog in force came from, and whether what stands in it now is in force too."""

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[Path], Catalog],
        use_catalog: Callable[[Catalog], None],
        catalogs: Catalogs,
        metrics: Metrics,
        asked: asyncio.Event,
    ) -> None:
        self._path = path
        self._read = read
        self._obey = use_catalog
        self._catalogs = catalogs
        self._metrics = metrics
        self._asked = asked
        self._seen: _Stamp = ()
        self._taken: _Stamp = ()
        self.fault: str | None = None
        """What is wrong with the file's present content, so that an older one stays in force."""

    async def watch_until(self, ended: asyncio.Event) -> None:
        """Look once a second, and at once when asked; ends within a second of `ended`."""
        while not ended.is_set():
            await wait_for_event(self._asked, LOOK_EVERY)
            if not ended.is_set():
                await self.look()

    async def look(self) -> None:
        """Put the file's content in force if it has changed and is valid.

        It is read once two looks have found it the same: a file that is still being written is half a catalog. One that
        was refused is read at each look, for what was missing may lie in a file that it names.
        """
        asked = self._asked.is_set()
        self._asked.clear()
        stamp = await asyncio.to_thread(self._stamp)
        settled, self._seen = stamp == self._seen, stamp
        if asked or (settled and (stamp != self._taken or self.fault is not None)):
            await self._take(stamp, asked=asked)

    async def _take(self, stamp: _Stamp, *, asked: bool) -> None:
        in_force = self._catalogs.current
        try:
            # In a thread: a large catalog takes longer to read than heartbeats may wait.
            catalog = await asyncio.to_thread(self._read, self._path)
        except ConfigError as error:
            self._refuse(str(error), in_force, asked=asked)
            return
        self._taken, self.fault = stamp, None
        self._metrics.catalog_refused.set(0)
        if catalog.version != in_force.version:
            self._obey(catalog)
            self._metrics.catalog_reloads[Reload.CHANGED].inc()
            log.info("catalog_changed", version=catalog.version, before=in_force.version)
        elif asked:
            log.info("catalog_unchanged", version=in_force.version)

    def _refuse(self, fault: str, in_force: Catalog, *, asked: bool) -> None:
        if fault != self.fault or asked:
            self._metrics.catalog_reloads[Reload.REFUSED].inc()
            log.error("catalog_refused", error=fault[:2000], in_force=in_force.version)
        self.fault = fault
        self._metrics.catalog_refused.set(1)

    def _stamp(self) -> _Stamp:
        # Followed through links: a Kubernetes volume swaps a directory behind the file's back.
        named = (self._path.parent / name for name in self._catalogs.current.files)
        return tuple(_stamp_of(path) for path in (self._path, *named))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_catalog(path: Path | None) -> Catalog:
    """Read the catalog; without one nothing may be healed, and no source may speak.

    Raises
    ------
    ConfigError
        The file cannot be read, or its content is wrong: with the line.

    """
    if path is None:
        raise ConfigError(
            "No catalog: set SHW_CATALOG to the YAML file that declares sources and workflows (docs/operations.md)."
        )
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The catalog {path} cannot be read: {error}. Set SHW_CATALOG to its path.") from error
    return parse_catalog(text, str(path), lambda named: (path.parent / named).read_text())
