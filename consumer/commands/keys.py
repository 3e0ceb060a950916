"""Keys of those who may command: a file that lists each key, its validity, and what it may ask for, and where."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

import orjson
import structlog
import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from consumer.api.key_set import ALGORITHMS, KeySet, KeysUnreadable, fetch, parse_keys
from consumer.errors import ConfigError
from consumer.settings import CommandSettings
from schemas.fault_words import fault_in_words
from schemas.names import CommandName

log = structlog.get_logger(__name__)

MAX_BYTES: Final = 256 * 1024
LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the file: for so long a key that was taken out still counts."""
WAITED_FOR: Final = 120.0
"""Seconds after a read that failed: a command that waits for its key asks again sooner."""
ALLOWED: Final = frozenset(ALGORITHMS.values())


class CommandKey(BaseModel):
    """One key, and what may be asked for with it. An issuer has two at once while it changes from one to the other."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    issuer: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s:]+$")]
    public_key: dict[str, Any] | None = None
    """A JWK of Ed25519, P-256, or RSA with 2048 bits or more; absent: the one of this id in the JWK set."""
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    revoked: bool = False
    commands: Literal["*"] | frozenset[CommandName]
    organisations: Literal["*"] | frozenset[UUID]

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.public_key is not None and not self.keys():
            raise ValueError(
                "public_key is no public JWK of Ed25519, P-256 or RSA (2048 bits or more), or names another kid"
            )
        return self

    def keys(self) -> Mapping[tuple[str, str | None], Any]:
        """Return the key of the entry itself, by its one algorithm."""
        if self.public_key is None:
            return {}
        return parse_keys(orjson.dumps({"keys": [{"kid": self.id, **self.public_key}]}))

    def allows(self, command: CommandName) -> bool:
        """Return whether it may ask for that."""
        return self.commands == "*" or command in self.commands

    def reach(self) -> frozenset[UUID] | None:
        """Return the organisations within which it may ask; None: all."""
        return None if self.organisations == "*" else self.organisations

    def flaw(self, now: datetime) -> str | None:
        """Return why it vouches for nothing now; None where it does."""
        if self.revoked:
            return "it is revoked"
        if self.valid_from is not None and now < self.valid_from:
            return f"it is valid from {self.valid_from.isoformat()} only"
        if self.valid_until is not None and now >= self.valid_until:
            return f"it was valid until {self.valid_until.isoformat()}"
        return None


class _KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keys: Annotated[tuple[CommandKey, ...], Field(max_length=64)]

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("two keys have one id")
        return self


def read_key_file(path: Path) -> tuple[CommandKey, ...]:
    """Read and check the key file.

    Raises
    ------
    ConfigError
        It cannot be read, or is not of this form; names the place, and quotes no value.

    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"SHW_COMMANDS__KEYS_FILE: {path} cannot be read ({error.strerror or error})") from error
    if len(text) > MAX_BYTES:
        raise ConfigError(f"SHW_COMMANDS__KEYS_FILE: {path} is larger than {MAX_BYTES} bytes")
    try:
        return _KeyFile.model_validate(yaml.safe_load(text)).keys
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise ConfigError(
            f"SHW_COMMANDS__KEYS_FILE: {path}: {where}: {fault_in_words(fault, an_object='a mapping')}"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: no UTF-8, or a day or number that is none
        raise ConfigError(f"SHW_COMMANDS__KEYS_FILE: {path} is no YAML, or a value in it is none") from None


@dataclass(slots=True, kw_only=True)
class CommandKeys:
    """The keys in force; a file that cannot be read leaves those that it had, and the log says so."""

    path: Path | None
    entries: Mapping[str, CommandKey]
    jwks: KeySet | None = None
    clock: Callable[[], float] = time.monotonic
    _unread_at: float = field(default=float("-inf"))
    _state: tuple[int, int, int] | None = None
    _looked_at: float = field(default=float("-inf"))

    @classmethod
    def of(cls, settings: CommandSettings) -> "CommandKeys":
        """Read the keys that the settings name; raises as `read_key_file` does."""
        url = settings.jwks_url
        entries = read_key_file(settings.keys_file) if settings.keys_file is not None else ()
        if url is None and (without := [key.id for key in entries if key.public_key is None]):
            names = ", ".join(without)
            raise ConfigError(f"SHW_COMMANDS__KEYS_FILE: {names} has no public_key: set SHW_COMMANDS__JWKS_URL")
        return cls(
            path=settings.keys_file,
            entries={key.id: key for key in entries},
            jwks=KeySet(read=lambda: fetch(url)) if url is not None else None,
        )

    async def refresh(self) -> None:
        """Read the file again if it has changed."""
        now = self.clock()
        if self.path is None or now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        try:
            state = await asyncio.to_thread(_file_state, self.path)
            if state == self._state:
                return
            entries = await asyncio.to_thread(read_key_file, self.path)
        except (ConfigError, OSError) as error:
            log.error("command_keys_unreadable", error=str(error))  # noqa: TRY400 - its message says all
            return
        self._state, self.entries = state, {key.id: key for key in entries}

    async def find(self, entry: CommandKey, algorithm: str) -> Any | None:  # noqa: ANN401 - a key of the library's
        """Return the public key of an entry, if it is one for that algorithm.

        Raises
        ------
        KeysUnreadable
            It is to be found in the JWK set, and that cannot be read now.

        """
        if entry.public_key is not None:
            return entry.keys().get((algorithm, entry.id))
        if self.jwks is None:
            return None  # an entry without a key has come into the file since: there is no set to look it up in
        try:
            found = await self.jwks.find(algorithm, entry.id)
        except KeysUnreadable as error:
            if not self.are_waited_for:
                log.warning("commands_wait_for_keys", key_id=entry.id, error=str(error))
            self._unread_at = self.clock()
            raise
        if self.are_waited_for:
            log.info("command_keys_readable", key_id=entry.id)
        self._unread_at = float("-inf")
        return found

    @property
    def are_waited_for(self) -> bool:
        """Whether commands wait for the JWK set: it could not be read of late when a command needed a key of it."""
        return self.clock() - self._unread_at < WAITED_FOR


def _file_state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)
