"""Files of development mode below a checkout: what it keeps, what it writes for a shell, and its lock."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from consumer.errors import ConfigError
from consumer.local.postgres_binaries import is_reachable, server_account, shared_temp


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that development mode writes; `kept` ones last until they are reset."""

    local: Path

    @property
    def home(self) -> Path:
        """Its own directory."""
        return self.local / "dev"

    @property
    def lock(self) -> Path:
        """Held while it runs."""
        return self.home / "lock"

    @property
    def catalog(self) -> Path:
        """The catalog that the service reads."""
        return self.home / "catalog.yaml"

    @property
    def log(self) -> Path:
        """The consumer's log."""
        return self.home / "consumer.log"

    @property
    def environment(self) -> Path:
        """The settings, as a file for a shell to source."""
        return self.local / "dev.env"

    @property
    def example(self) -> Path:
        """An example failure to publish."""
        return self.home / "failure.json"

    @property
    def broker(self) -> Path:
        """Kept: the data of Apache Kafka."""
        return self.home / "kafka"

    @property
    def database(self) -> Path:
        """Kept: the data of PostgreSQL, elsewhere where root's PostgreSQL, which runs as another user, cannot come."""
        account = server_account()
        if account is None or is_reachable(self.home.resolve(), account):
            return self.home / "postgres"
        mine = sha256(bytes(self.home.resolve())).hexdigest()[:12]
        return shared_temp(account) / f"shw-dev-{os.geteuid()}-{mine}"

    def read_secret(self) -> str:
        """Return the secret that tokens are signed with, made at the first start and kept."""
        path = self.home / "secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32))
        return path.read_text()

    def reset(self) -> None:
        """Delete what is kept."""
        shutil.rmtree(self.database, ignore_errors=True)
        for path in self.home.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self.lock:
                path.unlink()


@contextmanager
def running_alone(files: Files) -> Iterator[None]:
    """Hold the lock of this checkout; a second start would take the first one's catalog and addresses away.

    Raises
    ------
    ConfigError
        Another process holds it.

    """
    files.home.mkdir(parents=True, exist_ok=True)
    with files.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise ConfigError(
                f"development mode runs already (process {lock.read().strip()}); its addresses are in "
                f"{short_path(files.environment)}. End it with Ctrl-C first."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def short_path(path: Path) -> str:
    """Return a path as it is typed from the current directory."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
