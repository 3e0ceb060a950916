"""What real engines are made of: virtual environments of their own and a jar, installed once into the checkout.

`python -m tests.support.worlds.engine_parts` installs Airflow, Conductor and Temporal: `make engines`.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from consumer.errors import ConfigError
from consumer.local.kafka_jars import java_version
from tests.support.paths import DATA, ROOT

INSTALLED_WITHIN: Final = timedelta(minutes=40)
LOCAL: Final = ROOT / ".local"
AIRFLOW_LOCK: Final = DATA / "airflow.lock"
AIRFLOW_CACHE: Final = LOCAL / "airflow"
CONDUCTOR_CACHE: Final = LOCAL / "conductor"
CONDUCTOR: Final = "org.conductoross:conductor-server:3.32.3:jar:boot"
CONDUCTOR_SHA256: Final = DATA / "conductor.sha256"
OLDEST_JAVA: Final = 21
TEMPORAL_LOCK: Final = DATA / "temporal.lock"
TEMPORAL_CACHE: Final = LOCAL / "temporal"
TEMPORAL: Final = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
"""The last release that `go install` takes: later ones replace a module by one in their own tree."""
HOW: Final = "make engines"


def virtual_environment(lock: Path, cache: Path) -> Path:
    """Give the virtual environment of a lock, made once for each lock and version of Python."""
    place = environment_of(lock, cache)
    with _alone(cache):
        if not (place / "ready").is_file():
            shutil.rmtree(place, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(place))
            argv = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps")
            _run(str(place / "bin" / "python"), *argv, "--require-hashes", "-r", str(lock))
            (place / "ready").touch()
    return place


def environment_of(lock: Path, cache: Path) -> Path:
    """Give where the virtual environment of a lock is, or will be."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return cache / f"{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}-py{version}"


def installed_airflow() -> Path | None:
    """Give Airflow's virtual environment, where `make engines` has made it."""
    place = environment_of(AIRFLOW_LOCK, AIRFLOW_CACHE)
    return place if (place / "ready").is_file() else None


def conductor_jar() -> Path:
    """Give where Conductor's jar is, or will be."""
    _, name, version, kind, classifier = CONDUCTOR.split(":")
    return CONDUCTOR_CACHE / f"{name}-{version}-{classifier}.{kind}"


def installed_conductor() -> tuple[Path, Path] | None:
    """Give a Java that is new enough and Conductor's jar, where `make engines` has fetched it."""
    java = new_java()
    return (java, conductor_jar()) if java is not None and conductor_jar().is_file() else None


def new_java() -> Path | None:
    """Give a Java that Conductor runs on: by JAVA_HOME, on the PATH, or where Linux keeps them."""
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    known = [Path(home) / "bin" / "java"] if home else []
    known += [Path(on_path)] if on_path else []
    known += sorted(Path("/usr/lib/jvm").glob("*/bin/java"))
    return next((java for java in known if java.is_file() and (java_version(str(java)) or 0) >= OLDEST_JAVA), None)


def fetch_conductor() -> Path:
    """Give Conductor's jar, fetched once by Maven and checked against its digest."""
    jar = conductor_jar()
    with _alone(CONDUCTOR_CACHE):
        if not jar.is_file():
            fresh = CONDUCTOR_CACHE / "fresh"
            argv = ("-B", "-q", "dependency:copy", f"-Dartifact={CONDUCTOR}", f"-DoutputDirectory={fresh}")
            _run(shutil.which("mvn") or "mvn", *argv)
            digest = hashlib.file_digest((fresh / jar.name).open("rb"), "sha256").hexdigest()
            if digest != CONDUCTOR_SHA256.read_text().split()[0]:
                raise ConfigError(f"{jar.name} has the digest {digest}: not the one in {CONDUCTOR_SHA256.name}")
            (fresh / jar.name).rename(jar)
    return jar


def temporal_server() -> Path:
    """Give where Temporal's development server is, or will be: its command line holds it."""
    return TEMPORAL_CACHE / TEMPORAL.rpartition("@")[2] / "temporal"


def installed_temporal() -> tuple[Path, Path] | None:
    """Give the development server and the virtual environment of its workers, where `make engines` has made them."""
    place = environment_of(TEMPORAL_LOCK, TEMPORAL_CACHE)
    return (temporal_server(), place) if temporal_server().is_file() and (place / "ready").is_file() else None


def build_temporal() -> Path:
    """Give Temporal's development server, built once by Go, which checks the digests of what it is made of."""
    server = temporal_server()
    with _alone(TEMPORAL_CACHE):
        if not server.is_file():
            go = shutil.which("go") or "go"
            _run(go, "install", "-ldflags=-s -w", TEMPORAL, environment=os.environ | {"GOBIN": str(server.parent)})
    return server


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Hold the cache's lock; the kernel frees it when its holder dies."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*argv: str, environment: Mapping[str, str] | None = None) -> None:
    limit = INSTALLED_WITHIN.total_seconds()
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=limit, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{argv[0]} could not be run: {error}") from error
    if ran.returncode != 0:
        said = (ran.stderr.strip() or ran.stdout.strip())[-500:]
        raise ConfigError(f"{' '.join(argv)} ended with {ran.returncode}: {said}")


def main() -> int:
    """Install all of them, and say how long it took and what is missing."""
    began = time.monotonic()
    missing = 0
    for name, install in PARTS.items():
        try:
            sys.stdout.write(f"==> {name}: {install()}\n    after {time.monotonic() - began:.0f} s\n")
        except ConfigError as error:
            sys.stdout.write(f"==> {name}: {error}\n")
            missing += 1
    if new_java() is None:
        said = f"there is no Java {OLDEST_JAVA} or newer to run Conductor: install one, or set JAVA_HOME"
        sys.stdout.write(f"    {said}\n")
        missing += 1
    return int(missing > 0)


PARTS: Final[Mapping[str, Callable[[], Path]]] = {
    "Airflow": lambda: virtual_environment(AIRFLOW_LOCK, AIRFLOW_CACHE),
    "Conductor": fetch_conductor,
    "Temporal's workers": lambda: virtual_environment(TEMPORAL_LOCK, TEMPORAL_CACHE),
    "Temporal": build_temporal,
}


if __name__ == "__main__":
    sys.exit(main())
