"""Hot reload of the catalog's file: valid new content is put in force, invalid content is logged and not used."""

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
_WARNED: Final = 20
"""Most lines on what a catalog does not bind; `shw catalog check` tells all."""
_Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class CatalogFile:
    """The file that the catalog in force came from, and whether its present content is in force too."""

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
        self._apply = use_catalog
        self._catalogs = catalogs
        self._metrics = metrics
        self._reload_request = asked
        self._last_stamp: _Stamp = ()
        self._applied_stamp: _Stamp = ()
        self.fault: str | None = None
        """What is wrong with the file's present content, because of which an older one stays in force."""

    async def watch_until(self, ended: asyncio.Event) -> None:
        """Check the file once a second, and at once when asked; returns within a second of `ended`."""
        while not ended.is_set():
            await wait_for_event(self._reload_request, LOOK_EVERY)
            if not ended.is_set():
                await self.look()

    async def look(self) -> None:
        """Put the file's content in force if it has changed and is valid.

        It is read once two checks have found it the same (debounce): a file that is still being written is half a
        catalog. Refused content is read at each check, for what was missing may be in a file that it names.
        """
        asked = self._reload_request.is_set()
        self._reload_request.clear()
        stamp = await asyncio.to_thread(self._stamp)
        settled, self._last_stamp = stamp == self._last_stamp, stamp
        if asked or (settled and (stamp != self._applied_stamp or self.fault is not None)):
            await self._reload(stamp, asked=asked)

    async def _reload(self, stamp: _Stamp, *, asked: bool) -> None:
        in_force = self._catalogs.current
        try:
            # In a thread: a large catalog takes longer to read than heartbeats may wait.
            catalog = await asyncio.to_thread(self._read, self._path)
        except ConfigError as error:
            self._reject(str(error), in_force, asked=asked)
            return
        self._applied_stamp, self.fault = stamp, None
        self._metrics.catalog_refused.set(0)
        if catalog.version != in_force.version:
            self._apply(catalog)
            self._metrics.catalog_reloads[Reload.CHANGED].inc()
            log.info("catalog_changed", version=catalog.version, before=in_force.version)
            warn_unbound(catalog)
        elif asked:
            log.info("catalog_unchanged", version=in_force.version)

    def _reject(self, fault: str, in_force: Catalog, *, asked: bool) -> None:
        if fault != self.fault or asked:
            self._metrics.catalog_reloads[Reload.REFUSED].inc()
            log.error("catalog_refused", error=fault[:2000], in_force=in_force.version)
        self.fault = fault
        self._metrics.catalog_refused.set(1)

    def _stamp(self) -> _Stamp:
        # Links are followed: a Kubernetes volume swaps a directory that the path goes through.
        named = (self._path.parent / name for name in self._catalogs.current.files)
        return tuple(_stamp_of(path) for path in (self._path, *named))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def warn_unbound(catalog: Catalog) -> None:
    """Log what the catalog in force does not bind although it has secrets: heals that need it are refused."""
    for lack in catalog.unbound[:_WARNED]:
        log.warning("catalog_unbound", lack=lack)


def read_catalog(path: Path | None) -> Catalog:
    """Read the catalog. It is required: without one no heal is allowed, and no source is accepted.

    Raises
    ------
    ConfigError
        No file is set, it cannot be read, or its content is wrong: with the line.

    """
    if path is None:
        raise ConfigError(
            "No catalog: set SHW_CATALOG to the YAML file that declares sources and workflows (docs/operations.md)."
        )
    try:
        text = path.read_text()
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"The catalog {path} cannot be read: {why}. Set SHW_CATALOG to its path.") from error
    except UnicodeDecodeError as error:
        line = bytes(error.object[: error.start]).count(b"\n") + 1
        raise ConfigError(
            f"{path}:{line}: no UTF-8 (byte 0x{error.object[error.start]:02x}): save it as UTF-8"
        ) from error
    return parse_catalog(text, str(path), lambda named: (path.parent / named).read_text())
