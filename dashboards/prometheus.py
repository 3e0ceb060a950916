"""A real Prometheus for tests and for `make stack`: it scrapes replicas, evaluates our rules, and answers queries."""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from consumer.errors import ConfigError, TransientError
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving
from dashboards.panel import RATE_WINDOW

RULES: Final = Path(__file__).parents[1] / "deploy" / "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of an answer."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running Prometheus."""

    address: str
    client: httpx2.AsyncClient
    window: str
    """The span that stands for Grafana's `$__rate_interval`."""

    async def over_time(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return what a panel's query gives over a span of time."""
        asked = {"query": self._plain(expression), "start": start, "end": end, "step": step}
        return [
            Series(labels=one["metric"], points=[(float(at), float(value)) for at, value in one["values"]])
            for one in await self._get("/api/v1/query_range", asked)
        ]

    async def now(self, expression: str) -> list[Series]:
        """Return what a query gives now."""
        return [
            Series(labels=one["metric"], points=[(float(one["value"][0]), float(one["value"][1]))])
            for one in await self._get("/api/v1/query", {"query": self._plain(expression)})
        ]

    def _plain(self, expression: str) -> str:
        return expression.replace(RATE_WINDOW, self.window)

    async def _get(self, path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.client.get(path, params=asked)
        told = answer.json()
        if told.get("status") != "success":
            raise ConfigError(f"Prometheus refuses {asked['query']!r}: {told.get('error', answer.text[:200])}")
        found: list[dict[str, Any]] = told["data"]["result"]
        return found


@asynccontextmanager
async def run_prometheus(
    targets: Sequence[str], directory: Path, *, every: str = "1s", window: str = "15s", rules: Path = RULES
) -> AsyncIterator[Prometheus]:
    """Run one that scrapes these `host:port` and evaluates the rules of a folder, until the block ends.

    Raises
    ------
    ConfigError
        It is not installed.

    """
    program = shutil.which("prometheus")
    if program is None:
        raise ConfigError("prometheus is missing: apt-get install prometheus")
    config = directory / "prometheus.json"  # JSON is YAML
    settings = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(rules / name) for name in ("recording.yml", "alerts.yml")],
        "scrape_configs": [
            {"job_name": "self-healing-workflows", "static_configs": [{"targets": list(targets)}]},
        ],
    }
    await asyncio.to_thread(config.write_text, json.dumps(settings))

    def build(ports: tuple[int, ...]) -> Server:
        argv = (
            program or "",
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={LOCALHOST}:{ports[0]}",
        )
        made = ServerProgram(
            name="Prometheus",
            argv=argv,
            directory=directory,
            log=directory / "prometheus.log",
            environment={},
            stop_signal=signal.SIGTERM,
        )
        return Server(made, lambda: _check_ready(ports[0]))

    async with serving(1, build) as (_, port):
        address = f"http://{LOCALHOST}:{port}"
        async with httpx2.AsyncClient(base_url=address, timeout=20, trust_env=False) as client:
            yield Prometheus(address=address, client=client, window=window)


async def _check_ready(port: int) -> None:
    try:
        async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
            answer = await client.get(f"http://{LOCALHOST}:{port}/-/ready")
    except httpx2.TransportError as error:
        raise TransientError(f"Prometheus does not answer yet: {error}") from error
    if answer.status_code != 200:  # noqa: PLR2004 - OK
        raise TransientError("Prometheus is not ready yet")
