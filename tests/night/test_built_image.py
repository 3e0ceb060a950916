"""The image as it is built: its size, what it says it consists of, a start without rights on a read-only root."""

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest

from consumer.demo.stage import run_place
from consumer.local.server import LOCALHOST, free_ports

pytestmark = [pytest.mark.night, pytest.mark.timeout(3600)]
IMAGE: Final = "localhost/self-healing-workflows:0.1.0"
LARGEST: Final = 250_000_000
"""Bytes of the whole tree."""
READY_WITHIN: Final = 5.0
"""Seconds of the processor's time from the start to the first ready answer: what a machine that is idle takes."""
# A mount namespace of its own, in which the tree cannot be written, and nothing but /tmp can.
_INSIDE: Final = """
mount --bind {tree} {tree} && mount -o remount,ro,bind {tree} && mount -t tmpfs tmpfs {tree}/tmp
mount -t proc proc {tree}/proc && mount --rbind /dev {tree}/dev && cp {catalog} {tree}/tmp/catalog.yaml
exec chroot --userspec=10001:10001 {tree} /usr/bin/env -i {settings} {command}
"""


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """The image's files, mounted."""
    if shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("needs root and buildah: apt-get install buildah")
    if subprocess.run(["buildah", "inspect", "--type", "image", IMAGE], check=False, capture_output=True).returncode:
        pytest.skip(f"there is no {IMAGE}: deploy/image/build.sh builds it")
    container = _output("buildah", "from", "--pull-never", IMAGE)
    try:
        yield Path(_output("buildah", "mount", container))
    finally:
        subprocess.run(["buildah", "rm", container], check=True, capture_output=True)


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def test_it_is_small_and_says_what_it_consists_of(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = sum(path.lstat().st_size for path in tree.rglob("*") if not path.is_dir())
    with capsys.disabled():
        sys.stdout.write(f"\n{size / 1e6:.0f} MB\n")
    assert size <= LARGEST
    told = tree / "usr" / "share" / "self-healing-workflows"
    parts = {part["name"] for part in json.loads((told / "sbom.cdx.json").read_text())["components"]}
    installed = {path.name.split("-")[0] for path in (tree / "opt").glob("*/lib/*/site-packages/*.dist-info")}
    assert {name.lower().replace("_", "-") for name in installed} == parts
    assert len((told / "licences.txt").read_text().splitlines()) == len(parts)


def health_check() -> list[str]:
    """Return the command by which an engine asks a container of the image for its health."""
    config = json.loads(_output("buildah", "inspect", "--type", "image", IMAGE))["Docker"]["config"]
    command: list[str] = config["Healthcheck"]["Test"]
    assert command[0] == "CMD"
    return command[1:]


@asynccontextmanager
async def inside(tree: Path, command: str, settings: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command of the image as a container does."""
    given = settings | {"SHW_CATALOG": "/tmp/catalog.yaml", "PYTHONDONTWRITEBYTECODE": "1"}
    words = " ".join(shlex.quote(f"{name}={value}") for name, value in given.items())
    words = f"PATH=/opt/self-healing-workflows/bin:/usr/bin {words}"
    script = _INSIDE.format(tree=tree, catalog=settings["SHW_CATALOG"], settings=words, command=command)
    started = await asyncio.create_subprocess_exec("unshare", "--mount", "sh", "-ec", script)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGTERM)
            await started.wait()


async def test_it_starts_soon_without_rights_on_a_root_that_it_cannot_write(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with run_place(tmp_path) as place:
        port = free_ports(1)[0]
        settings = {**place.settings, "SHW_API__PORT": str(port)}
        async with inside(tree, "shw migrate", settings) as migrating:
            assert await migrating.wait() == 0
        began = time.monotonic()
        async with inside(tree, "shw run", settings) as running:
            await _ready(port)
            took = time.monotonic() - began
            used = _processor_seconds(running.pid)
            with capsys.disabled():
                sys.stdout.write(f"\nready after {took:.1f} s, {used:.1f} s of them of the processor\n")
            status = await asyncio.to_thread(Path(f"/proc/{running.pid}/status").read_text)
            async with inside(tree, shlex.join(health_check()), settings) as asking:
                assert await asking.wait() == 0
        assert "Uid:\t10001\t10001" in status
        assert "CapEff:\t0000000000000000" in status
        assert running.returncode == 0
    assert used <= READY_WITHIN


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


async def _ready(port: int) -> None:
    async with asyncio.timeout(300), httpx2.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"http://{LOCALHOST}:{port}/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
