"""A small real runner: queues, worker processes that really die and stop, steps with needs, and orders over HTTP.

The engine is the test's own process; its workers are processes (`small_worker.py`). A run's steps go through the queues
of the workers, what they did stands in a ledger, and only the ledger says how often a step was really begun and done.

On a busy machine nothing looks as if it were dead: the engine's clock goes on by its own ticks, so what it had no time
to hear is not late, and a worker that it replaces is one of its queue's all the while.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.support.worlds.http_world import Reply, Seen, World, json_reply

WORKER: Final = Path(__file__).with_name("small_worker.py")
OVER: Final = frozenset({"DONE", "SKIPPED"})
TICK: Final = 0.02
LONGEST_TICK: Final = 0.1
"""Seconds that the engine's clock goes on by at most from one tick to the next, however late that one comes."""


@dataclass(slots=True, kw_only=True)
class Step:
    """One step of a run."""

    needs: list[str] = field(default_factory=list)
    queue: str = "main"
    does: list[str] = field(default_factory=lambda: ["works"])
    """What a worker does with it, the first time and so on; the last one stays."""
    state: str = "BLOCKED"
    attempts: int = 0
    completions: int = 0
    optional: bool = False
    retried: bool = False
    """The engine itself begins it again when its worker dies."""
    renamed_to: str | None = None
    since: float = 0.0
    heartbeat: float | None = None
    worker: "Worker | None" = None
    copy: str = ""
    """Of the step's copies the one that counts: what another one says is not heard."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One run, as the engine knows it."""

    name: str
    steps: dict[str, Step]
    state: str = "RUNNING"
    starts: int = 1
    held: bool = False
    """The engine schedules nothing of it: its scheduler has lost it."""
    removed: dict[str, str | None] = field(default_factory=dict)
    seen: float = 0.0
    orders: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def step(self, name: str) -> Step:
        return self.steps[name]


@dataclass(slots=True, eq=False)
class Worker:
    """One worker's process, and what it is at."""

    process: asyncio.subprocess.Process
    queue: str
    at: tuple[str, str] | None = None
    replaced: bool = False

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None and not self.replaced

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()

    def give(self, task: dict[str, str]) -> None:
        assert self.process.stdin is not None
        self.at = (task["run"], task["step"])
        self.process.stdin.write(json.dumps(task).encode() + b"\n")


@dataclass(slots=True, kw_only=True)
class SmallRunner:
    """The engine: runs, queues, workers."""

    world: World
    ledger: Path
    runs: dict[str, Run] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    awaited: Counter[str] = field(default_factory=Counter)
    """Of each queue, the workers that are being replaced."""
    now: float = 0.0
    """Seconds of the engine's own clock."""
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    before_order: Callable[[str, Run], None] = lambda _kind, _run: None
    """Called with each order before it is carried out: here the world lies, or somebody else acts."""
    carries_out: bool = True
    """False: it answers an order with 200 and does nothing."""
    copies: int = 0
    answers_after: float = 0.0
    """Seconds between carrying out an order and answering it."""

    async def tick(self) -> None:
        """Keep the clock."""
        time = asyncio.get_running_loop().time
        last = time()
        while True:
            await asyncio.sleep(TICK)
            this = time()
            self.now += min(this - last, LONGEST_TICK)
            last = this

    async def hire(self, queue: str = "main") -> Worker:
        """Start one more worker for a queue."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-E", str(WORKER), str(self.ledger), stdin=-1, stdout=-1
        )
        worker = Worker(process, queue)
        self.workers.append(worker)
        self.readers.append(asyncio.create_task(self._hear(worker)))
        self.schedule()
        return worker

    def begin(self, name: str, steps: dict[str, Step], **more: Any) -> Run:  # noqa: ANN401 - the fields of a run
        """Begin a run, and serve its API."""
        run = Run(name=name, steps=steps, seen=self.now, **more)
        for step in steps.values():
            step.since = self.now
        self.runs[name] = run
        self.world.on(f"/runs/{name}", lambda _n, _seen: json_reply(self.show(run)))
        for kind in ("rerun", "resume", "terminate", "queue", "skip", "remap"):
            self.world.on(f"/runs/{name}/{kind}", self._ordered(kind, run))
        self.schedule()
        return run

    def schedule(self) -> None:
        """Queue what may begin, give what is queued to idle workers, and end runs of which nothing is left."""
        for run in self.runs.values():
            if run.held or run.state not in ("RUNNING", "CANCELLING"):
                continue
            for name, step in run.steps.items():
                if step.state == "BLOCKED" and all(self._is_met(run, need) for need in step.needs):
                    self._enter(step, "QUEUED")
                if step.state == "QUEUED":
                    self._assign(run, name, step)
            if all(step.state in OVER for step in run.steps.values()):
                run.state = "DONE"

    def _is_met(self, run: Run, need: str) -> bool:
        return need in run.steps and run.steps[need].state in OVER

    def _assign(self, run: Run, name: str, step: Step) -> None:
        idle = next((one for one in self.workers if one.is_alive and one.queue == step.queue and one.at is None), None)
        if idle is None or step.copy:  # taken by a worker that has yet to say so
            return
        self.copies += 1
        does = step.does[min(step.attempts, len(step.does) - 1)]
        step.worker, step.copy = idle, str(self.copies)
        if does == "ignores":
            step.does = step.does[1:] or ["works"]
        idle.give({"run": run.name, "step": name, "does": does, "copy": step.copy})

    def _enter(self, step: Step, state: str) -> None:
        step.state, step.since = state, self.now

    async def _hear(self, worker: Worker) -> None:
        assert worker.process.stdout is not None
        async for line in worker.process.stdout:
            said = json.loads(line)
            self._heard(worker, said["word"], self.runs[said["run"]], said["step"], said["copy"])
        step = self.runs[worker.at[0]].steps[worker.at[1]] if worker.at is not None else None
        if step is not None and step.retried:  # before anybody sees that its worker is dead
            step.copy = ""
            self._enter(step, "QUEUED")
            self._replace(worker)

    def _heard(self, worker: Worker, word: str, run: Run, name: str, copy: str) -> None:
        step = run.steps[name]
        if word in ("done", "failed"):
            worker.at = None
        if copy == step.copy:
            run.seen = self.now
            match word:
                case "begun":
                    step.attempts += 1
                    step.heartbeat = self.now
                    self._enter(step, "RUNNING")
                case "beat":
                    step.heartbeat = self.now
                case "done":
                    step.completions += 1
                    self._enter(step, "DONE")
                case "failed":
                    self._enter(step, "FAILED")
                    run.state = "FAILED"
        elif word == "done":
            step.completions += 1
        self.schedule()

    def show(self, run: Run) -> dict[str, Any]:
        """Answer a look."""
        queues = {one.queue for one in self.workers} | {step.queue for step in run.steps.values()}
        live = self.awaited + Counter(one.queue for one in self.workers if one.is_alive)
        return {
            "state": run.state,
            "starts": run.starts,
            "now": _moment(self.now),
            "seen": _moment(run.seen),
            "steps_done": sum(step.state in OVER for step in run.steps.values()),
            "queues": {queue: live[queue] for queue in queues},
            "removed": run.removed,
            "steps": [self._shown(name, step) for name, step in run.steps.items()],
        }

    def _shown(self, name: str, step: Step) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": name,
            "state": step.state,
            "attempts": step.attempts,
            "completions": step.completions,
            "since": _moment(step.since),
            "queue": step.queue,
            "needs": step.needs,
            "optional": step.optional,
            "renamed_to": step.renamed_to,
        }
        if step.state == "RUNNING" and step.worker is not None:
            shown |= {"worker_alive": step.worker.is_alive, "heartbeat": _moment(step.heartbeat or 0.0)}
        return shown

    def _ordered(self, kind: str, run: Run) -> Callable[[int, Seen], Reply]:
        def order(_n: int, seen: Seen) -> Reply:
            asked = seen.json if seen.body else {}
            self.before_order(kind, run)
            if asked.get("fence") not in (None, str(run.starts)):
                return json_reply({"error": "started anew"}, 409)
            run.orders.append((kind, asked))
            if self.carries_out:
                getattr(self, kind)(run, asked)
                self.schedule()
            return json_reply({"ok": True}, after=self.answers_after)

        return order

    def rerun(self, run: Run, asked: dict[str, Any]) -> None:
        step = run.steps[asked["step"]]
        run.held, run.state, run.starts = False, "RUNNING", run.starts + 1
        step.copy, step.worker = "", None
        self._enter(step, "QUEUED")

    def resume(self, run: Run, _asked: dict[str, Any]) -> None:
        run.held, run.state, run.starts = False, "RUNNING", run.starts + 1

    def terminate(self, run: Run, asked: dict[str, Any]) -> None:
        named = asked.get("step")
        for name, step in run.steps.items():
            if named in (None, name) and step.state in ("RUNNING", "QUEUED"):
                if step.worker is not None and step.worker.at == (run.name, name):
                    self._replace(step.worker)
                self._enter(step, "CANCELLED")
                step.copy = ""
        if run.state == "CANCELLING":
            run.state = "CANCELLED"

    def _replace(self, worker: Worker) -> None:
        """Hire another worker for one that is dead, or that is ended in the middle of its step."""

        async def replacing() -> None:
            await worker.process.wait()
            await self.hire(worker.queue)
            self.awaited[worker.queue] -= 1

        worker.at, worker.replaced = None, True
        worker.end()
        self.awaited[worker.queue] += 1
        self.readers.append(asyncio.create_task(replacing()))

    def queue(self, run: Run, asked: dict[str, Any]) -> None:
        step = run.steps[asked["step"]]
        step.queue = asked["queue"]
        if step.state == "CANCELLED":
            step.copy = ""
            self._enter(step, "QUEUED")

    def skip(self, run: Run, asked: dict[str, Any]) -> None:
        self._enter(run.steps[asked["step"]], "SKIPPED")

    def remap(self, run: Run, asked: dict[str, Any]) -> None:
        run.removed.pop(asked["step"], None)
        run.steps.setdefault(asked["to"], Step(since=self.now))
        for step in run.steps.values():
            step.needs = [asked["to"] if need == asked["step"] else need for need in step.needs]

    def did(self, what: str, run: str, step: str) -> int:
        """Count how often a worker really began a step, or did it."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return lines.count(f"{what} {run} {step}")


def _moment(seconds: float) -> str:
    """Write the engine's own clock, which has nothing to do with anybody else's."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


@asynccontextmanager
async def small_runner(world: World, ledger: Path) -> AsyncIterator[SmallRunner]:
    """Run an engine; its workers end with it."""
    runner = SmallRunner(world=world, ledger=ledger)
    runner.readers.append(asyncio.create_task(runner.tick()))
    try:
        yield runner
    finally:
        for reader in runner.readers:
            reader.cancel()
        for worker in runner.workers:
            worker.end()
            await worker.process.wait()
        await asyncio.gather(*runner.readers, return_exceptions=True)


def described_runner(world: World, *, effect: str = "conditional") -> dict[str, Any]:
    """Describe it as a catalog does."""
    order = {"effect": effect} | ({"key_header": "Idempotency-Key"} if effect == "keyed" else {})

    def to(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"url": world.url(f"/runs/{{run.id}}/{kind}"), "body": body} | order

    step = {"step": "{run.step}"}
    return {
        "kind": "http",
        "timeout": "PT5S",
        "look": {
            "url": world.url("/runs/{run.id}"),
            "status": "/state",
            "phases": {
                "RUNNING": "running",
                "WAITING": "waiting",
                "CANCELLING": "cancelling",
                "DONE": "succeeded",
                "FAILED": "failed",
                "CANCELLED": "cancelled",
            },
            "waits": {"WAITING": "person"},
            "fence": "/starts",
            "progress": "/steps_done",
            "at": "/now",
            "last_sign_of_life": "/seen",
            "consumers": "/queues",
            "removed": "/removed",
            "steps": {
                "at": "/steps",
                "name": "/id",
                "status": "/state",
                "phases": {
                    "BLOCKED": "blocked",
                    "QUEUED": "queued",
                    "RUNNING": "running",
                    "WAITING": "waiting",
                    "DONE": "succeeded",
                    "FAILED": "failed",
                    "SKIPPED": "skipped",
                    "CANCELLED": "cancelled",
                },
                "waits": {"WAITING": "person"},
            }
            | {
                name: f"/{name}"
                for name in (
                    "attempts",
                    "completions",
                    "since",
                    "queue",
                    "worker_alive",
                    "heartbeat",
                    "needs",
                    "optional",
                    "renamed_to",
                )
            },
        },
        "rerun_step": to("rerun", step | {"fence": "{run.fence}"}),
        "resume_run": to("resume", {"fence": "{run.fence}"}),
        "terminate": to("terminate", {"step": "{run.step?}", "fence": "{run.fence}"}),
        "move_to_queue": to("queue", step | {"queue": "{queue}", "fence": "{run.fence}"}),
        "skip_step": to("skip", step | {"fence": "{run.fence}"}),
        "remap_step": to("remap", step | {"to": "{to}", "fence": "{run.fence}"}),
    }
