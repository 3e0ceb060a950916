"""`shw dev`: the demo's stack and world with a running consumer, until Ctrl-C, and how to reach each part.

`shw console --demo` is the same under a shorter text: the address of the console, and what signs in there.
"""

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
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
from consumer.demo.dev_files import Files, running_alone, short_path
from consumer.demo.merged_catalog import merged_catalog
from consumer.demo.orders import SERVICE as ORDERS
from consumer.demo.orders import sync_orders
from consumer.demo.publish import Inbound, lose_an_answer, open_inbound
from consumer.demo.refunds import refund_cases
from consumer.demo.stage import KeptPlace, Stage, run_place
from consumer.demo.stalls import stall_cases
from consumer.demo.state import DemoFailure, read_standings
from consumer.errors import ConfigError
from consumer.local.broker import BrokerKind
from consumer.local.foreground import run_in_foreground
from consumer.local.kafka_jars import CHECKOUT
from consumer.local.progress import to_stderr
from consumer.local.stack import KeptStack
from consumer.model import JsonObject
from consumer.settings import ApiSettings, setting_names
from schemas.json_text import to_json
from schemas.printable import escape_line

LOCAL: Final = CHECKOUT / ".local"
TOKEN_LIFE: Final = timedelta(days=1)
LOOK_EVERY: Final = 1.0
SEEN_WITHIN: Final = timedelta(seconds=20)
ORGANISATION: Final = UUID("6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f")
"""The organisation of README's examples, which pays here."""
API_PORT: Final = 8080
WORLD_PORT: Final = 18_080
"""Of the orders service; the demo's other services have the ports after it."""
LONGEST_LINE: Final = 160


def run_dev(local: Path = LOCAL, *, is_for_console: bool = False) -> int:
    """Run until Ctrl-C or SIGTERM, then return 0 with nothing left running; 1 when the consumer exited by itself.

    The broker is the one that BROKER names (kafka, embedded, or by default auto: Apache Kafka where it can run).
    CATALOG names a catalog whose entries come before the demo's, and which is read again when it changes. The data are
    kept for the next start; the addresses are in `dev.env` in `local` while it runs. For the console nothing else is
    printed.
    """
    return run_in_foreground(lambda: _dev(Files(local=local), is_for_console=is_for_console), interrupted=0)


def reset_dev(local: Path = LOCAL) -> int:
    """Delete what development mode keeps, so that it begins anew; 0, or 1 while it runs."""
    return run_in_foreground(lambda: _reset(Files(local=local)))


async def _reset(files: Files) -> int:
    with running_alone(files):
        files.reset()
    sys.stdout.write("Deleted the database, the topics and the token's secret: the next start begins anew.\n")
    return 0


async def _dev(files: Files, *, is_for_console: bool) -> int:
    _refuse_settings(os.environ)
    mine = _own_catalog(os.environ)
    with running_alone(files):
        return await _run(files, mine, is_for_console=is_for_console)


async def _run(files: Files, mine: "OwnCatalog | None", *, is_for_console: bool) -> int:
    secret = await asyncio.to_thread(files.read_secret)
    text = "" if mine is None else mine.read()
    stack = KeptStack(database=files.database, broker=files.broker)
    kept = KeptPlace(stack=stack, first_port=WORLD_PORT, paying=ORGANISATION)
    async with run_place(files.home, kept, mine=text) as place:
        settings = {**place.settings, "SHW_API__JWT_SECRET": secret}
        files.log.unlink(missing_ok=True)
        async with (
            run_consumer(settings, files.log, preferred_port=API_PORT) as process,
            open_inbound(place.kafka, place.connection, place.organisations) as inbound,
        ):
            before = await read_standings(place.connection)
            failure_id = await _publish_first_failures(place, inbound, before)
            token = sign_token(ApiSettings(jwt_secret=SecretStr(secret)), place.organisations.owner, TOKEN_LIFE)
            told = {**settings, "SHW_API__PORT": str(process.port), "TOKEN": token}
            async with _environment_file(told, place, files):
                if is_for_console:
                    sys.stdout.write(console_address(process, token))
                else:
                    sys.stdout.write(addresses(place, process, files, failure_id))
                sys.stdout.flush()
                teller = Teller(place=place, files=files, mine=mine, is_quiet=is_for_console)
                async with _orders_come_in(place, inbound):
                    return await teller.tell_until_exit(process, before)


@asynccontextmanager
async def _orders_come_in(place: Stage, inbound: Inbound) -> AsyncIterator[None]:
    """Have a client call the orders service, and publish what fails, until the block ends."""
    async with asyncio.TaskGroup() as tasks:
        syncing = tasks.create_task(sync_orders(place.world, inbound, place.organisations.paying))
        yield
        syncing.cancel()


def _refuse_settings(environment: Mapping[str, str]) -> None:
    """Refuse to start under settings that would not count: development mode brings its own."""
    known = setting_names()
    if given := sorted({*known, *(f"{name}_FILE" for name in known)} & environment.keys()):
        raise ConfigError(
            f"{', '.join(given)} is set, and development mode makes its own settings. Unset it; a catalog of your own "
            "is given with CATALOG=my.yaml make dev."
        )


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
    api, environment, example = process.address, short_path(files.environment), short_path(files.example)
    kafka = place.kafka.bootstrap
    signed_in = 'curl -s -H "Authorization: Bearer $TOKEN"'
    return f"""
Kafka     {kafka}
Postgres  {place.stack.dsn}
Console   {api}/   (sign in with TOKEN)
API       {api}/api/healing   (metrics {api}/metrics, health {api}/healthz and {api}/readyz)
log       {short_path(process.log)}

API docs  {api}/api/healing/openapi.json
orders    {place.world.url(ORDERS, "/v1/orders/17")}   (a service that hangs up on the first calls about each order)

Set SHW_* and TOKEN (an owner of {place.organisations.paying}), here or in another terminal:
  . {environment}

Publish a failure, and read what comes of it:
  .venv/bin/shw publish --file {example}
{_kcat(place, example)}
Ask the API:
  {signed_in} {api}/api/healing/failures
  {signed_in} {api}/api/healing/stats
  {signed_in} -H 'Content-Type: application/json' -d '{{"failureId":"{failure_id}"}}' {api}/api/healing/heal

Ctrl-C ends everything; all is kept for the next start, until `make dev-reset`{_but_topics(place)}.
Below: a line for each failure, whenever it stands elsewhere. A client of the orders service
marks one as paid every minute.
"""


def console_address(process: ConsumerProcess, token: str) -> str:
    """Describe where the console is, and what signs in there."""
    return f"""
The console over the demo's failures is at  {process.address}/

Sign in with this token, of an owner; it is good for a day:
{token}

Plans of `refunds.*` wait there for a yes or a no. Ctrl-C ends everything, and keeps it: `make dev-reset` begins anew.
"""


def _kcat(place: Stage, example: str) -> str:
    if not _is_kafka(place):
        return "  (kcat and confluent-kafka read Apache Kafka only: with Java and Maven, BROKER=kafka make dev)\n"
    to, kafka = place.kafka, place.kafka.bootstrap
    return (
        f"  kcat -P -b {kafka} -t {to.failures_topic} {example}\n"
        f"  kcat -C -e -o beginning -b {kafka} -t {to.results_topic}\n"
    )


def _but_topics(place: Stage) -> str:
    return "" if _is_kafka(place) else " (but the embedded broker's topics, which are empty at each start)"


def _is_kafka(place: Stage) -> bool:
    return place.stack.broker is not None and place.stack.broker.kind is BrokerKind.KAFKA


async def _publish_first_failures(place: Stage, inbound: Inbound, before: Sequence[DemoFailure]) -> UUID | None:
    """Publish the demo's first failures where nothing is there to look at; return one that is worth a retry."""
    if not before:
        await lose_an_answer(place.world)
        paying = place.organisations.paying
        cases = [case for case in demo_cases(place.world, place.organisations) if case.wave is Wave.FIRST]
        await inbound.bring([*cases, *refund_cases(place.world, paying), *stall_cases(paying), *asset_cases(paying)])
    return await _wait_for_row(place, "archive.dead")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Prints what becomes of each failure, and takes over changes of the user's catalog."""

    place: Stage
    files: Files
    mine: OwnCatalog | None
    is_quiet: bool

    async def tell_until_exit(self, process: ConsumerProcess, before: Sequence[DemoFailure]) -> int:
        """Print lines until the consumer exits by itself, and return 1; `before` are told once they change."""
        told = {one.id: _line_of(one) for one in before}
        place, mine = self.place, self.mine
        while process.is_running:
            for one in () if self.is_quiet else await read_standings(place.connection):
                if told.get(one.id) != (line := _line_of(one)):
                    told[one.id] = line
                    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
            if mine is not None and (said := mine.merge_changes(place.catalog, self.files.catalog)) is not None:
                sys.stdout.write(f"{said}\n")
            sys.stdout.flush()
            await asyncio.sleep(LOOK_EVERY)
        to_stderr(f"The consumer ended by itself; why stands at the end of its log: {process.log}")
        return 1


def _line_of(one: DemoFailure) -> str:
    """Return where a failure stands: what it was taken for, who acted, what came of it, and what proves that."""
    came = f"{one.strategy} {one.result} {one.code}".rstrip() if one.result else one.strategy
    taken_for = f"{one.failure_type}, {one.disposition}: {came}" if one.failure_type else "not diagnosed yet"
    proof = f" ({one.evidence})" if one.result and one.evidence else ""
    line = f"{one.name:<20} {one.status:<12} {taken_for}".rstrip(" :") + proof
    return escape_line(line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…")
