"""Servers of the fault matrix's own, behind proxies: a Kafka that sends its clients to the proxy, and a Postgres."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit

from consumer.local import kafka
from consumer.local.broker import Broker
from consumer.local.kafka import run_kafka
from consumer.local.server import free_ports
from tests.support.faults.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.faults.wires import KafkaWire, PostgresWire
from tests.support.pipeline import SECOND, Site

# In a properties file the last line of a name counts.
SECOND_LISTENER = """
listeners=PLAINTEXT://{{host}}:{{broker}},CONTROLLER://{{host}}:{{controller}},PROXIED://{{host}}:{behind}
advertised.listeners=PLAINTEXT://{{host}}:{{broker}},PROXIED://{{host}}:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedKafka:
    """A broker with a second listener, which names the proxy's port as its own."""

    broker: Broker
    behind: int
    proxy: int


@asynccontextmanager
async def run_proxied_kafka() -> AsyncIterator[ProxiedKafka]:
    behind, proxy = free_ports(2)
    async with AsyncExitStack() as stack:
        # Only while this one is made: another broker of the same process must not want the same ports.
        with patch.object(kafka, "PROPERTIES", kafka.PROPERTIES + SECOND_LISTENER.format(behind=behind, proxy=proxy)):
            broker = await stack.enter_async_context(run_kafka())
        yield ProxiedKafka(broker=broker, behind=behind, proxy=proxy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The two wires that can be tampered with, and the place as it looks from behind them."""

    kafka: TcpProxy
    postgres: TcpProxy
    place: Site

    def be_well(self) -> None:
        self.kafka.be_well()
        self.postgres.be_well()


@asynccontextmanager
async def behind_proxies(place: Site, servers: ProxiedKafka) -> AsyncIterator[Proxies]:
    """Put proxies before both servers, with short spans: what the network does must show within a test's patience."""
    dsn = urlsplit(place.settings.postgres.dsn.get_secret_value())
    async with (
        tcp_proxy(servers.behind, KafkaWire, port=servers.proxy) as to_kafka,
        tcp_proxy(dsn.port or 5432, PostgresWire) as to_postgres,
    ):
        by_proxy = dsn._replace(netloc=dsn.netloc.replace(f":{dsn.port}", f":{to_postgres.port}"))
        yield Proxies(
            kafka=to_kafka,
            postgres=to_postgres,
            place=place.changed(
                kafka={
                    "bootstrap": f"127.0.0.1:{to_kafka.port}",
                    "session_timeout": SECOND,
                    "request_timeout": 4 * SECOND,
                },
                postgres={"dsn": urlunsplit(by_proxy), "statement_timeout": 2 * SECOND, "connect_timeout": 2 * SECOND},
                heal={"lease": SECOND, "waiter_retry": 2 * SECOND},
                resume={"hide": 2 * SECOND},
                breaker={"probe_every": SECOND / 4, "probe_cap": SECOND},
            ),
        )
