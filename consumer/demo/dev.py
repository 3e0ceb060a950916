"""`shw dev`: the demo's stack and world with a running consumer, until Ctrl-C, and how to reach each part."""

import asyncio
import secrets
import shlex
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from pydantic import SecretStr

from consumer.api.development_tokens import sign_token
from consumer.demo.cases import Case, Wave, demo_cases
from consumer.demo.consumer_process import ConsumerProcess, run_consumer
from consumer.demo.publish import lose_an_answer, open_inbound
from consumer.demo.stage import Stage, run_place
from consumer.demo.state import read_standings
from consumer.local.foreground import run_in_foreground
from consumer.local.kafka_jars import CHECKOUT
from consumer.local.progress import to_stderr
from consumer.model import JsonObject
from consumer.settings import ApiSettings
from schemas.json_text import to_json

LOCAL: Final = CHECKOUT / ".local"
TOKEN_LIFE: Final = timedelta(days=1)
LOOK_EVERY: Final = 1.0
SEEN_WITHIN: Final = timedelta(seconds=20)


def run_dev(local: Path = LOCAL) -> int:
    """Run until Ctrl-C or SIGTERM, then return 0 with nothing left running; 1 when the consumer exited by itself.

    The broker is the one that BROKER names (kafka, auto, or by default embedded). The data last as long as it runs; the
    addresses are in `dev.env` in `local` meanwhile.
    """
    return run_in_foreground(lambda: _dev(Files(local=local)), interrupted=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that development mode writes below the checkout."""

    local: Path

    @property
    def home(self) -> Path:
        """Its own directory."""
        return self.local / "dev"

    @property
    def log(self) -> Path:
        """The consumer's log."""
        return self.home / "consumer.log"

    @property
    def environment(self) -> Path:
        """The settings, as a file for a shell to source."""
        return self.local / "dev.env"

    @property
    def example(self) -> Path:
        """An example failure to publish."""
        return self.home / "failure.json"


async def _dev(files: Files) -> int:
    secret = secrets.token_urlsafe(32)
    async with run_place(files.home) as place:
        settings = {**place.settings, "SHW_API__JWT_SECRET": secret}
        files.log.unlink(missing_ok=True)
        async with run_consumer(settings, files.log) as process, _publish_first_failures(place) as failure_id:
            token = sign_token(ApiSettings(jwt_secret=SecretStr(secret)), place.organisations.owner, TOKEN_LIFE)
            told = {**settings, "SHW_API__PORT": str(process.port), "TOKEN": token}
            async with _environment_file(told, place, files):
                sys.stdout.write(addresses(place, process, files, failure_id))
                sys.stdout.flush()
                return await _wait_for_exit(process)


def addresses(place: Stage, process: ConsumerProcess, files: Files, failure_id: UUID | None) -> str:
    """Describe where everything runs, with command lines ready to copy."""
    api, environment, example = process.address, _relative(files.environment), _relative(files.example)
    kafka, settings = place.kafka.bootstrap, place.kafka
    signed_in = 'curl -s -H "Authorization: Bearer $TOKEN"'
    return f"""
Kafka     {kafka}
Postgres  {place.stack.dsn}
API       {api}/api/healing   (metrics {api}/metrics, health {api}/healthz and {api}/readyz)
log       {_relative(process.log)}

Set SHW_* and TOKEN (an owner of {place.organisations.paying}), here or in another terminal:
  . {environment}

Publish a failure, and read what comes of it:
  .venv/bin/shw publish --file {example}
  kcat -P -b {kafka} -t {settings.failures_topic} {example}
  kcat -C -e -o beginning -b {kafka} -t {settings.results_topic}

Ask the API:
  {signed_in} {api}/api/healing/failures
  {signed_in} {api}/api/healing/stats
  {signed_in} -H 'Content-Type: application/json' -d '{{"failureId":"{failure_id}"}}' {api}/api/healing/heal

Ctrl-C ends everything.
"""


@asynccontextmanager
async def _publish_first_failures(place: Stage) -> AsyncIterator[UUID | None]:
    """Publish the demo's first failures, so that there is something to look at; yields one that is worth a retry."""
    cases = [case for case in demo_cases(place.world, place.organisations) if case.wave is Wave.FIRST]
    async with open_inbound(place.kafka, place.connection, place.organisations) as inbound:
        await lose_an_answer(place.world)
        await inbound.bring(cases)
    yield await _wait_for_row(place, "archive.dead")


async def _wait_for_row(place: Stage, name: str) -> UUID | None:
    """Wait until a failure has its row and return its id; None on timeout."""
    try:
        async with asyncio.timeout(SEEN_WITHIN.total_seconds()):
            while True:
                standings = await read_standings(place.connection)
                found = next((one.id for one in standings if one.name == name), None)
                if found is not None:
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        return None


@asynccontextmanager
async def _environment_file(variables: Mapping[str, str], place: Stage, files: Files) -> AsyncIterator[None]:
    """Write the addresses to a file that a shell can source and only this user can read: it contains passwords."""
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    case = demo_cases(place.world, place.organisations)[0]
    await asyncio.to_thread(_write_files, files, lines, case)
    try:
        yield
    finally:
        files.environment.unlink(missing_ok=True)


def _write_files(files: Files, lines: str, case: Case) -> None:
    files.environment.unlink(missing_ok=True)
    files.environment.touch(mode=0o600)
    files.environment.write_text(lines)
    # The data without an envelope: published again it is a new failure, since nothing in it identifies a duplicate.
    data: JsonObject = {
        "org_id": str(case.org_id),
        "workflow_name": case.name,
        "failure_reason": case.reason,
        "context": case.context,
    }
    files.example.write_bytes(to_json(data))


async def _wait_for_exit(process: ConsumerProcess) -> int:
    while process.is_running:  # noqa: ASYNC110 - another process's end has no event
        await asyncio.sleep(LOOK_EVERY)
    to_stderr(f"The consumer ended by itself; why stands at the end of its log: {process.log}")
    return 1


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
