"""The wheel, without a checkout: it migrates a database, checks its example catalog, runs, and stops cleanly."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import uuid
import zipfile
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from consumer.local.broker import Broker
from consumer.local.postgres import Postgres
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.shw import environment, kafka_settings

PARTS = ("consumer", "schemas", "migrations", "deploy", "pyproject.toml", "README.md", "LICENSE")
BESIDE_THE_CODE = ("consumer/migrations/101_self_healing_workflows.sql", "schemas/generated/openapi.json")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing is left in the checkout, and install it into a folder of its own."""
    home = tmp_path_factory.mktemp("wheel")
    source, site = home / "source", home / "site"
    source.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, source / part)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(home), str(source)], check=True)
    [wheel] = home.glob("*.whl")
    shutil.rmtree(source)
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)], check=True)
    where = [sys.executable, "-c", "import consumer; print(consumer.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, cwd=site, env={"PYTHONPATH": str(site)})
    assert found.stdout.startswith(str(site)), "it would test the checkout"
    return site


def test_the_kit_of_producers_is_a_wheel_that_needs_nothing_and_has_types(tmp_path: Path) -> None:
    source = tmp_path / "report"
    shutil.copytree(ROOT / "report", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run(build, check=True)
    [path] = tmp_path.glob("shw_report-*-py3-none-any.whl")
    with zipfile.ZipFile(path) as wheel:
        inside = {name for name in wheel.namelist() if "dist-info" not in name}
        [metadata] = [wheel.read(name).decode() for name in wheel.namelist() if name.endswith("METADATA")]
    assert inside == {f"shw_report/{one.name}" for one in (ROOT / "report" / "shw_report").glob("*.[pt]*")}
    assert "Requires-Dist" not in metadata
    assert "Requires-Python: >=3.9" in metadata


@pytest.fixture
async def empty_database(postgres: Postgres) -> AsyncIterator[str]:
    name = f"wheel_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    yield postgres.dsn.rpartition("/")[0] + f"/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def run(site: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> str:
    """Run `shw` of the wheel, from its own folder; it has to end well."""
    ran = await asyncio.to_thread(
        partial(
            subprocess.run,
            [sys.executable, "-m", "consumer", *arguments],
            cwd=site,
            env=environment({"PYTHONPATH": str(site)} | dict(settings or {})),
            capture_output=True,
            check=False,
            text=True,
            timeout=PATIENCE,
        )
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


async def test_the_wheel_migrates_runs_and_stops_without_a_checkout(
    installed: Path, broker: Broker, empty_database: str, tmp_path: Path
) -> None:
    assert all((installed / name).is_file() for name in BESIDE_THE_CODE)
    example = tmp_path / "catalog.yaml"
    example.write_text(await run(installed, "catalog", "example"))
    assert example.read_text() == (ROOT / "deploy" / "catalog.example.yaml").read_text()
    settings = kafka_settings(broker) | {
        "SHW_POSTGRES__DSN": empty_database,
        "SHW_CATALOG": str(example),
        "SHW_API__PORT": "0",
    }
    await run(installed, "migrate", settings=settings)
    await run(installed, "topics", "--partitions", "1", settings=settings)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consumer", "run"),
        cwd=installed,
        env=environment({"PYTHONPATH": str(installed)} | settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    lines: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while b'"partitions_assigned"' not in (line := await process.stdout.readline()):
            assert line, f"it ended: {lines}"
            lines.append(line)
        process.send_signal(signal.SIGTERM)
        rest = await process.stdout.read()
        assert await process.wait() == 0, rest
    events = [json.loads(one)["event"] for one in [*lines, *rest.splitlines()]]
    assert events[-1] == "stopped"
