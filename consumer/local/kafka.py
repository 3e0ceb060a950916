"""Local Apache Kafka: one node in KRaft mode, from a class path that Maven resolves; `python -m` checks it."""

import argparse
import asyncio
import base64
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from consumer.errors import ConfigError, TransientError
from consumer.local.broker import Broker, BrokerKind, answers
from consumer.local.kafka_jars import KafkaJars, kafka_unavailable_reason, resolve_kafka
from consumer.local.progress import Progress, to_stderr
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving

__all__ = ["kafka_unavailable_reason", "run_kafka"]

START_WITHIN: Final = timedelta(minutes=3)
"""For a Java on a machine that is busy with everything else; a few seconds are usual."""
JAVA_OPTIONS: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
FOR_A_MOMENT: Final = ("-XX:TieredStopAtLevel=1",)
"""C1 compiler alone: starts in half the time. For a broker that runs for minutes, leaving it out halves a request's
cost."""
PASSED_ON: Final = ("PATH", "HOME", "JAVA_HOME", "TMPDIR", "LANG")
"""Environment variables that a `java` wrapper script may need. No others: they may hold secrets, and they are passed to
the server's guard on a command line, which every user can read."""

PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}{secured}
advertised.listeners=PLAINTEXT://{host}:{broker}{secured}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# A killed broker comes back only when its old session has ended: 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# A killed member must be missed within a test's patience; the default lets no client ask for less than 6 s.
group.min.session.timeout.ms=1000
# So must the cleaner of a compacted topic have been there; it looks every 15 s by default.
log.cleaner.backoff.ms=1000
"""


@dataclass(frozen=True, slots=True)
class SecuredListeners:
    """Listeners beside the plain one, by protocol (SSL, SASL_SSL), and the broker's properties for them."""

    ports: Mapping[str, int] = field(default_factory=dict)
    properties: str = ""


@asynccontextmanager
async def run_kafka(
    directory: Path | None = None,
    *,
    brief: bool = True,
    progress: Progress = to_stderr,
    secured: SecuredListeners | None = None,
    preferred_port: int | None = None,
) -> AsyncIterator[Broker]:
    """Run Apache Kafka until the block ends; its data stay in `directory`, or are temporary where there is none.

    `brief`: for tests and demos, where a fast start counts for more than the cost per request.
    It listens on `preferred_port` or the next free one.

    The first call on a machine downloads the jars and reports it through `progress`. Raises ConfigError when Java or
    Maven is missing or fails, and TransientError when the broker does not answer.
    """
    jars = await asyncio.to_thread(resolve_kafka, progress)
    with ExitStack() as cleanup:
        if directory is None:
            temporary = tempfile.TemporaryDirectory(prefix="shw-kafka-", ignore_cleanup_errors=True)
            home = Path(cleanup.enter_context(temporary))
        else:
            home = directory
        cluster = await asyncio.to_thread(_prepare_storage, home, jars)

        def build(ports: tuple[int, ...]) -> Server:
            _write_properties(home, ports, secured or SecuredListeners())
            program = _program(jars, home, FOR_A_MOMENT if brief else (), temporary=directory is None)
            return Server(program, lambda: answers(ports[0], cluster))

        async with serving(2, build, preferred=preferred_port) as (server, port):
            yield Broker(bootstrap=f"{LOCALHOST}:{port}", kind=BrokerKind.KAFKA, _server=server)


_CLUSTER: Final = "cluster.id="


def _prepare_storage(home: Path, jars: KafkaJars) -> str:
    """Copy the formatted storage where there is none yet; return the cluster id, by which clients know this broker."""
    data = home / "data"
    if not data.exists():
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        unfinished = home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(jars.formatted, unfinished)
        meta = unfinished / "meta.properties"
        lines = [line for line in meta.read_text().splitlines() if not line.startswith(_CLUSTER)]
        meta.write_text("\n".join([*lines, f"{_CLUSTER}{cluster}", ""]))
        unfinished.rename(data)
    kept = (data / "meta.properties").read_text().splitlines()
    return next(line.removeprefix(_CLUSTER) for line in kept if line.startswith(_CLUSTER))


def _write_properties(home: Path, ports: tuple[int, ...], secured: SecuredListeners) -> None:
    data = home / "data"
    broker, controller = ports
    more = "".join(f",{protocol}://{LOCALHOST}:{port}" for protocol, port in secured.ports.items())
    text = PROPERTIES.format(host=LOCALHOST, broker=broker, controller=controller, data=data, secured=more)
    (home / "server.properties").write_text(text + secured.properties)


def _program(jars: KafkaJars, home: Path, options: tuple[str, ...], *, temporary: bool) -> ServerProgram:
    program = ("-cp", jars.class_path, "kafka.Kafka", str(home / "server.properties"))
    return ServerProgram(
        name="Apache Kafka",
        argv=(str(jars.java), *JAVA_OPTIONS, *options, *program),
        directory=home,
        log=home / "kafka.log",
        environment={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        stop_signal=signal.SIGTERM,
        start_within=START_WITHIN,
        remove_when_orphaned=home if temporary else None,
    )


async def _check() -> None:
    began = time.monotonic()
    async with run_kafka() as broker:
        to_stderr(f"Apache Kafka answers on {broker.bootstrap} after {time.monotonic() - began:.1f} s")
    to_stderr("Apache Kafka stopped")


def main() -> int:
    """Resolve the real Kafka and, unless told otherwise, start and stop it; 0 also where Java or Maven is missing."""
    parser = argparse.ArgumentParser(prog="python -m consumer.local.kafka", description=main.__doc__)
    parser.add_argument("--resolve-only", action="store_true", help="fetch the jars, start nothing")
    asked = parser.parse_args()
    reason = kafka_unavailable_reason()
    if reason is not None:
        to_stderr(f"no Apache Kafka here ({reason}); the embedded broker takes its place")
        return 0
    try:
        jars = resolve_kafka(to_stderr)
        if not asked.resolve_only:
            to_stderr(f"checking Apache Kafka {jars.version}")
            asyncio.run(_check())
    except (ConfigError, TransientError) as error:
        to_stderr(f"Apache Kafka: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
