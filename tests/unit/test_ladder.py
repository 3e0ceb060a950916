"""The plan: which strategy, or which refusal, and in words that its reader can use."""

import ssl
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.catalog import Catalog, parse_catalog
from consumer.diagnose.diagnosis import diagnose
from consumer.heal.auto_retry import AutoRetry
from consumer.model import Failure, Heal, JsonObject, Plan, Refuse, Wait
from consumer.outbound.calls import Calls, open_calls
from consumer.plan.ladder import LADDER, Planner, strategy_for
from consumer.redact import redact_json
from schemas.names import Code, Disposition, FailureType, StrategyName
from tests.support.healing import NOW, diagnosis, failure
from tests.support.pipeline import NEVER_LEFT, call, catalog

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


UNUSED_CALLS = Calls({}, tls=ssl.create_default_context())


@given(context=CONTEXTS, reason=st.text(max_size=20) | st.just("timeout"))
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_context_there_is_a_plan(context: dict[str, Any], reason: str) -> None:
    planner = Planner(rungs={StrategyName.AUTO_RETRY: AutoRetry(UNUSED_CALLS, redact_json)}, catalog=CATALOG)
    assert isinstance(planner.plan(failure(context), diagnose(reason, context), NOW), Heal | Refuse)
