"""Class path of Apache Kafka, resolved by Maven once for each version of `deploy/kafka/pom.xml`, then cached."""

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
    """A resolved Apache Kafka: the jars of the class path, and a formatted, empty storage directory to copy."""

    java: Path
    jars: tuple[Path, ...]
    formatted: Path

    @property
    def class_path(self) -> str:
        """The jars in the form of Java's -cp option."""
        return os.pathsep.join(str(jar) for jar in self.jars)

    @property
    def version(self) -> str:
        """The broker's version, from its jar's name."""
        return next((jar.stem.split("-", 1)[1] for jar in self.jars if jar.name.startswith("kafka_2.13-")), "unknown")


def kafka_unavailable_reason() -> str | None:
    """Return why Apache Kafka is not available here, with what to do about it; None when nothing is missing.

    Checks for programs only: whether Maven reaches its repository shows when it runs.
    """
    if not POM.is_file():
        return f"there is no {POM}: run from a checkout"
    java = shutil.which("java")
    if java is None:
        return f"there is no java on the PATH: install a Java {OLDEST_JAVA} or newer"
    found = java_version(java)
    if found is None or found < OLDEST_JAVA:
        return f"{java} is Java {found or 'of an unknown version'}: install a Java {OLDEST_JAVA} or newer"
    if shutil.which("mvn") is None and not _cache_directory().is_dir():
        return "there is no mvn on the PATH: install Maven"
    return None


def java_version(java: str) -> int | None:
    """Return the major version of this java; None when it cannot be determined."""
    try:
        said = subprocess.run(  # noqa: S603 - the java that would run the broker
            [java, "-version"], capture_output=True, text=True, check=False, timeout=JAVA_WITHIN.total_seconds()
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else None


def resolve_kafka(progress: Progress) -> KafkaJars:
    """Return the class path, downloaded by Maven if this pom was never resolved; raises ConfigError if that fails.

    Safe to run concurrently with another process: one downloads, the other waits for the lock.
    """
    reason = kafka_unavailable_reason()
    java = shutil.which("java")
    if reason is not None or java is None:
        raise ConfigError(f"Apache Kafka cannot run here: {reason}; or use the embedded broker")
    place = _cache_directory()
    if not place.is_dir():
        with _locked(progress):
            if not place.is_dir():
                _fetch(place, java, progress)
    jars = tuple(sorted((place / "libs").glob("*.jar")))
    return KafkaJars(java=Path(java), jars=jars, formatted=place / "formatted")


def _cache_directory() -> Path:
    return CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]


@contextmanager
def _locked(progress: Progress) -> Iterator[None]:
    """Hold the cache's file lock; the kernel releases it when its holder dies."""
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
        _download_jars(fresh / "libs")
        _format_storage(java, fresh)
        fresh.rename(place)
    progress(f"Apache Kafka resolved after {time.monotonic() - began:.0f} s")


def _download_jars(target: Path) -> None:
    argv = [shutil.which("mvn") or "mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies"]
    _run(
        [*argv, f"-DoutputDirectory={target}", "-DincludeScope=runtime"], "Maven could not resolve Apache Kafka", target
    )


def _format_storage(java: str, fresh: Path) -> None:
    """Format a storage directory once: it names no port, and its cluster id is replaced in every copy."""
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
