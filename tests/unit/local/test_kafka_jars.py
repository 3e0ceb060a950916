"""When Apache Kafka can be had, and that it is fetched once."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consumer.errors import ConfigError
from consumer.local import kafka_jars
from consumer.local.kafka_jars import java_version, kafka_unavailable_reason, resolve_kafka

JAVA = """#!/bin/sh
if [ "$1" = -version ]; then echo 'openjdk version "{version}" 2025-04-15' >&2; exit 0; fi
for word; do properties=$word; done
mkdir -p "$(sed -n 's/^log.dirs=//p' "$properties")"
"""
MAVEN = """#!/bin/sh
echo fetched >> "{fetches}"
for word; do case $word in -DoutputDirectory=*) target=${{word#*=}};; esac; done
mkdir -p "$target"
sleep 0.2
touch "$target/kafka_2.13-9.9.9.jar"
"""
BROKEN_MAVEN = "#!/bin/sh\necho '[ERROR] could not transfer artifact'\nexit 1\n"


class Machine:
    """A PATH of our own with the programs that a machine may have, and an empty cache."""

    def __init__(self, place: Path) -> None:
        self.bin = place / "bin"
        self.bin.mkdir()
        self.cache = place / "cache"
        self.fetches = place / "fetches"

    def install(self, name: str, script: str) -> str:
        program = self.bin / name
        program.write_text(script)
        program.chmod(0o755)
        return str(program)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(kafka_jars, "CACHE", made.cache)
    for program in ("sh", "mkdir", "sed", "sleep", "touch"):
        (made.bin / program).symlink_to(next(p for d in os.defpath.split(":") if (p := Path(d, program)).exists()))
    monkeypatch.setenv("PATH", str(made.bin))
    return made


def test_without_java_the_reason_says_what_to_install(machine: Machine) -> None:
    assert kafka_unavailable_reason() == "there is no java on the PATH: install a Java 17 or newer"
    with pytest.raises(ConfigError, match="or use the embedded broker"):
        resolve_kafka(lambda _: None)
    assert not machine.cache.exists()


@pytest.mark.parametrize(
    ("version", "major"), [("1.8.0_402", 8), ("11.0.2", 11), ("17.0.15", 17), ("21", 21), ("26-ea", 26)]
)
def test_javas_version_is_read_in_its_old_and_new_form(machine: Machine, version: str, major: int) -> None:
    assert java_version(machine.install("java", JAVA.format(version=version))) == major


def test_an_old_java_is_refused(machine: Machine) -> None:
    machine.install("java", JAVA.format(version="11.0.2"))
    assert "is Java 11: install a Java 17 or newer" in (kafka_unavailable_reason() or "")


def test_without_maven_the_reason_says_so(machine: Machine) -> None:
    machine.install("java", JAVA.format(version="17.0.15"))
    assert kafka_unavailable_reason() == "there is no mvn on the PATH: install Maven"


def test_what_was_resolved_needs_no_maven_any_more(machine: Machine) -> None:
    machine.install("java", JAVA.format(version="17.0.15"))
    maven = machine.install("mvn", MAVEN.format(fetches=machine.fetches))
    assert resolve_kafka(lambda _: None).version == "9.9.9"
    Path(maven).unlink()
    assert kafka_unavailable_reason() is None
    assert resolve_kafka(lambda _: None).version == "9.9.9"


def test_of_many_who_resolve_at_once_one_fetches(machine: Machine) -> None:
    machine.install("java", JAVA.format(version="17.0.15"))
    machine.install("mvn", MAVEN.format(fetches=machine.fetches))
    with ThreadPoolExecutor(4) as pool:
        resolved = list(pool.map(lambda _: resolve_kafka(lambda _: None), range(4)))
    assert machine.fetches.read_text() == "fetched\n"
    assert len({jars.class_path for jars in resolved}) == 1
    assert resolved[0].formatted.is_dir()


def test_a_failed_fetch_says_what_maven_said_and_leaves_nothing_half_done(machine: Machine) -> None:
    machine.install("java", JAVA.format(version="17.0.15"))
    machine.install("mvn", BROKEN_MAVEN)
    with pytest.raises(ConfigError, match="could not transfer artifact"):
        resolve_kafka(lambda _: None)
    machine.install("mvn", MAVEN.format(fetches=machine.fetches))
    assert resolve_kafka(lambda _: None).version == "9.9.9"
