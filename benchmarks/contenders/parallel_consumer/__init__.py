"""Confluent's Parallel Consumer, from Maven Central, on the same topics: where Java and Maven are there."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from consumer.errors import ConfigError
from consumer.local.kafka import kafka_unavailable_reason

HERE: Final = Path(__file__).parent
CACHE: Final = Path(".local/parallel_consumer")
MAVEN_WITHIN: Final = 600.0


def unavailable_reason() -> str | None:
    """Say why it cannot run here; None when nothing is missing."""
    return kafka_unavailable_reason()


async def work_off(
    bootstrap: str, topics: Sequence[str], *, limit: int, messages: int, within: int
) -> Mapping[str, float]:
    """Work topics off one after the other, ordered by key; gives seconds by topic, without those that took too long.

    Raises
    ------
    ConfigError
        Maven could not fetch it, or it ended with an error.

    """
    class_path = os.pathsep.join(str(jar) for jar in sorted((await _jars()).glob("*.jar")))
    arguments = [bootstrap, str(limit), str(messages), str(within), *topics]
    java = ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp", class_path, str(HERE / "KeyedWork.java")]
    said = await _output([*java, *arguments], (within + 60.0) * len(topics))
    lines = (line.split() for line in said.splitlines())
    return {topic: float(seconds) for topic, seconds in lines if seconds != "-"}


async def _jars() -> Path:
    pom = HERE / "pom.xml"
    place = CACHE / sha256(pom.read_bytes()).hexdigest()[:16]
    if not place.is_dir():
        fresh = CACHE / f"fetch-{os.getpid()}"
        maven = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        try:
            await _output([*maven, f"-DoutputDirectory={fresh.absolute()}"], MAVEN_WITHIN)
            fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return place


async def _output(argv: Sequence[str], within: float) -> str:
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr)
    try:
        async with asyncio.timeout(within):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ConfigError(f"{argv[0]} ended with {process.returncode}: see above")
    return said.decode()
