"""Orders in a simulation: signed commands in each machine's mail, and the statements of orders on the model.

The product's own code reads, judges, carries out and answers them, and does bulks slice by slice. A transaction is a
body that is never suspended, between two trips over the line; whatever a body raises leaves nothing of it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from prometheus_client import CollectorRegistry

from consumer.api.tokens import LEEWAY
from consumer.commands.keys import CommandKey, CommandKeys
from consumer.errors import TransientError
from consumer.event_loop import wait_for_event
from consumer.metrics import Metrics
from consumer.model import Failure, FailureId, JsonObject, Message, MicroAud, OrgId, OwnerId, Record
from consumer.model.bulk import SLICE, BulkCounts, FrozenFailure, ItemOutcome, RunningBulk, bulk_id_of
from consumer.model.command import CommandId, Executed, KeptCommand, Order
from consumer.model.decision import DecisionRequest
from consumer.model.edit import EditRefused, edit_context
from consumer.pipeline.bulk import BulkRunner
from consumer.pipeline.commands import CommandStage
from consumer.settings import CommandSettings
from consumer.store import bulk, commands, edits, heal_requests, outbox
from consumer.store.decisions import DecisionMade, TellChange, decide
from consumer.store.edits import IN_DOUBT, UNDER_WAY, EditMade
from consumer.store.heal_requests import HealAsked, HealRequestResult
from consumer.store.outbox import PERSON
from consumer.store.pool import transaction
from schemas.bulk import Bulk, BulkFilter
from schemas.edit import Edit
from schemas.names import BulkState, CommandOutcome, Result, Status
from tests.support.commander import AUDIENCE, Commander
from tests.support.simulation.loop import EPOCH
from tests.support.simulation.statements import Line
from tests.support.simulation.store import PARKED, ModelStore, Row

MAOS: Final = Commander.new()
VALID_FOR: Final = 20.0
"""Seconds between the `iat` and the `exp` of a command."""
STANDS_STILL: Final = 95.0
"""Seconds that a process may stand still, or wait for its database, between judging a command and carrying it out."""
EXPIRED_AFTER: Final = VALID_FOR + LEEWAY.total_seconds() + STANDS_STILL
"""Seconds after which a command that was not carried out never is."""
LOOKS: Final = timedelta(seconds=1)
"""Between two looks of a machine at its mail."""
_ENDED: Final = (Status.RESOLVED, Status.GIVEN_UP, Status.NEEDS_PERSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenBulk:
    """One row of `heal_bulk`, with its items by their place."""

    running: RunningBulk
    state: BulkState
    due: float
    items: Mapping[int, FrozenFailure]
    done: Mapping[int, ItemOutcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What an order did to a failure, by the name of who asked for it."""

    by: str
    failure_id: FailureId
    at: float
    """By the world's time."""


@dataclass(slots=True, kw_only=True)
class OrderTables:
    """What stands of orders, beside the other tables."""

    kept: dict[CommandId, KeptCommand] = field(default_factory=dict)
    bulks: dict[UUID, FrozenBulk] = field(default_factory=dict)
    carried: tuple[Carried, ...] = ()
    """What orders did to failures, in its order."""


@dataclass(frozen=True, slots=True)
class ModelConnection:
    """A transaction's connection: what the model does not know is refused."""

    store: ModelStore
    orders: OrderTables

    def is_closed(self) -> bool:
        """Return False: a line that breaks is told by its transaction."""
        return False

    def execute(self, *_: object, **__: object) -> None:
        """Refuse what the model does not know."""
        raise NotImplementedError("a statement that tests/support/simulation/orders.py lacks: add it there")

    fetch = fetchrow = fetchval = execute

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All of it, or nothing."""
        orders = self.orders
        before = dict(orders.kept), dict(orders.bulks), orders.carried
        with self.store.savepoint():
            try:
                yield
            except BaseException:
                orders.kept, orders.bulks, orders.carried = before
                raise

    def carry(self, by: str, failure_id: FailureId) -> None:
        """Note what is done to a failure, and by whom."""
        one = Carried(by=by, failure_id=failure_id, at=self.store.world_now())
        self.orders.carried = (*self.orders.carried, one)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.store.now())


@dataclass(slots=True, kw_only=True)
class Mail:
    """Commands on their way to a machine; they outlive it, as a partition does its reader."""

    waiting: deque[bytes] = field(default_factory=deque)


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Signs commands, and remembers until when each may be carried out, and what its bulks are to hold."""

    orders: OrderTables = field(default_factory=OrderTables)
    until: dict[str, float] = field(default_factory=dict)
    """By who asks, of which each command has one of its own."""
    frozen: dict[UUID, frozenset[FailureId]] = field(default_factory=dict)
    on_the_way: int = 0

    def sign(self, now: float, command: Mapping[str, Any]) -> bytes:
        """Sign a command, under a name and an asker of its own."""
        name = f"c{len(self.until)}"
        self.until[f"{name} ({MAOS.issuer})"] = now + EXPIRED_AFTER
        at = int((EPOCH + timedelta(seconds=now)).timestamp())
        claims = {"iss": MAOS.issuer, "aud": AUDIENCE, "iat": at, "exp": at + VALID_FOR, "jti": name}
        return MAOS.sign(claims | {"command": {**command, "issued_by": name}})

    def next_bulk(self) -> UUID:
        """Give the id of the bulk that the next command freezes."""
        return bulk_id_of(CommandId(issuer=MAOS.issuer, id=f"c{len(self.until)}"))

    @asynccontextmanager
    async def transaction(self, line: Line) -> AsyncIterator[ModelConnection]:
        """Stand in for `store.pool.transaction`."""
        await line.ask(lambda _: None)
        connection = ModelConnection(line.store, self.orders)
        with connection.whole():
            yield connection
        for one, frozen in self.orders.bulks.items():
            self.frozen.setdefault(one, frozenset(item.failure_id for item in frozen.items.values()))
        await line.ask(lambda _: None)  # its answer may be lost, whatever was committed

    async def obey(self, runner: BulkRunner, mail: Mail, stop: asyncio.Event) -> None:
        """Stand in for the loops of bulks and commands: both as they are, and neither while there is nothing to do."""
        stage = self._stage(runner)
        while not stop.is_set():
            while mail.waiting:
                await stage.take([Record(value=mail.waiting[0], **_PLACE)])
                mail.waiting.popleft()
            is_running = any(one.state is BulkState.RUNNING for one in self.orders.bulks.values())
            if is_running:
                await do_slice(runner)
            await wait_for_event(stop, LOOKS)

    def _stage(self, runner: BulkRunner) -> CommandStage:
        entry = CommandKey.model_validate(MAOS.entry())
        return CommandStage(
            pool=runner.pool,
            owner=runner.owner,
            keys=CommandKeys(path=None, entries={entry.id: entry}),
            settings=CommandSettings(),
            publisher=runner.publisher,
            outlet=runner.outlet,
            metrics=Metrics(CollectorRegistry()),
            price=runner.price,
            change=_no_changes,
            wake=runner.wake,
        )


_PLACE: Final[Mapping[str, Any]] = {
    "topic": "commands",
    "partition": 0,
    "offset": 0,
    "timestamp_ms": 0,
    "key": None,
    "headers": (),
}


async def do_slice(runner: BulkRunner) -> None:
    """Do the slice that is due; what fails for now is done later, as the loop has it."""
    with suppress(TransientError):
        await runner.step()


async def _no_changes(failure: Failure, changes: JsonObject) -> str:  # noqa: ARG001 - as the product calls it
    return "nothing is changed here"


# commands.py


async def reserve(connection: ModelConnection, order: Order) -> KeptCommand | None:
    return connection.orders.kept.get(order.id)


async def kept_command(connection: ModelConnection, name: CommandId) -> KeptCommand | None:
    return connection.orders.kept.get(name)


async def conclude(connection: ModelConnection, order: Order, executed: Executed) -> KeptCommand:
    kept = KeptCommand(
        id=order.id, facts=order.facts, digest=order.digest, executed=executed, decided_at=connection.now()
    )
    connection.orders.kept[order.id] = kept
    return kept


@asynccontextmanager
async def savepoint(connection: ModelConnection, lock_wait: timedelta) -> AsyncIterator[None]:
    del lock_wait
    with connection.whole():
        yield


async def organisation_of(connection: ModelConnection, failure_id: FailureId) -> OrgId | None:
    row = connection.store.tables.failures.get(failure_id)
    return row.failure.org_id if row is not None else None


async def database_time(connection: ModelConnection) -> datetime:
    return connection.now()


# outbox.py


async def put(connection: ModelConnection, owner: OwnerId, messages: Sequence[Message]) -> None:
    connection.store.post(owner, messages)


async def put_for_sweeper(connection: ModelConnection, messages: Sequence[Message]) -> None:
    connection.store.post(PERSON, messages)


# decisions.py, heal_requests.py, edits.py


async def decided(
    connection: ModelConnection, failure_id: FailureId, request: DecisionRequest, tell: TellChange
) -> DecisionMade:
    del tell
    connection.carry(request.by, failure_id)
    live = any(c.failure_id == failure_id and c.owner != PARKED for c in connection.store.tables.claims.values())
    return DecisionMade(ruling=connection.store.decide(failure_id, request.decision), revoked=live)


async def ask_heal(connection: ModelConnection, failure_id: FailureId, *, by: str) -> HealAsked:
    connection.carry(by, failure_id)
    connection.store.ask_heal(failure_id)
    row = connection.store.tables.failures[failure_id]
    match row.status:
        case Status.RESOLVED:
            return HealAsked(result=HealRequestResult.RESOLVED)
        case Status.AWAITING_APPROVAL:
            return HealAsked(result=HealRequestResult.AWAITING_APPROVAL)
        case Status.PENDING | Status.DEFERRED:
            return HealAsked(result=HealRequestResult.DUE, step=row.failure.step)
        case _:
            return HealAsked(result=HealRequestResult.NEEDS_PERSON)


async def edit_failure(
    connection: ModelConnection, failure_id: FailureId, edit: Edit, tell: TellChange, *, by: str, token: str
) -> EditMade:
    del tell
    row = connection.store.tables.failures[failure_id]
    refusal = refuses_edit(connection.store, row, edit)
    if refusal is not None:
        return EditMade(refusal=refusal)
    try:
        edited = edit_context(row.failure.context, edit, token)
    except EditRefused as error:
        return EditMade(refusal=str(error))
    connection.carry(by, failure_id)
    return EditMade(step=connection.store.edit(failure_id, edited.context))


def refuses_edit(store: ModelStore, row: Row, edit: Edit) -> str | None:
    """Say why an edit changes nothing."""
    owners = [claim.owner for claim in store.tables.claims.values() if claim.failure_id == row.failure.id]
    if row.status is Status.RESOLVED:
        return "it is resolved already"
    if any(owner != PARKED for owner in owners):
        return UNDER_WAY
    key_in_doubt = row.failure.ladder_progress.in_doubt is not None
    in_doubt = bool(owners) or row.failure.effect_in_doubt or row.effect_made or key_in_doubt
    return IN_DOUBT if in_doubt and not edit.did_not_happen else None


# bulk.py


async def find(
    connection: ModelConnection, org_id: UUID | None, wanted: BulkFilter
) -> tuple[list[tuple[FailureId, OrgId]], Counter[str]]:
    rows = [
        row.failure
        for _, row in sorted(connection.store.tables.failures.items())
        if org_id in (None, row.failure.org_id) and row.status in wanted.statuses
    ]
    return [(one.id, one.org_id) for one in rows], Counter(one.workflow_name for one in rows)


async def freeze(
    connection: ModelConnection,
    bulk_id: UUID,
    command: Bulk,
    by: str,
    found: Sequence[tuple[FailureId, OrgId]],
    cost: MicroAud | None,
) -> None:
    del cost
    running = RunningBulk(
        id=bulk_id,
        org_id=OrgId(command.org_id) if command.org_id is not None else None,
        action=command.action,
        reason=command.reason,
        issued_by=by,
        rate=command.rate,
        told=0,
    )
    items = {
        place: FrozenFailure(place=place, failure_id=failure_id, org_id=org_id)
        for place, (failure_id, org_id) in enumerate(found, start=1)
    }
    connection.orders.bulks[bulk_id] = FrozenBulk(running=running, state=BulkState.PREVIEWED, due=0.0, items=items)


async def bulk_state(connection: ModelConnection, bulk_id: UUID) -> tuple[BulkState, OrgId | None] | None:
    one = connection.orders.bulks.get(bulk_id)
    return (one.state, one.running.org_id) if one is not None else None


async def turn(connection: ModelConnection, bulk_id: UUID, state: BulkState) -> None:
    one = connection.orders.bulks[bulk_id]
    connection.orders.bulks[bulk_id] = replace(one, state=state, due=connection.store.now())


async def pick_bulk(connection: ModelConnection) -> RunningBulk | None:
    due = [
        one
        for one in connection.orders.bulks.values()
        if one.state is BulkState.RUNNING and one.due <= connection.store.now()
    ]
    return min(due, key=lambda one: one.due).running if due else None


async def next_slice(connection: ModelConnection, bulk_id: UUID, limit: int = SLICE) -> list[FrozenFailure]:
    one = connection.orders.bulks[bulk_id]
    return [item for place, item in sorted(one.items.items()) if place not in one.done][:limit]


async def record_outcomes(connection: ModelConnection, bulk_id: UUID, done: Sequence[ItemOutcome]) -> None:
    one = connection.orders.bulks[bulk_id]
    connection.orders.bulks[bulk_id] = replace(one, done={**one.done, **{item.place: item for item in done}})


async def record_ends(connection: ModelConnection, bulk_id: UUID, limit: int) -> list[ItemOutcome]:
    one = connection.orders.bulks[bulk_id]
    waiting = [item for item in one.done.values() if item.step is not None and item.result is None]
    ended = [
        replace(item, result=result) for item in waiting if (result := _end_of(connection.store, item)) is not None
    ][:limit]
    connection.orders.bulks[bulk_id] = replace(one, done={**one.done, **{item.place: item for item in ended}})
    return ended


def _end_of(store: ModelStore, item: ItemOutcome) -> Result | None:
    mine = [a for f, a in store.tables.attempts.values() if f == item.failure_id and a.step >= (item.step or 0)]
    if mine:
        return min(mine, key=lambda attempt: attempt.step).result
    return Result.FAILED if store.tables.failures[item.failure_id].status in _ENDED else None


async def bulk_counts(connection: ModelConnection, bulk_id: UUID) -> BulkCounts:
    one = connection.orders.bulks[bulk_id]
    outcomes = Counter(item.outcome for item in one.done.values())
    return BulkCounts(
        failures=len(one.items),
        waiting=len(one.items) - len(one.done),
        accepted=outcomes[CommandOutcome.ACCEPTED],
        already=outcomes[CommandOutcome.ALREADY],
        refused=outcomes[CommandOutcome.REFUSED] + outcomes[CommandOutcome.NOT_FOUND],
        under_way=sum(item.step is not None and item.result is None for item in one.done.values()),
        healed=sum(item.result is Result.SUCCESS for item in one.done.values()),
    )


async def move_on(
    connection: ModelConnection, bulk_id: UUID, state: BulkState, told: int, after: float
) -> tuple[datetime, timedelta]:
    one, now = connection.orders.bulks[bulk_id], connection.store.now()
    due = max(one.due + after, now)
    connection.orders.bulks[bulk_id] = replace(one, state=state, running=replace(one.running, told=told), due=due)
    return connection.now(), timedelta(seconds=due - now)


ON_A_CONNECTION: Final[Mapping[Callable[..., Any], Callable[..., Awaitable[Any]] | Callable[..., Any]]] = {
    commands.reserve: reserve,
    commands.kept_command: kept_command,
    commands.conclude: conclude,
    commands.savepoint: savepoint,
    commands.organisation_of: organisation_of,
    commands.database_time: database_time,
    outbox.put: put,
    outbox.put_for_sweeper: put_for_sweeper,
    decide: decided,
    heal_requests.ask_heal: ask_heal,
    edits.edit_failure: edit_failure,
    bulk.find: find,
    bulk.freeze: freeze,
    bulk.bulk_state: bulk_state,
    bulk.turn: turn,
    bulk.pick_bulk: pick_bulk,
    bulk.next_slice: next_slice,
    bulk.record_outcomes: record_outcomes,
    bulk.record_ends: record_ends,
    bulk.bulk_counts: bulk_counts,
    bulk.move_on: move_on,
}
"""What stands in whose place, in a transaction that `Supervisor.transaction` opens."""


def model_of_transactions(supervisor: Supervisor) -> Mapping[int, Any]:
    """Give the stand-ins by the identity of what they stand for."""
    return {id(transaction): supervisor.transaction} | {id(real): model for real, model in ON_A_CONNECTION.items()}
