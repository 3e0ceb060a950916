"""Apache Kafka's class path, resolved by Maven once for each version of `deploy/kafka/pom.xml`."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from consumer.errors import ConfigError
from consumer.local.progress import Progress

CHECKOUT: Final = Path(__file__).resolve().parents[2]
POM: Final = CHECKOUT / "deploy" / "kafka" / "pom.xml"
CACHE: Final = CHECKOUT / ".local" / "kafka"
OLDEST_JAVA: Final = 17
MAVEN_WITHIN: Final = timedelta(minutes=10)
JAVA_WITHIN: Final = timedelta(seconds=30)
TAIL_LINES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaJars:
    """A resolved Apache Kafka: what to put on the class path, and a formatted, empty storage to start copies from."""

    java: Path
    jars: tuple[Path, ...]
    formatted: Path

    @property
    def class_path(self) -> str:
        """The jars as Java's -cp wants them."""
        return os.pathsep.join(str(jar) for jar in self.jars)

    @property
    def version(self) -> str:
        """The broker's version, from its jar's name."""
        return next((jar.stem.split("-", 1)[1] for jar in self.jars if jar.name.startswith("kafka_2.13-")), "unknown")


def kafka_unavailable_reason() -> str | None:
    """Why the real Kafka cannot be had here, with what to do about it; None when nothing is missing.

    Looks for programs only: whether Maven reaches its repository shows when it is asked.
    """
    if not POM.is_file():
        return f"there is no {POM}: run from a checkout"
    java = shutil.which("java")
    if java is None:
        return f"there is no java on the PATH: install a Java {OLDEST_JAVA} or newer"
    found = java_version(java)
    if found is None or found < OLDEST_JAVA:
        return f"{java} is Java {found or 'of an unknown version'}: install a Java {OLDEST_JAVA} or newer"
    if shutil.which("mvn") is None and not _place().is_dir():
        return "there is no mvn on the PATH: install Maven"
    return None


def java_version(java: str) -> int | None:
    """Ask this java for its major version; None when it does not say."""
    try:
        said = subprocess.run(  # noqa: S603 - the java that would run the broker
            [java, "-version"], capture_output=True, text=True, check=False, timeout=JAVA_WITHIN.total_seconds()
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else None


def resolve_kafka(progress: Progress) -> KafkaJars:
    """Give the class path, fetched by Maven when this pom was never resolved; ConfigError when that is impossible.

    Safe beside another process that does the same: one fetches, the other waits.
    """
    reason = kafka_unavailable_reason()
    java = shutil.which("java")
    if reason is not None or java is None:
        raise ConfigError(f"Apache Kafka cannot run here: {reason}; or use the embedded broker")
    place = _place()
    if not place.is_dir():
        with _alone(progress):
            if not place.is_dir():
                _fetch(place, java, progress)
    jars = tuple(sorted((place / "libs").glob("*.jar")))
    return KafkaJars(java=Path(java), jars=jars, formatted=place / "formatted")


def _place() -> Path:
    return CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]


@contextmanager
def _alone(progress: Progress) -> Iterator[None]:
    """Hold the cache's lock; the kernel frees it when its holder dies."""
    CACHE.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + MAVEN_WITHIN.total_seconds()
    with (CACHE / "lock").open("w") as lock:
        waited = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise ConfigError(
                        f"another process has held {CACHE / 'lock'} too long: look what it does"
                    ) from error
                if not waited:
                    progress("waiting for another process that resolves Apache Kafka")
                waited = True
                time.sleep(0.1)
            else:
                break
        yield


def _fetch(place: Path, java: str, progress: Progress) -> None:
    progress("resolving Apache Kafka with Maven (once, about 45 MB)")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=CACHE, ignore_cleanup_errors=True) as temporary:
        fresh = Path(temporary) / "kafka"
        _maven(fresh / "libs")
        _format(java, fresh)
        fresh.rename(place)
    progress(f"Apache Kafka resolved after {time.monotonic() - began:.0f} s")


def _maven(target: Path) -> None:
    argv = [shutil.which("mvn") or "mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies"]
    _run(
        [*argv, f"-DoutputDirectory={target}", "-DincludeScope=runtime"], "Maven could not resolve Apache Kafka", target
    )


def _format(java: str, fresh: Path) -> None:
    """Format a storage once: it names no port, and its cluster id is replaced in every copy."""
    properties = fresh / "format.properties"
    properties.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\n"
        "listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\ncontroller.listener.names=CONTROLLER\n"
        f"log.dirs={fresh / 'formatted'}\n"
    )
    class_path = os.pathsep.join(str(jar) for jar in sorted((fresh / "libs").glob("*.jar")))
    argv = [java, "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path]
    argv += ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(properties)]
    _run(argv, "Apache Kafka could not format its storage", fresh)


def _run(argv: list[str], failure: str, where: Path) -> None:
    try:
        ran = subprocess.run(  # noqa: S603 - java and mvn from the PATH, our own arguments
            argv, capture_output=True, text=True, check=False, timeout=MAVEN_WITHIN.total_seconds()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{failure} into {where}: {error}") from error
    if ran.returncode != 0:
        said = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-TAIL_LINES:])
        raise ConfigError(
            f"{failure} (exit {ran.returncode}); check the network and ~/.m2/settings.xml. It said:\n{said}"
        )
