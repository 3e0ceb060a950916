"""What every strategy promises, tried on each that is installed. A new strategy adds one `Subject` to `SUBJECTS`."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from consumer.catalog import Catalogs, WorkflowPolicy, parse_catalog
from consumer.errors import DeadlinePassed, LostClaim, RevokedClaim
from consumer.generators.configured import CurrentGenerators
from consumer.heal.auto_regenerate.ports import NOTHING_MADE
from consumer.heal.auto_regenerate.strategy import AutoRegenerate
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.kept import Kept, decode_state, encode_state
from consumer.heal.route_repair.strategy import RouteRepair
from consumer.heal.run import unproven
from consumer.heal.schema_autofix.strategy import SchemaAutofix
from consumer.heal.strategy import LastingStrategy, Strategy, Task, readable_states
from consumer.media.worker_pool import media_worker_pool
from consumer.media_store.configured import CurrentMediaStores
from consumer.model import Failure, Healed, NotHealed, Outcome, Refused, Unknown
from consumer.outbound.calls import open_calls
from consumer.pipeline.recording import OTHER, declared_field
from consumer.redact import redact_json
from consumer.repair.worker_pool import repair_worker_pool
from consumer.runners.configured import ConfiguredRunners
from schemas.names import Disposition, Effect, StrategyName, Verdict
from tests.support.healing import Clock, Gate, diagnosis, failure, heal_to_its_end, outcome_of, policy, task
from tests.support.media.pictures import photograph, saved
from tests.support.paths import ROOT
from tests.support.pipeline import catalog
from tests.support.worlds.approved_rewrites import ApprovedRewrites, MemoryRegistry, as_approved, rewriting
from tests.support.worlds.asset_world import AssetWorld, asset_catalog, file_reply, missing_image
from tests.support.worlds.asset_world import described as described_generator
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_engine import Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import Reply, Script, Seen, World, http_world, json_reply
from tests.support.worlds.render_farm import IMPOSSIBLE, Farm, Renders
from tests.support.worlds.rewrite_world import RunsEngine, failed_context, rewrite_catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A strategy in a world of its own, with failures that it can and cannot heal there."""

    strategy: Strategy
    policy: WorkflowPolicy
    healable: Failure
    hopeless: Failure
    """It may act on this one, and its oracle says no."""
    touched: Failure
    """Like the healable one, but redaction took something out of what it would send."""
    effects: Callable[[], int]
    """How many effects the world has seen."""
    given: Callable[[Task], Task] = lambda given: given
    """Under what it heals: a person's approval, for what is never done without one."""
    passes: Callable[[float], Awaitable[None]] = field(default_factory=lambda: Clock().sleep)
    """Awaited for as many seconds as a suspended heal waits for."""

    async def heal(self, failed: Failure, gate: Gate, allowed: WorkflowPolicy | None = None) -> Outcome:
        """Heal to the end: a lasting strategy goes on as often as it suspends."""
        given = self.given(task(self.strategy, failed, allowed or self.policy))
        if isinstance(self.strategy, LastingStrategy):
            return await heal_to_its_end(self.strategy, given, gate, self.passes)
        return outcome_of(await self.strategy.heal(given, gate))


PICTURE = saved(photograph(), "PNG")


@asynccontextmanager
async def auto_retry() -> AsyncIterator[Subject]:
    async with http_world() as world, open_calls({}) as calls:
        world.on("/works", json_reply({"id": 1}))
        world.on("/lies", json_reply({"success": False}))
        works = {"request": {"method": "PUT", "url": world.url("/works")}}
        yield Subject(
            strategy=AutoRetry(calls, redact_json, random=lambda: 0.0, sleep=Clock().sleep),
            policy=policy(world.port),
            healable=failure(works),
            hopeless=failure({"request": {"method": "PUT", "url": world.url("/lies")}}),
            touched=failure(works, redactions=("/context/request/headers/Authorization",)),
            effects=lambda: len(world.seen),
        )


@asynccontextmanager
async def schema_autofix() -> AsyncIterator[Subject]:
    async with http_world() as world, open_calls({}) as calls, repair_worker_pool() as room:
        engine = Engine(world=world)
        engine.run("works")
        engine.run("fails", takes=lambda _: False)
        runners = ConfiguredRunners(parse_catalog(engine_catalog(world)).runners, calls)
        allowed = parse_catalog(engine_catalog(world)).policy("orders.sync")
        assert allowed is not None
        yield Subject(
            strategy=SchemaAutofix(runners, room, redact_json),
            policy=allowed,
            healable=failure(refused_payload("works")),
            hopeless=failure(refused_payload("fails")),
            touched=failure(refused_payload("works"), redactions=("/context/payload/amount",)),
            effects=lambda: len(engine.orders("works")) + len(engine.orders("fails")),
        )


@asynccontextmanager
async def route_repair() -> AsyncIterator[Subject]:
    async with http_world() as world, open_calls({}) as calls:
        for run, ends in (("works", "done"), ("fails", "failed")):
            stands: list[dict[str, Any]] = [{"state": "failed", "starts": 1}]

            def ordered(_: int, __: Seen, stands: list[dict[str, Any]] = stands, ends: str = ends) -> Reply:
                stands[:] = [{"state": ends, "starts": 2}]
                return json_reply({}, 202)

            world.on(f"/runs/{run}/rerun", ordered)

            def looked(_: int, __: Seen, stands: list[dict[str, Any]] = stands) -> Reply:
                return json_reply(stands[0])

            world.on(f"/runs/{run}", looked)
        declared = parse_catalog(stall_catalog(world))
        allowed = declared.policy("orders.sync")
        assert allowed is not None
        works = {"run": {"id": "works", "step": "charge"}}
        yield Subject(
            strategy=RouteRepair(ConfiguredRunners(declared.runners, calls), calls, redact_json),
            policy=allowed,
            healable=failure(works),
            hopeless=failure({"run": {"id": "fails", "step": "charge"}}),
            touched=failure(works, redactions=("/context/run/id",)),
            effects=lambda: len(world.calls("/runs/works/rerun")) + len(world.calls("/runs/fails/rerun")),
        )


def stall_catalog(world: World) -> str:
    look = {
        "url": world.url("/runs/{run.id}"),
        "status": "/state",
        "fence": "/starts",
        "phases": {"done": "succeeded", "failed": "failed"},
    }
    rerun = {"url": world.url("/runs/{run.id}/rerun"), "body": {"fence": "{run.fence}"}, "effect": "conditional"}
    engine = {"kind": "http", "look": look, "rerun_step": rerun}
    text = catalog(
        world.port, runner="engine", route_repair="{apart: PT0.05S, verify: PT4S}", steps="{charge: {again: yes}}"
    )
    return text + f"runners: {{engine: {json.dumps(engine)}}}\n"


@asynccontextmanager
async def auto_regenerate() -> AsyncIterator[Subject]:
    async with http_world() as world, open_calls({}) as calls, media_worker_pool() as media:
        assets = AssetWorld(world=world, makes=[file_reply(PICTURE)])
        described = {"right": described_generator(world), "wrong": described_generator(world) | {"can": {}}}
        described["wrong"]["generate"] = described["wrong"]["generate"] | {"url": world.url("/lies")}
        world.on("/lies", file_reply(PICTURE[:500]))
        declared = parse_catalog(asset_catalog(world, described))
        allowed = declared.policy("orders.sync")
        assert allowed is not None
        catalogs = Catalogs(declared)
        yield Subject(
            strategy=AutoRegenerate(
                generators=CurrentGenerators(catalogs, calls),
                media=media,
                stores=CurrentMediaStores(catalogs, calls),
                made=NOTHING_MADE,
                redact=redact_json,
                sleep=Clock().sleep,
            ),
            policy=allowed,
            healable=failure(missing_image(generator="right")),
            hopeless=failure(missing_image(id="other", generator="wrong")),
            touched=failure(missing_image(), redactions=("/context/asset/prompt",)),
            effects=lambda: len(assets.puts()) + sum(seen.method == "POST" for seen in world.seen),
        )


@asynccontextmanager
async def deep_agent() -> AsyncIterator[Subject]:
    async with http_world() as world, open_calls({}) as calls:
        runs = RunsEngine(world=world, fails="hopeless")
        declared = parse_catalog(rewrite_catalog(ChatWorld(world=world), runs))
        allowed = declared.policy("orders.sync")
        assert allowed is not None
        registry, rewrites = MemoryRegistry(), ApprovedRewrites()
        works = failure(failed_context())
        hopeless = replace(failure(failed_context(of="another")), workflow_name="orders.hopeless")
        rewrites.approved(works, registry.has(works.workflow_name))
        rewrites.approved(hopeless, registry.has(hopeless.workflow_name, name="hopeless"))
        yield Subject(
            strategy=rewriting(calls, ConfiguredRunners(declared.runners, calls), registry, rewrites),
            policy=allowed,
            healable=works,
            hopeless=hopeless,
            touched=failure(failed_context(), redactions=("/context/workflow/failing_run/input/account",)),
            effects=lambda: len(runs.started),
            given=as_approved,
        )


@asynccontextmanager
async def the_one_in_contributing() -> AsyncIterator[Subject]:
    async with http_world() as world, open_calls({}) as calls:
        stands = {"/works": b"{}", "/stays": b'{"active":"old"}'}

        def flag(path: str) -> Script:
            def answer(_: int, seen: Seen) -> Reply:
                if seen.method == "PUT" and path == "/works":
                    stands[path] = seen.body
                return Reply(body=stands[path], headers=(("Content-Type", "application/json"),))

            return answer

        for path in stands:
            world.on(path, flag(path))
        works = {"flag": {"url": world.url("/works"), "to": "new"}}
        yield Subject(
            strategy=_in_contributing().FlagSwitch(calls),
            policy=policy(world.port),
            healable=failure(works),
            hopeless=failure({"flag": {"url": world.url("/stays"), "to": "new"}}),
            touched=failure(works, redactions=("/context/flag/to",)),
            effects=lambda: sum(seen.method == "PUT" for seen in world.seen),
        )


@asynccontextmanager
async def lasting_from_outside() -> AsyncIterator[Subject]:
    async with http_world() as world, open_calls({}) as calls:
        farm = Farm(world=world)

        async def passes(_: float) -> None:
            farm.end_all()

        def scene(name: str) -> dict[str, Any]:
            return {"render": {"farm": world.url(""), "scene": name}}

        yield Subject(
            strategy=Renders(calls=calls),
            policy=policy(world.port),
            healable=failure(scene("a lake")),
            hopeless=failure(scene(IMPOSSIBLE)),
            touched=failure(scene("a lake"), redactions=("/context/render/scene",)),
            effects=lambda: farm.calls["order"],
            passes=passes,
        )


def _in_contributing() -> Any:  # noqa: ANN401 - a module that no checker sees
    code = re.findall(r"^```python\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)[0]
    assert code.count("\n") < 120, "the example has grown too long to be one"
    module = ModuleType("the_strategy_in_contributing")
    exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
    return module


SUBJECTS: list[Callable[[], AbstractAsyncContextManager[Subject]]] = [
    auto_retry,
    auto_regenerate,
    schema_autofix,
    route_repair,
    deep_agent,
    the_one_in_contributing,
    lasting_from_outside,
]


@pytest.fixture(params=SUBJECTS, ids=lambda make: make.__name__)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as made:
        yield made


BROKEN: list[dict[str, Any]] = [
    {},
    {"request": None, "payload": None, "asset": None, "run": None},
    {"request": 7, "resume": [], "run": "r", "asset": True},
    {"request": {"method": ["GET"], "url": {}, "headers": "x"}, "resume": {"url": 1}},
    {"request": {"method": "POST", "url": "http://[", "expect": {"schema": "x", "json": [{}]}}},
]


def test_a_name_stands_for_one_strategy(subject: Subject) -> None:
    assert isinstance(subject.strategy.name, StrategyName)


@pytest.mark.parametrize("context", BROKEN, ids=range(len(BROKEN)))
async def test_planning_never_breaks_on_a_context_and_names_what_is_missing(
    subject: Subject, context: dict[str, Any]
) -> None:
    broken, strategy = failure(context), subject.strategy
    missing = strategy.needs(broken)
    assert missing
    assert all(path.startswith("context.") for path in missing)
    assert all(declared_field(path, strategy.fields) != OTHER for path in missing), "a field that `fields` lacks"
    strategy.refusal(broken, diagnosis(), subject.policy)
    gate = Gate()
    assert isinstance(await subject.heal(broken, gate), Refused)
    assert (gate.begins, subject.effects()) == (0, 0)


def test_what_can_be_healed_is_neither_incomplete_nor_refused(subject: Subject) -> None:
    assert subject.strategy.needs(subject.healable) == ()
    assert subject.strategy.refusal(subject.healable, diagnosis(), subject.policy) is None


def test_its_fields_are_paths_into_the_context_and_its_oracles_have_names(subject: Subject) -> None:
    assert subject.strategy.fields
    assert all(path.startswith("context.") for path in subject.strategy.fields)
    assert subject.strategy.oracles
    assert len(set(subject.strategy.oracles)) == len(subject.strategy.oracles)


def test_what_it_may_cost_is_known_before_it_starts_and_within_what_is_allowed(subject: Subject) -> None:
    estimate = subject.strategy.estimate(subject.healable, subject.policy)
    assert estimate is not None
    assert 0 <= estimate <= subject.policy.allowances[subject.strategy.name]
    assert subject.strategy.estimate(subject.healable, subject.policy) == estimate


def test_planning_gives_the_same_twice(subject: Subject) -> None:
    strategy, healable = subject.strategy, subject.healable
    assert strategy.intent(healable, subject.policy) == strategy.intent(healable, subject.policy)


def test_a_scope_belongs_to_its_organisation(subject: Subject) -> None:
    healable, hopeless = (subject.strategy.intent(f, subject.policy) for f in (subject.healable, subject.hopeless))
    assert healable.scope.startswith(f"{subject.healable.org_id}:")
    assert healable.scope != hopeless.scope


def test_a_claim_is_never_conditional_only_an_order_is(subject: Subject) -> None:
    """What is safe only right after a look is unsafe to whoever inherits the claim."""
    assert subject.strategy.intent(subject.healable, subject.policy).effect is not Effect.CONDITIONAL


def test_a_window_is_positive_and_at_most_ten_minutes(subject: Subject) -> None:
    window = subject.strategy.intent(subject.healable, subject.policy).window
    assert timedelta(0) < window <= timedelta(minutes=10)


def test_what_must_never_be_tried_again_is_refused(subject: Subject) -> None:
    reason = subject.strategy.refusal(subject.healable, diagnosis(Disposition.NEVER), subject.policy)
    assert reason


async def test_what_redaction_touched_is_refused_by_plan_and_by_heal(subject: Subject) -> None:
    reason = subject.strategy.refusal(subject.touched, diagnosis(), subject.policy)
    assert reason is not None
    assert subject.touched.redactions[0] in reason
    outcome = await subject.heal(subject.touched, Gate())
    assert isinstance(outcome, Refused)
    assert subject.effects() == 0


async def test_healed_means_that_an_oracle_passed_and_none_failed(subject: Subject) -> None:
    gate = Gate()
    outcome = await subject.heal(subject.healable, gate)
    assert isinstance(outcome, Healed)
    assert unproven(subject.strategy, outcome) is None
    estimate = subject.strategy.estimate(subject.healable, subject.policy)
    assert estimate is not None
    assert outcome.spent <= estimate
    assert gate.begins >= subject.effects() >= 1


async def test_what_the_oracle_denies_is_not_healed(subject: Subject) -> None:
    outcome = await subject.heal(subject.hopeless, Gate())
    assert isinstance(outcome, NotHealed | Unknown)
    assert outcome.reason
    assert Verdict.FAILED in {proof.verdict for proof in outcome.proofs}


@pytest.mark.parametrize(
    "refusal",
    [DeadlinePassed("over"), LostClaim("lost"), RevokedClaim("decided")],
    ids=["deadline", "lost", "revoked"],
)
async def test_no_effect_starts_at_a_closed_gate(subject: Subject, refusal: Exception) -> None:
    gate = Gate(refuse_at=1, refusal=refusal)
    with pytest.raises(type(refusal)):
        await subject.heal(subject.healable, gate)
    assert subject.effects() == 0


async def test_a_policy_that_allows_nothing_has_no_effect(subject: Subject) -> None:
    nothing = WorkflowPolicy(name="*")
    assert subject.strategy.refusal(subject.healable, diagnosis(), nothing)
    outcome = await subject.heal(subject.healable, Gate(), nothing)
    assert isinstance(outcome, Refused)
    assert subject.effects() == 0


async def test_what_a_lasting_strategy_keeps_is_read_back_and_its_heal_is_ended_without_a_further_effect(
    subject: Subject,
) -> None:
    strategy, gate = subject.strategy, Gate()
    if not isinstance(strategy, LastingStrategy):
        return
    assert readable_states({strategy.name: strategy})
    await subject.heal(subject.healable, gate)
    made = subject.effects()
    for state in gate.states:
        kept = Kept(state=decode_state(encode_state(state, strategy.states), strategy.states), begun=True)
        assert kept.state == state
        given = replace(task(strategy, subject.healable, subject.policy), kept=kept)
        assert not isinstance(strategy.too_long(given, kept), Healed)
        ended = await strategy.cancel(given, Gate(), replace(kept, revoked=True))
        assert outcome_of(ended)
    assert subject.effects() == made, "what only ends a heal orders nothing"
