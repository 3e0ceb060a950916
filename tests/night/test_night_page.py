"""docs/night.md, block by block as it stands but for its port, on a running `make dev`."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from consumer.local.kafka_jars import CHECKOUT
from consumer.local.server import free_ports
from tests.support.patience import PATIENCE
from tests.support.processes import eventually

pytestmark = pytest.mark.night
DEV = "import sys; from pathlib import Path; from consumer.demo.dev import run_dev; sys.exit(run_dev(Path({!r})))"
PAUSED = (
    "UPDATE intake_limit SET paused_at = clock_timestamp(), why = 'the drill', "
    "probe_due = clock_timestamp() + interval '1 day'"
)
"""What a replica writes that has counted too many dead letters."""


@contextmanager
def _started(*arguments: str, folder: Path, said: Path, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    with said.open("wb") as stream:
        process = subprocess.Popen(
            arguments, cwd=folder, env=os.environ | variables, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _blocks(port: int) -> list[str]:
    page = (CHECKOUT / "docs" / "night.md").read_text().replace("8124", str(port))
    return re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


async def _pause_intake(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=PATIENCE)
    await connection.execute(PAUSED)
    await connection.close()


def test_the_five_tasks_of_a_night_are_done_by_the_page_alone(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    setting_up, dev, down, service, retrying, refused, mending, replaying, book, deciding, paying, intake = _blocks(
        port
    )
    (tmp_path / ".venv").symlink_to(sys.prefix)
    said = tmp_path / "dev.log"

    def typed(block: str) -> str:
        ran = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block], cwd=tmp_path, capture_output=True, check=False, timeout=180
        )
        assert ran.returncode == 0, ran.stderr.decode()
        return ran.stdout.decode() + ran.stderr.decode()

    def tells(line: str) -> None:
        assert eventually(lambda: re.search(line, said.read_text(errors="replace")) is not None), said.read_text()

    typed(setting_up)
    assert dev.endswith(" make dev\n")
    catalog = str(tmp_path / dev.removeprefix("CATALOG=").removesuffix(" make dev\n"))
    run_dev = (sys.executable, "-c", DEV.format(str(tmp_path / ".local")))
    with _started(*run_dev, folder=tmp_path, said=said, BROKER="embedded", CATALOG=catalog):
        tells("Ctrl-C ends everything")
        assert "night.fetch" in typed(down)
        tells(r"night\.fetch +pending .*no connection, nothing was sent")
        with _started("sh", "-c", f"exec {service}", folder=tmp_path, said=tmp_path / "rooms.log"):
            assert '"result":"success"' in typed(retrying)
            assert "source_not_allowed" in typed(refused)
            assert "is valid" in typed(mending)
            tells("has changed: it is in force")
            assert '"replayed":' in typed(replaying)
            tells(r"(?s)night\.fetch +resolved .*night\.fetch +resolved")
            typed(book)
            tells(r"night\.book +needs_person")
            assert "is resolved now" in typed(deciding)
        assert "has no wallet" in typed(paying)
        tells(r"reports\.unpaid +resolved")
        dsn = re.search(r"^Postgres +(\S+)$", said.read_text(), re.MULTILINE)
        assert dsn is not None
        asyncio.run(_pause_intake(dsn[1]))
        assert "Every running consumer reads again" in typed(intake)
