"""Four processes over the store alone: killed, stopped, stalled, told everything twice; no two hold one scope.

45 seconds with `SHW_FAULT_MATRIX=full`, a few in an ordinary run; the seed stands in the test's name.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.support import oracle
from tests.support.faults.matrix import COMMITS, FULL
from tests.support.faults.store_worker import ORGS, STARTED, WINDOW
from tests.support.faults.tcp_proxy import Loss, TcpProxy, tcp_proxy
from tests.support.faults.wires import PostgresWire
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pipeline import Database, until

PROCESSES: Final = 4
SECONDS: Final = 45 if FULL else 8
EVERY: Final = 0.15
BUDGET: Final = "25"
SEEDS: Final = [int(os.environ["SHW_FAULT_SEED"])] if "SHW_FAULT_SEED" in os.environ else [1]


@dataclass(slots=True, kw_only=True)
class Stress:
    """The processes, and what is done to them."""

    dsns: Sequence[str]
    home: Path
    dice: Random
    proxy: TcpProxy
    counted: Counter[str]
    workers: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    logs: dict[int, Path] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    died_of: list[str] = field(default_factory=list)

    async def keep(self, n: int) -> None:
        """Run one process, again whenever it was killed."""
        life = 0
        while not self.stopping.is_set():
            life += 1
            log = self.logs[n] = self.home / f"{n}.{life}.log"
            with log.open("wb") as out:
                worker = self.workers[n] = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.support.faults.store_worker"),
                    cwd=ROOT,
                    env=dict(os.environ)
                    | {
                        "STORE_DSN": self.dsns[n % len(self.dsns)],
                        "STORE_SEED": f"{n}.{life}",
                        "STORE_NOTED": str(self.home / "noted"),
                        "STORE_CALM": str(self.home / "calm"),
                    },
                    stdout=out,
                    stderr=out,
                )
            if self.stopping.is_set():  # it was told to all others already
                worker.terminate()
            try:
                ended = await worker.wait()
            finally:
                if worker.returncode is None:
                    worker.kill()
                    await worker.wait()
            told = log.read_text()
            if ended not in (0, -signal.SIGKILL) and STARTED in told:
                self.died_of.append(told[-3000:])

    async def rage(self) -> None:
        """Kill, stop and cut off until the time is over; then let everybody be well."""
        until_time = time.monotonic() + SECONDS
        async with asyncio.TaskGroup() as harms:
            while time.monotonic() < until_time:
                harm = self.dice.choices((self._kill, self._stop, self._cut, self._lose), (1, 4, 1, 4))[0]
                harms.create_task(harm())
                await asyncio.sleep(EVERY)
        self.proxy.be_well()
        (self.home / "calm").touch()

    async def _kill(self) -> None:
        self._tell(self._one(), signal.SIGKILL)

    async def _stop(self) -> None:
        """For less than a lease, or for longer than a window and a lease: a zombie."""
        worker = self._one()
        self._tell(worker, signal.SIGSTOP)
        await asyncio.sleep(self.dice.choice((0.1, 0.4, 2.5 * WINDOW.total_seconds())))
        self._tell(worker, signal.SIGCONT)

    def _one(self) -> asyncio.subprocess.Process | None:
        """One that works."""
        n = self.dice.randrange(PROCESSES)
        return self.workers[n] if STARTED in self.logs[n].read_text() else None

    async def _cut(self) -> None:
        self.counted["connections cut"] += self.proxy.cut()

    async def _lose(self) -> None:
        self.proxy.lose(self.dice.choice((*COMMITS, "commit take over", "begin")), self.dice.choice(tuple(Loss)))

    def _tell(self, worker: asyncio.subprocess.Process | None, number: signal.Signals) -> None:
        if worker is not None and worker.returncode is None:
            if number is not signal.SIGCONT:
                self.counted[f"store process {number.name}"] += 1
            worker.send_signal(number)


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with asyncpg.create_pool(database, min_size=1, max_size=2, timeout=PATIENCE) as pool:
        for org_id in ORGS:
            await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org_id)
            await pool.execute(
                "INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, $2::text::numeric)", org_id, BUDGET
            )
        yield pool


@asynccontextmanager
async def half_of_them_cut_off_at_times(database: str) -> AsyncIterator[tuple[TcpProxy, Sequence[str]]]:
    """Give a proxy, and the addresses to be used in turn: through it and past it."""
    dsn = urlsplit(database)
    async with tcp_proxy(dsn.port or 5432, PostgresWire) as proxy:
        yield proxy, (database, urlunsplit(dsn._replace(netloc=dsn.netloc.replace(f":{dsn.port}", f":{proxy.port}"))))


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_two_processes_hold_one_scope_and_none_waits_for_ever(
    seed: int, database: str, db: Database, tmp_path: Path, faults: Counter[str]
) -> None:
    async with half_of_them_cut_off_at_times(database) as (proxy, dsns):
        stress = Stress(
            dsns=dsns,
            home=tmp_path,
            dice=Random(seed),
            proxy=proxy,
            counted=faults,
        )
        async with asyncio.TaskGroup() as tasks:
            for n in range(PROCESSES):
                tasks.create_task(stress.keep(n))
            try:
                await until(lambda: _all_run(stress))
                await stress.rage()
                await until(lambda: _is_quiet(stress, db))
            finally:
                stress.stopping.set()
                for worker in stress.workers.values():
                    with suppress(ProcessLookupError):
                        worker.send_signal(signal.SIGCONT)
                        worker.terminate()
        faults.update({f"store {kind}": count for kind, count in proxy.injected.items()})
    assert stress.died_of == []
    noted = [json.loads(line) for line in (tmp_path / "noted").read_text().splitlines()]
    await _nothing_is_lost(db, noted)
    _no_two_held_one_scope(noted)
    _no_unsafe_effect_was_repeated(noted)
    await _no_step_was_made_twice(db)
    await oracle.ledger_adds_up(db, dict.fromkeys(ORGS, BUDGET))
    deadlocks = await db.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0
    faults["(effects over the store alone)"] += sum(one["what"] == "begins" for one in noted)


async def _all_run(stress: Stress) -> bool:
    return len(stress.logs) == PROCESSES and all(STARTED in log.read_text() for log in stress.logs.values())


async def _is_quiet(stress: Stress, db: Database) -> oracle.Rest:
    assert stress.died_of == []
    return await oracle.is_quiet(db)


async def _nothing_is_lost(db: Database, noted: Sequence[Mapping[str, Any]]) -> None:
    """What a process was told is stored, is stored; and all of it has ended or has a time."""
    stored = {failure for one in noted if one["what"] == "stored" for failure in one["failures"]}
    rows = await db.fetch("SELECT id, status, due_at FROM workflow_failures")
    assert stored <= {str(row["id"]) for row in rows}
    assert [row for row in rows if (row["status"] in {"resolved", "given_up"}) != (row["due_at"] is None)] == []


async def _no_step_was_made_twice(db: Database) -> None:
    """A person's decision is a step without an attempt, so there may be fewer of these."""
    wrong = await db.fetch(
        "SELECT f.workflow_name FROM workflow_failures f JOIN workflow_heal_attempts a ON a.failure_id = f.id"
        " GROUP BY f.id HAVING count(*) <> count(DISTINCT a.step) OR max(a.step) >= f.step"
    )
    assert wrong == []


def _no_two_held_one_scope(noted: Sequence[Mapping[str, Any]]) -> None:
    """An effect lasts from its begin to its end, or where that is unknown to the deadline that its process obeyed."""
    held: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    open_: dict[tuple[str, str], Mapping[str, Any]] = {}

    def close(who: tuple[str, str], at: float) -> None:
        began = open_.pop(who)
        held[began["scope"]].append((began["at"], min(at, began["deadline"]), " of ".join(who)))

    # Of one process the lines are in order: each end is that of the last begin.
    for one in (one for one in noted if one["what"] in {"begins", "ends"}):
        who = one["attempt"], one["owner"]
        if one["what"] == "begins":
            assert who not in open_, "two heals of one claim in one process at once"
            open_[who] = one
        else:
            close(who, one["at"])
    for who in list(open_):
        close(who, float("inf"))
    assert held, "nothing was healed"
    for scope, spans in held.items():
        in_order = sorted(spans)
        overlaps = [(a, b) for a, b in pairwise(in_order) if b[0] < a[1]]
        assert overlaps == [], f"two unfenced holders of {scope}"


def _no_unsafe_effect_was_repeated(noted: Sequence[Mapping[str, Any]]) -> None:
    made = Counter(one["failure"] for one in noted if one["what"] == "begins" and one["effect"] == "unsafe")
    assert {failure: count for failure, count in made.items() if count > 1} == {}
