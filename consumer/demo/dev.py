"""`shw dev`: the demo's stack and world with a running consumer, until Ctrl-C, and how to reach each part.

`shw console --demo` is the same under a shorter text: the address of the console, and what signs in there.
"""

import asyncio
import fcntl
import os
import secrets
import shlex
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from pydantic import SecretStr

from consumer.api.development_tokens import sign_token
from consumer.demo.assets import asset_cases
from consumer.demo.cases import Case, Wave, demo_cases
from consumer.demo.consumer_process import ConsumerProcess, run_consumer
from consumer.demo.merged_catalog import merged_catalog
from consumer.demo.publish import lose_an_answer, open_inbound
from consumer.demo.refunds import refund_cases
from consumer.demo.stage import Stage, run_place
from consumer.demo.stalls import stall_cases
from consumer.demo.state import DemoFailure, read_standings
from consumer.errors import ConfigError
from consumer.local.broker import BrokerKind
from consumer.local.foreground import run_in_foreground
from consumer.local.kafka_jars import CHECKOUT
from consumer.local.progress import to_stderr
from consumer.local.stack import BrokerChoice
from consumer.model import JsonObject
from consumer.settings import ApiSettings, setting_names
from schemas.json_text import to_json
from schemas.printable import escape_line

LOCAL: Final = CHECKOUT / ".local"
TOKEN_LIFE: Final = timedelta(days=1)
LOOK_EVERY: Final = 1.0
SEEN_WITHIN: Final = timedelta(seconds=20)
ORGANISATION: Final = UUID("6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f")
"""The organisation of README's examples, which pays here at each start."""


def run_dev(local: Path = LOCAL, *, is_for_console: bool = False) -> int:
    """Run until Ctrl-C or SIGTERM, then return 0 with nothing left running; 1 when the consumer exited by itself.

    The broker is the one that BROKER names (kafka, embedded, or by default auto: Apache Kafka where it can run).
    CATALOG names a catalog whose entries come before the demo's, and which is read again when it changes. The data last
    as long as it runs; the addresses are in `dev.env` in `local` meanwhile. For the console nothing else is printed.
    """
    return run_in_foreground(lambda: _dev(Files(local=local), is_for_console=is_for_console), interrupted=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that development mode writes below the checkout."""

    local: Path

    @property
    def home(self) -> Path:
        """Its own directory."""
        return self.local / "dev"

    @property
    def lock(self) -> Path:
        """Held while it runs."""
        return self.home / "lock"

    @property
    def catalog(self) -> Path:
        """The catalog that the service reads."""
        return self.home / "catalog.yaml"

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


async def _dev(files: Files, *, is_for_console: bool) -> int:
    _refuse_settings(os.environ)
    mine = _own_catalog(os.environ)
    with _running_alone(files):
        return await _run(files, mine, is_for_console=is_for_console)


async def _run(files: Files, mine: "OwnCatalog | None", *, is_for_console: bool) -> int:
    secret = secrets.token_urlsafe(32)
    text = "" if mine is None else mine.read()
    async with run_place(files.home, otherwise=BrokerChoice.AUTO, paying=ORGANISATION, mine=text) as place:
        settings = {**place.settings, "SHW_API__JWT_SECRET": secret}
        files.log.unlink(missing_ok=True)
        async with run_consumer(settings, files.log) as process, _publish_first_failures(place) as failure_id:
            token = sign_token(ApiSettings(jwt_secret=SecretStr(secret)), place.organisations.owner, TOKEN_LIFE)
            told = {**settings, "SHW_API__PORT": str(process.port), "TOKEN": token}
            async with _environment_file(told, place, files):
                if is_for_console:
                    sys.stdout.write(console_address(process, token))
                else:
                    sys.stdout.write(addresses(place, process, files, failure_id))
                sys.stdout.flush()
                return await _tell_until_exit(process, place, mine, files, is_quiet=is_for_console)


def _refuse_settings(environment: Mapping[str, str]) -> None:
    """Refuse to start under settings that would not count: development mode brings its own."""
    if given := sorted(set(setting_names()) & environment.keys()):
        raise ConfigError(
            f"{', '.join(given)} is set, and development mode makes its own settings. Unset it; a catalog of your own "
            "is given with CATALOG=my.yaml make dev."
        )


@contextmanager
def _running_alone(files: Files) -> Iterator[None]:
    """Hold the lock of this checkout; a second start would take the first one's catalog and addresses away."""
    files.home.mkdir(parents=True, exist_ok=True)
    with files.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise ConfigError(
                f"development mode runs already (process {lock.read().strip()}); its addresses are in "
                f"{_relative(files.environment)}. End it with Ctrl-C first."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@dataclass(slots=True)
class OwnCatalog:
    """A catalog of the user's own, and what was last read of it."""

    path: Path
    text: str = ""

    def read(self) -> str:
        """Return its text."""
        try:
            self.text = self.path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"CATALOG={self.path} cannot be read: {error}") from error
        return self.text

    def merge_changes(self, demos: str, into: Path) -> str | None:
        """Write the merged catalog anew where the file has changed; return what to tell, None where it is the same."""
        before = self.text
        try:
            if self.read() == before:
                return None
            into.write_text(merged_catalog(self.text, demos))
        except ConfigError as error:
            return f"{error}. The one before stays in force."
        return f"{self.path} has changed: it is in force within seconds."


def _own_catalog(environment: Mapping[str, str]) -> OwnCatalog | None:
    path = environment.get("CATALOG")
    return OwnCatalog(Path(path)) if path else None


def addresses(place: Stage, process: ConsumerProcess, files: Files, failure_id: UUID | None) -> str:
    """Describe where everything runs, with command lines ready to copy."""
    api, environment, example = process.address, _relative(files.environment), _relative(files.example)
    kafka = place.kafka.bootstrap
    signed_in = 'curl -s -H "Authorization: Bearer $TOKEN"'
    return f"""
Kafka     {kafka}
Postgres  {place.stack.dsn}
Console   {api}/   (sign in with TOKEN)
API       {api}/api/healing   (metrics {api}/metrics, health {api}/healthz and {api}/readyz)
log       {_relative(process.log)}

OpenAPI   {api}/api/healing/openapi.json

Set SHW_* and TOKEN (an owner of {place.organisations.paying}), here or in another terminal:
  . {environment}

Publish a failure, and read what comes of it:
  .venv/bin/shw publish --file {example}
{_kcat(place, example)}
Ask the API:
  {signed_in} {api}/api/healing/failures
  {signed_in} {api}/api/healing/stats
  {signed_in} -H 'Content-Type: application/json' -d '{{"failureId":"{failure_id}"}}' {api}/api/healing/heal

Ctrl-C ends everything. Below: a line for each failure, whenever it stands elsewhere.
"""


def console_address(process: ConsumerProcess, token: str) -> str:
    """Describe where the console is, and what signs in there."""
    return f"""
The console over the demo's failures is at  {process.address}/

Sign in with this token, of an owner; it is good for a day:
{token}

Plans of `refunds.*` wait there for a yes or a no. Ctrl-C ends everything.
"""


def _kcat(place: Stage, example: str) -> str:
    if place.stack.broker is None or place.stack.broker.kind is not BrokerKind.KAFKA:
        return "  (kcat and confluent-kafka read Apache Kafka only: with Java and Maven, BROKER=kafka make dev)\n"
    to, kafka = place.kafka, place.kafka.bootstrap
    return (
        f"  kcat -P -b {kafka} -t {to.failures_topic} {example}\n"
        f"  kcat -C -e -o beginning -b {kafka} -t {to.results_topic}\n"
    )


@asynccontextmanager
async def _publish_first_failures(place: Stage) -> AsyncIterator[UUID | None]:
    """Publish the demo's first failures, so that there is something to look at; yields one that is worth a retry."""
    paying = place.organisations.paying
    cases = [case for case in demo_cases(place.world, place.organisations) if case.wave is Wave.FIRST]
    cases += [*refund_cases(place.world, paying), *stall_cases(paying), *asset_cases(paying)]
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


async def _tell_until_exit(
    process: ConsumerProcess, place: Stage, mine: OwnCatalog | None, files: Files, *, is_quiet: bool
) -> int:
    told: dict[UUID, str] = {}
    while process.is_running:
        for one in () if is_quiet else await read_standings(place.connection):
            if told.get(one.id) != (line := _line_of(one)):
                told[one.id] = line
                sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
        if mine is not None and (said := mine.merge_changes(place.catalog, files.catalog)) is not None:
            sys.stdout.write(f"{said}\n")
        sys.stdout.flush()
        await asyncio.sleep(LOOK_EVERY)
    to_stderr(f"The consumer ended by itself; why stands at the end of its log: {process.log}")
    return 1


def _line_of(one: DemoFailure) -> str:
    """Return where a failure stands: what it was taken for, who acted, and what came of it."""
    came = f"{one.strategy} {one.result} {one.code}" if one.result else one.strategy
    taken_for = f"{one.failure_type}, {one.disposition}: {came}" if one.failure_type else "not diagnosed yet"
    return escape_line(f"{one.name:<20} {one.status:<12} {taken_for}".rstrip(" :"))


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
