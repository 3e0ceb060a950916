"""The plan: which strategy, or which refusal, and in words that its reader can use."""

import ssl
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.catalog import Catalog, WorkflowPolicy, parse_catalog
from consumer.diagnose.diagnosis import diagnose
from consumer.errors import ConfigError
from consumer.heal.auto_retry import AutoRetry
from consumer.model import Diagnosis, Failure, Heal, JsonObject, LadderProgress, MicroAud, Plan, Refuse, Wait
from consumer.outbound.calls import OutboundCalls, open_calls
from consumer.plan.default_ladder import ladder
from consumer.plan.planner import LADDER, Planner, strategy_for
from consumer.redact import redact_json
from consumer.store.rows import parse_progress, progress_json
from schemas.names import Code, Disposition, FailureType, StrategyName
from tests.support.healing import NOW, diagnosis, failure
from tests.support.pipeline import NEVER_LEFT, call, catalog
from tests.support.worlds.scripted import Scripted

CATALOG = parse_catalog(catalog(8080, max_age="PT1H"))
GET = call("http://127.0.0.1:8080/x")


@pytest.fixture
async def planner() -> Any:  # noqa: ANN401 - an async fixture's type is the generator's
    async with open_calls({}) as calls:
        yield Planner(rungs={StrategyName.AUTO_RETRY: AutoRetry(calls, redact_json)}, catalog=CATALOG)


def planned(planner: Planner, failed: Failure, catalog: Catalog = CATALOG) -> Plan:
    return replace(planner, catalog=catalog).plan(failed, diagnosis(), NOW)


def refused(plan: Plan) -> tuple[Code, str]:
    assert isinstance(plan, Refuse)
    assert plan.catalog_version
    return plan.code, plan.reason


def test_every_failure_type_has_a_strategy() -> None:
    assert set(LADDER) == set(FailureType)


def test_a_plan_carries_scope_key_window_credits_and_the_catalogs_version(planner: Planner) -> None:
    keyed = call("http://127.0.0.1:8080/x", "POST", idempotency_key="k")
    plan = planned(planner, failure(keyed))
    assert isinstance(plan, Heal)
    assert (plan.strategy, plan.intent.effect, plan.intent.idempotency_key) == (StrategyName.AUTO_RETRY, "keyed", "k")
    assert plan.intent.scope.startswith(str(failure(keyed).org_id))
    assert (plan.hold, plan.catalog_version) == (50_000, CATALOG.version)
    assert timedelta(0) < plan.intent.window <= timedelta(minutes=10)


def test_the_same_call_of_two_failures_is_one_scope_and_another_call_is_another(planner: Planner) -> None:
    first, again = failure(GET), replace(failure(GET), id=failure({}).id)
    other = failure(call("http://127.0.0.1:8080/y"))
    plans = [planned(planner, failed) for failed in (first, again, other)]
    scopes = [plan.intent.scope for plan in plans if isinstance(plan, Heal)]
    assert scopes[0] == scopes[1] != scopes[2]


@pytest.mark.parametrize("kind", [kind for kind in FailureType if LADDER[kind] is not StrategyName.AUTO_RETRY])
def test_what_is_not_installed_is_refused_by_name(planner: Planner, kind: FailureType) -> None:
    needs_repair = replace(diagnosis(Disposition.NEEDS_REPAIR), failure_type=kind)
    plan = planner.plan(failure(GET), needs_repair, NOW)
    code, reason = refused(plan)
    assert code is Code.NOT_INSTALLED
    assert LADDER[kind] in reason


def test_missing_fields_are_named(planner: Planner) -> None:
    plan = planned(planner, failure({}))
    assert refused(plan)[0] is Code.MISSING_CONTEXT
    assert isinstance(plan, Refuse)
    assert plan.missing == ("context.request.method", "context.request.url")


@pytest.mark.parametrize(
    ("failed", "says"),
    [
        pytest.param(failure(call("http://evil.test/x")), "evil.test", id="a host that is not declared"),
        pytest.param(failure(call("http://127.0.0.1:8080/x", "POST")), "idempotency_key", id="unsafe, may have run"),
        pytest.param(replace(failure(GET), detected_at=NOW - timedelta(hours=2)), "max_age", id="too old"),
        pytest.param(replace(failure(GET), attempts=3), "3 attempts", id="all attempts made"),
        pytest.param(
            failure(GET, redactions=("/context/request/headers/authorization",)), "secret://NAME", id="redacted"
        ),
    ],
)
def test_what_may_not_be_done_is_refused_and_says_why(planner: Planner, failed: Failure, says: str) -> None:
    code, reason = refused(planned(planner, failed))
    assert code is Code.REFUSED
    assert says in reason


def test_an_unsafe_call_that_never_left_may_be_made(planner: Planner) -> None:
    context = call("http://127.0.0.1:8080/x", "POST", error=NEVER_LEFT)
    assert isinstance(planned(planner, failure(context)), Heal)


def test_a_workflow_that_the_catalog_does_not_name_is_refused(planner: Planner) -> None:
    only_other = parse_catalog(catalog(8080).replace("- name: '*'", "- name: other.*"))
    assert "orders.sync" in refused(planned(planner, failure(GET), only_other))[1]


def test_a_strategy_that_the_catalog_does_not_allow_is_refused(planner: Planner) -> None:
    nothing = parse_catalog(catalog(8080, strategies="[schema-autofix]"))
    assert "auto-retry" in refused(planned(planner, failure(GET), nothing))[1]


@pytest.mark.parametrize(
    ("kind", "disposition", "context", "strategy"),
    [
        ("missing_image", "retry_after", {"request": {}}, "auto-retry"),
        ("missing_image", "retry_after", {"request": {}, "asset": {}}, "auto-regenerate"),
        ("voice_generation_error", "retry_now", {}, "auto-regenerate"),
        ("invalid_schema", "needs_repair", {"request": {}}, "schema-autofix"),
        ("invalid_schema", "retry_now", {"payload": {}}, "auto-regenerate"),
        ("invalid_schema", "retry_now", {"request": {}, "payload": {}}, "auto-retry"),
        ("workflow_stall", "needs_repair", {"run": {}}, "route-repair"),
        ("workflow_stall", "retry_now", {"request": {}}, "auto-retry"),
        ("billing_sync_issue", "needs_repair", {"request": {}}, "dependency-replacement"),
        ("billing_sync_issue", "retry_if_idempotent", {"request": {}}, "auto-retry"),
        ("concierge_action_failure", "needs_repair", {"payload": {}}, "schema-autofix"),
        ("unknown", "retry_if_idempotent", {}, "auto-retry"),
        ("unknown", "needs_repair", {"payload": {}}, "schema-autofix"),
        ("unknown", "needs_repair", {}, "DeepAgent-full-workflow-rewrite"),
    ],
)
def test_the_strategy_follows_from_type_disposition_and_what_is_at_hand(
    kind: str, disposition: str, context: JsonObject, strategy: str
) -> None:
    found = replace(diagnosis(Disposition(disposition)), failure_type=FailureType(kind))
    assert strategy_for(found, context) == strategy


def test_what_was_told_to_wait_waits_and_then_no_longer(planner: Planner) -> None:
    told = replace(diagnosis(Disposition.RETRY_AFTER), wait=timedelta(seconds=30))
    early = planner.plan(replace(failure(GET), detected_at=NOW - timedelta(seconds=10)), told, NOW)
    assert isinstance(early, Wait)
    assert early.after == timedelta(seconds=20)
    assert isinstance(planner.plan(replace(failure(GET), detected_at=NOW - timedelta(seconds=31)), told, NOW), Heal)


def test_what_was_told_a_moment_waits_until_then_and_never_longer_than_a_week(planner: Planner) -> None:
    told = replace(diagnosis(Disposition.RETRY_AFTER), until=NOW + timedelta(minutes=30))
    early = planner.plan(failure(GET), told, NOW)
    assert isinstance(early, Wait)
    assert early.after == timedelta(minutes=30)
    assert isinstance(planner.plan(failure(GET), told, NOW + timedelta(minutes=30)), Heal)
    far = planner.plan(failure(GET), replace(told, until=NOW + timedelta(days=90)), NOW)
    assert isinstance(far, Wait)
    assert far.after == timedelta(days=7)


@pytest.mark.parametrize("disposition", [Disposition.NEVER, Disposition.NEEDS_MONEY, Disposition.NEEDS_PERSON])
def test_what_trying_again_cannot_help_is_refused(planner: Planner, disposition: Disposition) -> None:
    assert refused(planner.plan(failure(GET), diagnosis(disposition), NOW))[0] is Code.REFUSED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=8,
)
PARTS = st.dictionaries(
    st.sampled_from(
        ["method", "url", "headers", "body", "effect", "idempotency_key", "expect", "read_back", "timeout_seconds"]
    ),
    JSON | st.just("http://127.0.0.1:8080/x"),
)
CONTEXTS = st.dictionaries(st.sampled_from(["request", "error", "resume", "run", "http_status", "x"]), JSON | PARTS)


UNUSED_CALLS = OutboundCalls({}, tls=ssl.create_default_context())


@given(context=CONTEXTS, reason=st.text(max_size=20) | st.just("timeout"))
@settings(max_examples=150)
def test_whatever_stands_in_a_context_there_is_a_plan(context: dict[str, Any], reason: str) -> None:
    planner = Planner(rungs={StrategyName.AUTO_RETRY: AutoRetry(UNUSED_CALLS, redact_json)}, catalog=CATALOG)
    assert isinstance(planner.plan(failure(context), diagnose(reason, context), NOW), Heal | Refuse)


# ---- the ladder

NAMES = tuple(StrategyName)
REWRITE = StrategyName.WORKFLOW_REWRITE
REPAIR = StrategyName.SCHEMA_AUTOFIX
RETRY = StrategyName.AUTO_RETRY
REPLACE = StrategyName.DEPENDENCY_REPLACEMENT


async def _never(*_: object) -> Any:  # noqa: ANN401 - nothing is healed here
    raise AssertionError("the plan acts on nothing")


FREE = MicroAud(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standin(Scripted):
    """A rung that lacks, refuses and costs what it is told."""

    lacks: tuple[str, ...] = ()
    no: str | None = None
    price: MicroAud | None = FREE

    def needs(self, failure: Failure) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        return self.lacks

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002
        return self.no

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:  # noqa: ARG002
        return self.price


def rung(name: StrategyName, **told: Any) -> Standin:  # noqa: ANN401 - fields of Standin
    return Standin(heals=_never, name=name, **told)


def of(*rungs: Standin, **policy: str) -> Planner:
    return Planner(rungs={one.name: one for one in rungs}, catalog=parse_catalog(catalog(8080, **policy)))


TWO = "{api_timeout: [auto-retry, dependency-replacement]}"
THREE = "{api_timeout: [schema-autofix, auto-retry, dependency-replacement]}"


def tried(*, exhausted: tuple[str, ...] = (), in_doubt: str | None = None, **attempts: int) -> Failure:
    made = {name.replace("_", "-"): n for name, n in attempts.items()}
    at = LadderProgress(attempts=made, exhausted=frozenset(exhausted), in_doubt=in_doubt)
    return replace(failure(GET), ladder_progress=at, attempts=sum(made.values()))


def chosen(planner: Planner, failed: Failure) -> tuple[str, list[tuple[str, str]]]:
    """Give who acts, or `refused`, and whom it passed over with which code."""
    plan = planner.plan(failed, diagnosis(), NOW)
    assert isinstance(plan, Heal | Refuse)
    passed = [(str(one.rung), one.code.value) for one in plan.passed_over]
    return (plan.strategy.value if isinstance(plan, Heal) else f"{plan.strategy} {plan.code}"), passed


CONTEXT_PARTS: tuple[JsonObject, ...] = (
    {},
    {"request": {}},
    {"payload": {}},
    {"request": {}, "payload": {}, "run": {}, "asset": {}},
)


@pytest.mark.parametrize("context", CONTEXT_PARTS, ids=str)
@pytest.mark.parametrize("disposition", Disposition)
@pytest.mark.parametrize("kind", FailureType)
def test_every_ladder_ends_with_the_rewrite_and_has_no_rung_twice(
    kind: FailureType, disposition: Disposition, context: JsonObject
) -> None:
    found = replace(diagnosis(disposition), failure_type=kind)
    rungs = ladder(found, context)
    assert rungs[-1] is REWRITE
    assert len(set(rungs)) == len(rungs)
    if len(rungs) > 1:
        assert rungs[0] is not REWRITE
    chosen_first = strategy_for(found, context)
    assert rungs[0] is chosen_first or chosen_first is REWRITE


def test_what_may_be_sent_again_is_not_repaired_and_what_needs_repair_is_not_sent_again() -> None:
    context: JsonObject = {"request": {}, "payload": {}}
    for kind in FailureType:
        again = replace(diagnosis(Disposition.RETRY_NOW), failure_type=kind)
        assert REPAIR not in ladder(again, context)
        broken = replace(diagnosis(Disposition.NEEDS_REPAIR), failure_type=kind)
        assert RETRY not in ladder(broken, context)[1:]


def test_the_first_rung_that_may_act_is_planned_and_says_whom_it_passed_over() -> None:
    planner = of(rung(REPAIR, lacks=("context.payload",)), rung(RETRY, no="no host"), rung(REPLACE), ladders=THREE)
    plan = planner.plan(failure(GET), diagnosis(), NOW)
    assert isinstance(plan, Heal)
    assert plan.strategy is REPLACE
    first, second = plan.passed_over
    assert (first.rung, first.code, first.missing) == (REPAIR, Code.MISSING_CONTEXT, ("context.payload",))
    assert (second.rung, second.code, second.reason) == (RETRY, Code.REFUSED, "no host")


def test_where_no_rung_may_act_the_first_ones_reason_stands_and_the_others_are_told() -> None:
    planner = of(rung(REPAIR, lacks=("context.payload",)), rung(RETRY, no="no host"), ladders=THREE)
    plan = planner.plan(failure(GET), diagnosis(), NOW)
    assert isinstance(plan, Refuse)
    assert (plan.strategy, plan.code, plan.missing) == (REPAIR, Code.MISSING_CONTEXT, ("context.payload",))
    assert [(one.rung, one.code) for one in plan.passed_over] == [
        (RETRY, Code.REFUSED),
        (REPLACE, Code.NOT_INSTALLED),
    ]


def test_the_healers_own_ladder_does_not_speak_of_what_is_not_installed() -> None:
    assert chosen(of(rung(RETRY, no="no host")), failure(GET)) == ("auto-retry refused", [])


def test_the_catalogs_order_counts() -> None:
    both = (rung(RETRY), rung(REPLACE))
    assert chosen(of(*both), failure(GET))[0] == "auto-retry"
    turned = of(*both, ladders="{api_timeout: [dependency-replacement, auto-retry]}")
    assert chosen(turned, failure(GET))[0] == "dependency-replacement"
    other = of(*both, ladders="{unknown: [dependency-replacement]}")
    assert chosen(other, failure(GET))[0] == "auto-retry"


def test_what_is_too_old_for_one_rung_is_too_old_for_all_and_is_said_once() -> None:
    planner = of(rung(RETRY), rung(REPLACE), ladders=TWO, max_age="PT1H")
    old = replace(failure(GET), detected_at=NOW - timedelta(hours=2))
    assert chosen(planner, old) == ("auto-retry refused", [])


@pytest.mark.parametrize(
    ("failed", "rungs", "acts", "passed"),
    [
        pytest.param(tried(auto_retry=1), "{}", "auto-retry", [], id="while attempts are left it is tried again"),
        pytest.param(tried(auto_retry=2), "{}", "dependency-replacement", ["not_healed"], id="the last one is kept"),
        pytest.param(
            tried(auto_retry=1),
            "{auto-retry: {attempts: 1}}",
            "dependency-replacement",
            ["refused"],
            id="its own attempts are used up",
        ),
        pytest.param(tried(auto_retry=2), "{auto-retry: {attempts: 3}}", "auto-retry", [], id="declared: none kept"),
        pytest.param(
            tried(exhausted=("auto-retry",)), "{}", "dependency-replacement", ["refused"], id="it refused to act"
        ),
        pytest.param(
            tried(auto_retry=1, in_doubt="auto-retry"), "{auto-retry: {attempts: 1}}", None, [], id="a key in doubt"
        ),
        pytest.param(
            replace(tried(auto_retry=2), effect_in_doubt=True), "{}", "auto-retry", [], id="a doubt of an older release"
        ),
        pytest.param(
            replace(tried(dependency_replacement=1, in_doubt="dependency-replacement"), effect_in_doubt=True),
            "{}",
            "dependency-replacement",
            [],
            id="only who may have acted looks",
        ),
        pytest.param(
            tried(auto_retry=1, dependency_replacement=1), "{auto-retry: {attempts: 1}}", "dependency-replacement",
            ["refused"], id="the second one has what is left",
        ),
    ],
)  # fmt: skip
def test_the_ladder_goes_on_from_where_it_was(failed: Failure, rungs: str, acts: str | None, passed: list[str]) -> None:
    planner = of(rung(RETRY), rung(REPLACE), ladders=TWO, rungs=rungs)
    who, over = chosen(planner, failed)
    assert (who, [code for _, code in over]) == (acts or "auto-retry refused", passed)


def test_attempts_over_all_rungs_end_it() -> None:
    planner = of(rung(RETRY), rung(REPLACE), ladders=TWO, rungs="{auto-retry: {attempts: 2}}")
    used_up = tried(auto_retry=2, dependency_replacement=1)
    assert chosen(planner, used_up)[0] == "auto-retry refused"
    assert not planner.goes_on(used_up, diagnosis(), NOW)
    assert planner.goes_on(tried(auto_retry=2), diagnosis(), NOW)


@pytest.mark.parametrize(
    ("price", "held"),
    [(0, 0), (30_000, 30_000), (50_000, 50_000), (50_001, None), (None, None)],
)
def test_what_an_attempt_may_cost_is_held_and_what_is_too_dear_or_has_no_price_is_refused(
    price: int | None, held: int | None
) -> None:
    cost = MicroAud(price) if price is not None else None
    plan = of(rung(RETRY, price=cost)).plan(failure(GET), diagnosis(), NOW)
    assert (plan.hold if isinstance(plan, Heal) else None) == held
    if isinstance(plan, Refuse):
        assert (plan.code, "catalog" in plan.reason) == (Code.REFUSED, True)


def test_a_rungs_own_allowance_and_time_count_in_place_of_the_entrys() -> None:
    limited = of(rung(RETRY, price=MicroAud(90_000)), rungs='{auto-retry: {allowance_aud: "0.09", longest: PT10S}}')
    plan = limited.plan(failure(GET), diagnosis(), NOW)
    assert isinstance(plan, Heal)
    assert (plan.hold, plan.intent.window) == (90_000, timedelta(seconds=10))
    longer = of(rung(RETRY), rungs="{auto-retry: {longest: PT5M}}").plan(failure(GET), diagnosis(), NOW)
    assert isinstance(longer, Heal)
    assert longer.intent.window == timedelta(seconds=30)


def sure(confidence: float) -> Diagnosis:
    return replace(diagnosis(), confidence=confidence)


LEAST = "{auto-retry: {least_confidence: 0.8}}"


def test_a_diagnosis_below_a_rungs_least_confidence_goes_to_the_next_rung() -> None:
    planner = of(rung(RETRY), rung(REPLACE), ladders=TWO, rungs=LEAST)
    unsure, enough = (planner.plan(failure(GET), sure(one), NOW) for one in (0.79, 0.8))
    assert isinstance(enough, Heal)
    assert (enough.strategy, enough.passed_over) == (RETRY, ())
    assert isinstance(unsure, Heal)
    assert [(one.rung, one.code) for one in unsure.passed_over] == [(RETRY, Code.REFUSED)]
    assert unsure.strategy is REPLACE


def test_below_every_least_confidence_a_person_comes_and_whoever_asks_takes_its_place() -> None:
    planner = of(rung(RETRY), rungs=LEAST)
    code, reason = refused(planner.plan(failure(GET), sure(0.41), NOW))
    assert code is Code.REFUSED
    assert "0.41 sure" in reason
    assert "least_confidence of 0.8" in reason
    assert isinstance(planner.plan(replace(failure(GET), vouched=True), sure(0.41), NOW), Heal)


@pytest.mark.parametrize(
    "failed",
    [replace(tried(auto_retry=1), effect_in_doubt=True), tried(auto_retry=1, in_doubt="auto-retry")],
    ids=["of an older release", "with its key"],
)
def test_an_effect_in_doubt_is_looked_after_however_unsure_the_diagnosis(failed: Failure) -> None:
    plan = of(rung(RETRY), rungs="{auto-retry: {least_confidence: 0.8, attempts: 3}}").plan(failed, sure(0.1), NOW)
    assert isinstance(plan, Heal)


def test_whoever_asks_is_told_of_every_rung() -> None:
    planner = of(rung(REPAIR, lacks=("context.payload",)), rung(RETRY), ladders=THREE)
    told = planner.rungs_for(failure(GET), diagnosis(), NOW)
    assert [(name, passed.code if passed else None) for name, passed in told] == [
        (REPAIR, Code.MISSING_CONTEXT),
        (RETRY, None),
        (REPLACE, Code.NOT_INSTALLED),
    ]


# ---- what the catalog says of it

FAULTS = {
    "ladders: {invalid_schema: [auto-retry, auto-retry]}": "5: workflows.0.ladders.invalid_schema.1: auto-retry stands",
    "ladders: {nonsense: [auto-retry]}": "5: workflows.0.ladders.nonsense",
    "ladders: {unknown: []}": "5: workflows.0.ladders.unknown: an empty ladder",
    "ladders:\n    unknown:\n    - auto-retry\n    - auto-rety": "8: workflows.0.ladders.unknown.1: has to be",
    "ladders:\n    unknown:\n    - DeepAgent-full-workflow-rewrite\n    - auto-retry": "7: .* only be the last rung",
    "strategies: [auto-retry]\n  ladders:\n    unknown: [auto-retry, route-repair]": "7: .* `strategies`",
    "strategies: [auto-retry]\n  rungs:\n    route-repair: {attempts: 1}": "7: .* `strategies`",
    "rungs:\n    auto-retry:\n      attempts: 4": "7: .* more than the entry's `attempts` .3.",
    "rungs:\n    auto-retry: {longest: PT11M}": "6: .*longest",
    "rungs:\n    auto-retry: {allowance_aud: '-1'}": "6: .*allowance_aud",
    "rungs:\n    auto-retry: {least_confidence: 1}": "6: .*least_confidence",
    "rungs:\n    auto-retry: {least_confidence: 0}": "6: .*least_confidence",
    "rungs: {auto-retri: {attempts: 1}}": "5: workflows.0.rungs.auto-retri",
    "rungs: {}\n  max_age: PT1H\n  rungs: {}": "7: rungs is said twice",
    "secrets:\n  - NOBODY": "6: workflows.0.secrets.0: NOBODY is not declared",
}


@pytest.mark.parametrize(("declared", "says"), FAULTS.items(), ids=range(len(FAULTS)))
def test_a_wrong_ladder_is_refused_with_its_line(declared: str, says: str) -> None:
    text = f"version: 1\nworkflows:\n- name: '*'\n  attempts: 3\n  {declared}\n"
    with pytest.raises(ConfigError, match=f"catalog:{says}"):
        parse_catalog(text)


def test_a_source_is_known_by_the_pattern_that_lets_it_speak() -> None:
    speaks = "version: 1\nsources:\n- {source: 'urn:a:*', organisations: '*'}\n- {source: '*', organisations: '*'}\n"
    assert parse_catalog(speaks).speaks_as("urn:a:1", failure({}).org_id) == "urn:a:*"
    assert parse_catalog(speaks).speaks_as("urn:b", failure({}).org_id) == "*"
    assert parse_catalog("version: 1").speaks_as("urn:b", failure({}).org_id) is None


@given(attempts=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3)), spent=st.sets(st.sampled_from(NAMES)))
def test_what_the_ladder_remembers_is_read_as_it_was_written(attempts: dict[str, int], spent: set[str]) -> None:
    before = LadderProgress(attempts=attempts, exhausted=frozenset(spent), in_doubt=next(iter(attempts), None))
    assert parse_progress(progress_json(before)) == before


@pytest.mark.parametrize("text", ["[]", "{", '{"attempts": [], "spent": 7, "unsure": {}}', '{"of_tomorrow": 1}'])
def test_what_it_cannot_read_of_another_release_is_nothing_tried(text: str) -> None:
    assert parse_progress(text) == LadderProgress()
