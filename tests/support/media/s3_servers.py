"""Real S3 servers on this machine: moto as the light default, versitygw (by `make s3`) where it is there."""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.support.paths import ROOT

ACCESS_KEY, SECRET_KEY = "AKIATESTTESTTESTTEST", "sVe7Hn0tAs3cr3tOfAnyb0dyButThisTest00000"
BUCKET = "media"


def versitygw() -> str | None:
    """The program, as SHW_VERSITYGW has it, or `make s3`, or PATH."""
    installed = shutil.which("versitygw", path=str(ROOT / ".local" / "versitygw"))
    return os.environ.get("SHW_VERSITYGW") or installed or shutil.which("versitygw")


@asynccontextmanager
async def moto_server() -> AsyncIterator[int]:
    """Run moto, and give its port."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - a second, which the other tests need not wait

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    await asyncio.to_thread(server.start)
    try:
        _, port = server.get_host_and_port()
        await asyncio.to_thread(_create_bucket, port)
        yield port
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def versitygw_server(program: str, directory: Path) -> AsyncIterator[int]:
    """Run versitygw over a directory, and give its port."""
    port = _free_port()
    env = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY, "PATH": os.environ["PATH"]}
    argv = (program, "--port", f"127.0.0.1:{port}", "posix", str(directory))
    out = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=out, stderr=out)
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(_answers, port):  # noqa: ASYNC110 - another process has no event
                await asyncio.sleep(0.05)
        await asyncio.to_thread(_create_bucket, port)
        yield port
    finally:
        process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def official_client(port: int) -> Iterator[Any]:
    """The official client, which this service does not use: what it sees is there."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    with closing(client):
        yield client


def _create_bucket(port: int) -> None:
    """Create a bucket that everybody may read and nobody but us may write."""
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    policy = {"Version": "2012-10-17", "Statement": [everybody]}
    with official_client(port) as client:
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
