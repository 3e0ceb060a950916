"""Public keys that sign the platform's tokens (a JWK set): read from a URL or a file, kept, and read again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx2
import jwt
import orjson
import structlog

from consumer.errors import ConfigError
from consumer.settings import ApiSettings

log = structlog.get_logger(__name__)

MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 64
MIN_RSA_BITS: Final = 2048
FETCH_WITHIN: Final = timedelta(seconds=5)
FRESH_FOR: Final = timedelta(minutes=10)
"""Time after which the set is read again: for so long a key that was withdrawn is believed still."""
RETRY_AFTER: Final = timedelta(seconds=30)
"""Pause between two reads, whatever key ids are asked for: a stranger's tokens must not drive our calls."""
FIRST_RETRY_AFTER: Final = timedelta(seconds=2)
"""The same while none was ever read: until then nobody is believed."""
KEPT_FOR: Final = timedelta(hours=24)
"""Time for which the last set counts while it cannot be read again."""

ALGORITHMS: Final[Mapping[tuple[str, str | None], str]] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
"""The one algorithm of each kind of key: the key decides, never the token's header."""

ReadKeys: TypeAlias = Callable[[], Awaitable[bytes]]
Keys: TypeAlias = Mapping[tuple[str, str | None], Any]
"""Public keys by algorithm and key id."""


class KeysUnreadable(Exception):
    """The key set could not be read, or is none."""


@dataclass(slots=True, kw_only=True)
class KeySet:
    """A key set that is read when it is needed, one read at a time, and seldom."""

    read: ReadKeys
    clock: Callable[[], float] = time.monotonic
    _keys: Keys = field(default_factory=dict)
    _read_at: float | None = None
    _tried_at: float | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, algorithm: str, key_id: str | None) -> Any | None:  # noqa: ANN401 - a key of the library's
        """Return a public key; None when the set has none of that name for that algorithm.

        Raises
        ------
        KeysUnreadable
            There is no set, and none can be read now.

        """
        if self._is_older_than(self._read_at, FRESH_FOR):
            await self._read_again()
        found = self._lookup(algorithm, key_id)
        if found is None:
            await self._read_again()
            found = self._lookup(algorithm, key_id)
        if found is None and self._is_older_than(self._read_at, KEPT_FOR):
            raise KeysUnreadable("the JWK set cannot be read")
        return found

    def _lookup(self, algorithm: str, key_id: str | None) -> Any | None:  # noqa: ANN401
        if self._is_older_than(self._read_at, KEPT_FOR):
            return None
        if key_id is not None:
            return self._keys.get((algorithm, key_id))
        fitting = [key for (of, _), key in self._keys.items() if of == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    async def _read_again(self) -> None:
        if not self._is_older_than(self._tried_at, self._rest()):
            if self._read_at is None and self._reading.locked():
                async with self._reading:  # the first read of all: whoever comes meanwhile waits for it
                    return
            return
        async with self._reading:
            if not self._is_older_than(self._tried_at, self._rest()):
                return
            self._tried_at = self.clock()
            try:
                self._keys = parse_keys(await self.read())
            except KeysUnreadable as error:
                log.warning("key_set_unreadable", error=str(error))
                return
            self._read_at = self.clock()

    def _rest(self) -> timedelta:
        return FIRST_RETRY_AFTER if self._read_at is None else RETRY_AFTER

    def _is_older_than(self, moment: float | None, age: timedelta) -> bool:
        return moment is None or self.clock() - moment >= age.total_seconds()


def key_set(settings: ApiSettings) -> KeySet | None:
    """Return the configured key set; None where none is."""
    if settings.jwks_url is not None:
        url = settings.jwks_url
        return KeySet(read=lambda: fetch(url))
    if settings.jwks_file is not None:
        path = settings.jwks_file
        return KeySet(read=lambda: asyncio.to_thread(_read_file, path))
    return None


def check_key_file(settings: ApiSettings) -> None:
    """Refuse to start with a key file that cannot be read; a URL may come up later.

    Raises
    ------
    ConfigError
        The file is missing, or holds no key that may sign a token.

    """
    if settings.jwks_file is None:
        return
    try:
        keys = parse_keys(_read_file(settings.jwks_file))
    except KeysUnreadable as error:
        raise ConfigError(f"SHW_API__JWKS_FILE: {error}") from error
    if not keys:
        raise ConfigError(
            f"SHW_API__JWKS_FILE: {settings.jwks_file} has no public key of RSA (2048 bits or more), EC P-256 or "
            "Ed25519"
        )


def parse_keys(text: bytes) -> Keys:
    """Read a JWK set: what is not for signing, private, symmetric, weak or of another kind is left out."""
    try:
        entries = orjson.loads(text)["keys"]
    except (ValueError, TypeError, KeyError):
        raise KeysUnreadable('it is no JWK set: JSON with a list "keys"') from None
    if not isinstance(entries, list):
        raise KeysUnreadable('it is no JWK set: JSON with a list "keys"')
    found: dict[tuple[str, str | None], Any] = {}
    for entry in entries[:MAX_KEYS]:
        if isinstance(entry, dict) and (algorithm := _algorithm_of(entry)) is not None:
            key_id = entry.get("kid")
            key = _public_key(entry, algorithm)
            if key is not None and isinstance(key_id, str | None):
                found[algorithm, key_id] = key
    return found


def _algorithm_of(entry: Mapping[str, Any]) -> str | None:
    kind, curve = entry.get("kty"), entry.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    algorithm = ALGORITHMS.get((kind, curve))
    fits = entry.get("alg", algorithm) == algorithm and entry.get("use", "sig") == "sig"
    uses = entry.get("key_ops", ["verify"])
    return algorithm if fits and "d" not in entry and isinstance(uses, list) and "verify" in uses else None


def _public_key(entry: Mapping[str, Any], algorithm: str) -> Any | None:  # noqa: ANN401
    try:
        key = jwt.PyJWK(dict(entry), algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None if getattr(key, "key_size", MIN_RSA_BITS) < MIN_RSA_BITS and algorithm == "RS256" else key


async def fetch(url: str) -> bytes:
    """Fetch a key set: one call, bounded in time and size, without redirect, proxy or cookie."""
    try:
        async with (
            asyncio.timeout(FETCH_WITHIN.total_seconds()),
            httpx2.AsyncClient(trust_env=False, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json", "Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise KeysUnreadable(f"it answered {answer.status_code}")
            parts = bytearray()
            async for part in answer.aiter_raw():
                parts += part
                if len(parts) > MAX_BYTES:
                    raise KeysUnreadable(f"it is larger than {MAX_BYTES} bytes")
            return bytes(parts)
    except (httpx2.HTTPError, OSError, TimeoutError) as error:
        raise KeysUnreadable(f"it did not answer ({type(error).__name__})") from error


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeysUnreadable(f"{path} cannot be read ({error.strerror or error})") from error
    if len(text) > MAX_BYTES:
        raise KeysUnreadable(f"{path} is larger than {MAX_BYTES} bytes")
    return text
