"""A change request over a scripted Git host and engine: what is sent, repeated, waited for and run, and what is not."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import pytest

from consumer.agent.model import chat_model
from consumer.catalog import parse_catalog
from consumer.heal.deep_agent.changes import latest, sending
from consumer.heal.deep_agent.changes.session import ChangeSession
from consumer.heal.deep_agent.changes.state import ChangeState
from consumer.heal.deep_agent.ports import NOTHING_PROPOSED
from consumer.heal.deep_agent.proposing import RewriteTools
from consumer.heal.deep_agent.strategy import DeepAgent
from consumer.heal.kept import HealState, Kept, Suspended, decode_state, encode_state
from consumer.heal.runs.rerun import run_of_failure
from consumer.model import AttemptId, Healed, JsonObject, NotHealed, Outcome, Refused, Unknown
from consumer.model.rewrite import Rewrite
from consumer.outbound.calls import OutboundCalls, open_calls
from consumer.redact import redact_json
from consumer.runners.configured import ConfiguredRunners
from consumer.workflows.change_request import source_of
from consumer.workflows.definition import Definition
from consumer.workflows.patch import apply_patch, parse_patch
from schemas.names import Code
from tests.support.healing import ORG, Gate, failure, task
from tests.support.workflows.orders import DEFINITION
from tests.support.worlds.change_world import BRANCHES, PULLS, RERUN, ChangeWorld
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import Reply, World, http_world, json_reply
from tests.support.worlds.rewrite_world import MENDED

BEFORE: Final = Definition.from_json(DEFINITION)
AFTER: Final = apply_patch(BEFORE, parse_patch(MENDED))
SECRET: Final = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"


class Died(BaseException):
    """The process dies."""


@dataclass(slots=True, kw_only=True)
class StrictGate(Gate):
    """A gate that keeps what a claim can keep, and dies at the n-th keeping or beginning where told to."""

    dies_at: int = 0
    crossed: int = 0

    async def begin(self) -> None:
        self._cross()
        await Gate.begin(self)

    async def keep(self, state: HealState) -> None:
        self._cross()
        encode_state(state, (ChangeState,))
        await Gate.keep(self, state)
        self._cross()

    def _cross(self) -> None:
        self.crossed += 1
        if self.crossed == self.dies_at:
            raise Died


@dataclass(slots=True, kw_only=True)
class Bench:
    """One approved patch, and where it goes."""

    git: ChangeWorld
    calls: OutboundCalls
    definition: Definition | str = BEFORE
    base: Definition = BEFORE
    change: dict[str, Any] = field(default_factory=dict)
    context: JsonObject = field(default_factory=lambda: {"run": {"id": "r1", "step": "charge"}})
    edit: Callable[[str], str] = str
    last: ChangeState | None = None

    def session(self, gate: Gate) -> ChangeSession:
        chat = ChatWorld(world=self.git.world)
        catalog = parse_catalog(self.edit(self.git.catalog(chat, **self.change)), "test")
        one = replace(failure(self.context), workflow_name="orders")
        [policy] = catalog.workflows
        assert policy.agent is not None
        assert policy.agent.change_request is not None
        tools = RewriteTools(
            calls=self.calls,
            ledger=NOTHING_PROPOSED,
            rewrites=NOTHING_PROPOSED,
            redact=redact_json,
            model=chat_model,  # none is asked
            runners=ConfiguredRunners(catalog.runners, self.calls),
        )
        return ChangeSession(
            task=task(_strategy(tools), one, policy),
            gate=gate,
            pause=asyncio.sleep,
            tools=tools,
            declared=policy.agent.change_request,
            rewrite=self.rewrite(one.id),
            run=run_of_failure(one),
        )

    def rewrite(self, failure_id: Any) -> Rewrite:  # noqa: ANN401 - an id
        return Rewrite(
            attempt_id=AttemptId(uuid5(ORG, "attempt")),
            failure_id=failure_id,
            org_id=ORG,
            workflow_name="orders",
            fingerprint="f",
            base_digest=self.base.digest,
            digest=apply_patch(self.base, parse_patch(MENDED)).digest,
            told_digest="d" * 64,
            patch=tuple(MENDED),
            hypothesis="a charge is tried again",
            risk="low",
            objections="",
            prompts="1",
            good_runs=1,
        )

    async def submit(self, gate: Gate | None = None) -> Outcome | Suspended:
        return self._noted(await sending.submit(self.session(gate or StrictGate()), self.definition))

    async def go_on(
        self, state: HealState | None = None, gate: Gate | None = None, waited: timedelta = timedelta(0)
    ) -> Outcome | Suspended:
        kept = state or self.last
        assert isinstance(kept, ChangeState)
        read = decode_state(encode_state(kept, (ChangeState,)), (ChangeState,))
        assert isinstance(read, ChangeState)
        return self._noted(await sending.go_on(self.session(gate or StrictGate()), read, self.definition, waited))

    async def to_its_end(self, ended: Outcome | Suspended) -> Outcome:
        for _ in range(60):
            if not isinstance(ended, Suspended):
                return ended
            ended = await self.go_on()
        raise AssertionError(ended)

    def _noted(self, ended: Outcome | Suspended) -> Outcome | Suspended:
        if isinstance(ended, Suspended):
            assert isinstance(ended.state, ChangeState)
            self.last = ended.state
        return ended

    @property
    def performed(self) -> list[int]:
        return [self.git.world.performed(path) for path in (BRANCHES, PULLS, RERUN)]


def _strategy(tools: RewriteTools) -> DeepAgent:
    return DeepAgent(calls=tools.calls, ledger=NOTHING_PROPOSED, rewrites=NOTHING_PROPOSED, redact=redact_json)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(latest, "pause", lambda _: timedelta(milliseconds=1))
    async with AsyncExitStack() as stack:
        world: World = await stack.enter_async_context(http_world())
        calls = await stack.enter_async_context(open_calls({}, connections=4))
        yield Bench(git=ChangeWorld(world=world), calls=calls)


async def test_it_is_opened_once_and_nothing_is_run_before_it_is_merged(bench: Bench) -> None:
    ended = await bench.submit()
    for _ in range(3):
        assert isinstance(ended, Suspended)
        assert ended.look_again == timedelta(seconds=1)
        ended = await bench.go_on()
    assert bench.performed == [1, 1, 0]
    [branch], [pull] = bench.git.world.calls(BRANCHES), bench.git.world.calls(PULLS)
    assert branch.key == branch.json["branch"] == pull.json["head"]
    assert "+++ b/workflows/orders.json" in branch.json["content"]
    assert '+      "retries": 2' in branch.json["content"]
    bench.git.merged = True
    healed = await bench.to_its_end(await bench.go_on())
    assert isinstance(healed, Healed), healed
    [rerun] = bench.git.world.calls(RERUN)
    assert rerun.json == {"latest": True}
    assert healed.details["change_request"]["name"] == branch.key  # type: ignore[index, call-overload]


@pytest.mark.parametrize("path", [BRANCHES, PULLS, RERUN])
@pytest.mark.parametrize(
    "answer", [Reply(status=201, drop=True), json_reply({}, 503, effect=False), json_reply({}, 429, effect=False)]
)
async def test_what_is_not_answered_is_repeated_under_the_same_key(bench: Bench, path: str, answer: Reply) -> None:
    bench.git.first[path], bench.git.merged = answer, True
    assert isinstance(await bench.to_its_end(await bench.submit()), Healed)
    assert bench.performed == [1, 1, 1]
    assert len({seen.key for seen in bench.git.world.calls(path)}) == 1


async def test_wherever_a_process_dies_each_call_has_its_effect_once(bench: Bench) -> None:
    await dies_everywhere(bench)


def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each repeat has a key of its own."""
    monkeypatch.setattr(ChangeSession, "key", property(lambda _: f"shw-{uuid4().hex[:12]}"))


def no_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never seen that it is merged."""
    monkeypatch.setattr(sending, "_is_one_of", lambda *_: False)


def always_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is taken for one that stands as before, however it stands."""
    monkeypatch.setattr(latest, "stands_as", lambda *_: True)
    monkeypatch.setattr(latest, "key_at", lambda *_: uuid4().hex)


@pytest.mark.parametrize("mutant", [no_key, no_merge, always_ordered])
async def test_its_mutants_are_caught(
    bench: Bench, mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        await dies_everywhere(bench)


async def dies_everywhere(bench: Bench) -> None:
    bench.git.merged, boundary = True, 0
    while True:
        boundary += 1
        world = bench.git.world
        world.effects.clear()
        world.seen.clear()
        bench.git.runs = ["failed"]
        gate = StrictGate(dies_at=boundary)
        try:
            ended = await bench.submit(gate)
        except Died:
            # Whoever inherits a claim without a state begins anew, as the strategy does for what is approved.
            ended = await bench.go_on(gate.states[-1]) if gate.states else await bench.submit()
        ended = await bench.to_its_end(ended)
        assert isinstance(ended, Healed), (boundary, ended)
        assert bench.performed == [1, 1, 1], boundary
        if gate.crossed < boundary:
            break
    assert boundary > 10, "each keeping and beginning was died at"


async def test_an_heir_of_an_order_whose_answer_was_lost_watches_a_run_that_has_moved(bench: Bench) -> None:
    bench.git.merged, bench.git.first[RERUN] = True, Reply(status=202, drop=True)
    gate = StrictGate()
    await bench.to_its_end(await bench.submit(gate))
    before = next(one for one in gate.states if isinstance(one, ChangeState) and one.stage == "running")
    sent = len(bench.git.world.calls(RERUN))
    assert isinstance(await bench.to_its_end(await bench.go_on(before)), Healed)
    assert len(bench.git.world.calls(RERUN)) == sent, "the run stands elsewhere: nothing is ordered anew"


async def test_a_run_that_fails_again_on_the_merged_version_is_no_heal(bench: Bench) -> None:
    bench.git.merged, bench.git.ends = True, "failed"
    ended = await bench.to_its_end(await bench.submit())
    assert isinstance(ended, NotHealed)
    assert "on the merged version: the run failed again" in ended.reason
    assert bench.performed[2] == 1


def person(ended: Outcome | Suspended) -> str:
    assert isinstance(ended, Refused)
    assert ended.code is Code.NEEDS_PERSON
    return ended.reason


async def test_one_that_is_closed_without_a_merge_is_left_to_a_person(bench: Bench) -> None:
    bench.git.state = "closed"
    assert "closed without being merged" in person(await bench.submit())
    assert bench.performed == [1, 1, 0]


async def test_one_that_nobody_merges_in_time_is_left_to_a_person(bench: Bench) -> None:
    await bench.submit()
    assert "not merged in time" in person(await bench.go_on(waited=timedelta(days=14)))
    running = ChangeState(rewrite=UUID(int=1), stage="running", run_id="r1")
    assert isinstance(await bench.go_on(running, waited=timedelta(days=14)), Unknown)


async def test_a_host_that_does_not_take_it_is_told(bench: Bench) -> None:
    bench.git.first[PULLS] = json_reply({}, 422)
    assert "it answered 422" in person(await bench.submit())


async def test_a_look_that_says_nothing_is_no_merge(bench: Bench) -> None:
    world = bench.git.world
    await bench.submit()
    for said in (json_reply({"merged": 1}), json_reply({"merged": "true"}), json_reply({}, 500), json_reply([], 404)):
        world.on(f"{PULLS}/7", said)
        assert isinstance(await bench.go_on(), Suspended)
    assert bench.performed == [1, 1, 0]


async def test_a_definition_that_has_changed_since_is_not_sent(bench: Bench) -> None:
    bench.definition = Definition.from_json(DEFINITION | {"budget": {"maxCost": 61}})
    assert "has changed since it was approved" in person(await bench.submit())
    bench.definition = "the registry is away"
    assert "the registry is away" in person(await bench.submit())
    assert bench.performed == [0, 0, 0]


async def test_what_looks_like_a_secret_is_put_in_no_repository(bench: Bench) -> None:
    steps = [dict(step) for step in DEFINITION["steps"]]
    steps[2]["agentName"] = SECRET
    bench.base = bench.definition = Definition.from_json(DEFINITION | {"steps": steps})
    assert "what looks like a secret" in person(await bench.submit())
    assert bench.performed == [0, 0, 0]


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda text: text.replace("again: 'yes'", "again: 'no'"), "may have had its effect"),
        (lambda text: text.replace('"keyed", "key_header": "Idempotency-Key", "body"', '"unsafe", "body"'), "no key"),
        (lambda text: text.replace("  runner: code\n", ""), "names no runner"),
    ],
)
async def test_a_run_that_must_not_be_begun_again_is_left_to_a_person(
    bench: Bench, edit: Callable[[str], str], why: str
) -> None:
    bench.git.merged, bench.edit = True, edit
    said = person(await bench.submit())
    assert why in said
    assert "its change request is merged" in said
    assert bench.performed == [1, 1, 0]


async def test_a_failure_without_a_run_is_left_to_a_person_once_it_is_merged(bench: Bench) -> None:
    bench.git.merged, bench.context = True, {}
    assert "names no run" in person(await bench.submit())


async def test_a_file_is_one_that_git_applies_and_the_registry_says_that_it_is_merged(
    bench: Bench, tmp_path: Path
) -> None:
    def prepared() -> tuple[Path, Path]:
        changes, file = tmp_path / "changes", tmp_path / "repository" / "workflows" / "orders.json"
        changes.mkdir()
        file.parent.mkdir(parents=True)
        file.write_text(source_of(BEFORE))
        return changes, file

    changes, file = await asyncio.to_thread(prepared)
    bench.change = {"directory": str(changes)}
    gate = StrictGate()
    for _ in range(2):  # written twice, it is one file
        assert isinstance(await bench.submit(gate), Suspended)
    [patch] = await asyncio.to_thread(lambda: list(changes.iterdir()))
    await asyncio.to_thread(subprocess.run, ["git", "apply", str(patch)], cwd=tmp_path / "repository", check=True)
    assert await asyncio.to_thread(file.read_text) == source_of(AFTER)
    assert isinstance(await bench.go_on(), Suspended)
    bench.definition = AFTER
    assert isinstance(await bench.to_its_end(await bench.go_on()), Healed)
    assert bench.performed == [0, 0, 1]


async def test_a_directory_that_is_not_there_is_tried_again_and_another_definition_is_not_run(
    bench: Bench, tmp_path: Path
) -> None:
    bench.change = {"directory": str(tmp_path / "none")}
    ended = await bench.submit()
    assert isinstance(ended, Suspended)
    assert "FileNotFoundError" in ended.reason
    bench.change = {"directory": str(tmp_path)}
    assert isinstance(await bench.go_on(), Suspended)
    bench.definition = Definition.from_json(DEFINITION | {"budget": {"maxCost": 61}})
    assert "another definition by now" in person(await bench.go_on())
    assert bench.performed == [0, 0, 0]


def test_a_state_is_read_as_it_was_kept() -> None:
    state = ChangeState(rewrite=UUID(int=1), stage="running", run_id="r1", fence_before="1", given=True, looks=3)
    assert Kept(state=decode_state(encode_state(state, (ChangeState,)), (ChangeState,)), begun=True).state == state
