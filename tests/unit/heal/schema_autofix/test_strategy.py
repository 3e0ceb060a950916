"""schema-autofix: what it takes for granted, what it believes of a repair, and when a run is healed."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.catalog import SchemaAutofixLimits, WorkflowPolicy
from consumer.heal.schema_autofix.producer_drift import drift_of
from consumer.heal.schema_autofix.strategy import SchemaAutofix
from consumer.heal.strategy import Task
from consumer.model import (
    Failure,
    Heal,
    Healed,
    Intent,
    Json,
    LadderProgress,
    MicroAud,
    NotHealed,
    OrgId,
    Outcome,
    Refused,
    RetryLater,
    Unknown,
    attempt_id,
)
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.plan.next_step import AttemptHistory, next_step
from consumer.plan.progress import advance
from consumer.redact import redact_json
from consumer.repair.values import Edit, Operation, RefusalCause, Repair, RepairStatus, SlipNote, refused
from consumer.runners.contract import Accepted, LookFailed, OrderResult, Phase, Rejected, RunState
from schemas.names import Code, Disposition, Effect, Grade, Status, StrategyName, Verdict
from tests.support.healing import NOW, Gate, diagnosis, failure, heal_to_its_end
from tests.support.worlds.scripted_runner import (
    FAILED,
    GONE,
    RUN,
    RUNNING,
    SUCCEEDED,
    TAKEN,
    WAITING,
    OneRunner,
    ScriptedRunner,
    VirtualTime,
    stands,
)

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
OTHER: dict[str, Any] = {"type": "array"}
CONTEXT: dict[str, Any] = {"payload": {"amount": "12"}, "schema": SCHEMA, "run": {"id": "run-1", "step": "charge"}}
UNQUOTED = Edit(
    op="replace", path="/amount", value=12, old="12", grade=Grade.LOSSLESS, kind="number", reason="a number in quotes"
)
MENDED = Repair(status=RepairStatus.REPAIRED, document={"amount": 12}, edits=(UNQUOTED,))
NO_TIME = timedelta(0)
LOST = Ambiguous(kind="ReadTimeout", reason="no answer within 10 s", elapsed=timedelta(seconds=10))
NEVER_LEFT = NotSent(kind="ConnectError", reason="connection refused", elapsed=timedelta(0))


@dataclass(slots=True, kw_only=True)
class GivenRoom:
    """Gives the repair that it was told, and remembers what it was asked."""

    repair_: Repair = MENDED
    asked: list[tuple[Json, object, Grade, tuple[str, ...]]] = field(default_factory=list)

    async def repair(
        self,
        given: Json,
        schema: Any,  # noqa: ANN401
        *,
        most: Grade,
        guarded: tuple[str, ...],
        of: OrgId,
    ) -> Repair:
        assert isinstance(of, UUID)
        self.asked.append((given, schema, most, guarded))
        return self.repair_


def allowed(**limits: Any) -> WorkflowPolicy:  # noqa: ANN401 - whatever the catalog takes
    return WorkflowPolicy(name="*", schema_autofix=SchemaAutofixLimits.model_validate(limits))


def strategy(
    runner: ScriptedRunner | None,
    room: GivenRoom | None = None,
    age: timedelta = NO_TIME,
    time: VirtualTime | None = None,
) -> SchemaAutofix:
    time = time or VirtualTime()
    return SchemaAutofix(
        OneRunner(runner),
        room or GivenRoom(),
        redact_json,
        sleep=time.sleep,
        monotonic=time.monotonic,
        now=lambda: NOW + age,
    )


def failed(context: dict[str, Any] | None = None, **changes: Any) -> Failure:  # noqa: ANN401 - a failure's fields
    return replace(failure(CONTEXT if context is None else context), **changes)


def intent(one: Failure, policy: WorkflowPolicy | None = None, effect: Effect = Effect.KEYED) -> Intent:
    return strategy(ScriptedRunner(declared=effect)).intent(one, policy or allowed())


async def healed(
    runner: ScriptedRunner,
    one: Failure | None = None,
    *,
    policy: WorkflowPolicy | None = None,
    room: GivenRoom | None = None,
    gate: Gate | None = None,
    age: timedelta = NO_TIME,
) -> Outcome:
    time = VirtualTime()
    one, policy, made = one or failed(), policy or allowed(), strategy(runner, room, age, time)
    plan = Heal(strategy=made.name, intent=made.intent(one, policy), hold=MicroAud(0), catalog_version="test")
    task = Task(failure=one, diagnosis=diagnosis(), plan=plan, policy=policy, attempt_id=attempt_id(one.id, one.step))
    gate = gate or Gate(left=timedelta(minutes=5))
    outcome = await heal_to_its_end(made, task, gate, time.sleep)
    assert gate.begins == len(runner.orders), "an order without asking at the gate"
    return outcome


def verdicts(outcome: Outcome) -> dict[str, Verdict]:
    assert isinstance(outcome, Healed | NotHealed | Unknown)
    return {one.oracle: one.verdict for one in outcome.proofs}


# ---- the plan's half


@pytest.mark.parametrize(
    ("context", "missing"),
    [
        ({}, ("context.payload", "context.run.id", "context.run.step")),
        ({"payload": None, "run": {"id": "r", "step": "s"}}, ()),
        ({"payload": {}, "run": {"id": "r"}}, ("context.run.step",)),
        ({"payload": {}, "run": {"step": "s"}}, ("context.run.id",)),
        ({"payload": {}, "run": {"id": "r", "step": "s", "epoch": -1}}, ("context.run.epoch",)),
        ({"run": {"id": "r", "step": "s"}}, ("context.payload",)),
    ],
)
def test_needs_names_what_is_missing_or_unusable(context: dict[str, Any], missing: tuple[str, ...]) -> None:
    assert strategy(None).needs(failed(context)) == missing


@pytest.mark.parametrize("pointer", ["/context", "/context/payload", "/context/payload/a~1b/0", "/context/run/id"])
def test_what_redaction_touched_is_refused_with_its_path(pointer: str) -> None:
    one = failed(redactions=(pointer,))
    assert strategy(ScriptedRunner()).needs(one) == ()
    reason = strategy(ScriptedRunner()).refusal(one, diagnosis(), allowed())
    assert reason is not None
    assert reason.startswith(f"{pointer} was redacted")


def test_what_redaction_took_out_of_another_part_is_no_reason_to_refuse() -> None:
    one = failed(redactions=("/context/request/headers/Authorization", "/context/payloads", "/failure_reason"))
    assert strategy(ScriptedRunner()).refusal(one, diagnosis(), allowed()) is None


@pytest.mark.parametrize(
    ("runner", "context", "disposition", "says"),
    [
        (None, CONTEXT, Disposition.NEEDS_REPAIR, "names no runner"),
        (ScriptedRunner(forbids="the host is not allowed"), CONTEXT, Disposition.NEEDS_REPAIR, "not allowed"),
        (ScriptedRunner(), CONTEXT | {"schema": 7}, Disposition.NEEDS_REPAIR, "no schema for the payload of step"),
        (ScriptedRunner(), CONTEXT | {"schema": {"a": "x" * 300_000}}, Disposition.NEEDS_REPAIR, "too large"),
        (ScriptedRunner(), CONTEXT, Disposition.NEVER, "only do harm"),
        (ScriptedRunner(), CONTEXT, Disposition.NEEDS_PERSON, "a person"),
        (ScriptedRunner(), CONTEXT, Disposition.NEEDS_REPAIR, None),
    ],
)
def test_the_plan_says_why_not(
    runner: ScriptedRunner | None, context: dict[str, Any], disposition: Disposition, says: str | None
) -> None:
    reason = strategy(runner).refusal(failed(context), diagnosis(disposition), allowed())
    assert (reason is None) == (says is None)
    assert (says or "") in (reason or "")


@pytest.mark.parametrize(
    ("declared", "used"),
    [({}, SCHEMA), ({"charge": OTHER}, OTHER), ({"ch*": OTHER}, OTHER), ({"refund": OTHER}, SCHEMA)],
    ids=["none", "by name", "by pattern", "of another step"],
)
async def test_an_event_brings_its_schema_only_where_the_catalog_declares_none(
    declared: dict[str, Any], used: dict[str, Any]
) -> None:
    room = GivenRoom(repair_=refused(RefusalCause.AMBIGUOUS, "two"))
    await healed(ScriptedRunner(), policy=allowed(schemas=declared), room=room)
    assert [schema for _, schema, _, _ in room.asked] == [used]


async def test_nullable_is_read_as_openapi_has_it_where_the_catalog_says_so() -> None:
    schema = {"properties": {"note": {"type": "string", "nullable": True}}}
    for told, types in ((True, ["string", "null"]), (False, "string")):
        room = GivenRoom(repair_=refused(RefusalCause.AMBIGUOUS, "two"))
        one = failed({**CONTEXT, "schema": schema})
        await healed(ScriptedRunner(), one, policy=allowed(openapi_nullable=told), room=room)
        asked: Any = room.asked[0][1]
        assert asked["properties"]["note"]["type"] == types


async def test_a_valid_payload_is_refused_with_what_looks_like_a_slip_in_it() -> None:
    valid = Repair(status=RepairStatus.VALID, document={"amount": 12}, notes=(SlipNote(path="/notse", meant="notes"),))
    outcome = await healed(ScriptedRunner(), room=GivenRoom(repair_=valid))
    assert isinstance(outcome, Refused)
    assert "nothing to repair" in outcome.reason
    assert "/notse looks like a slip for 'notes'" in outcome.reason


async def test_a_repair_may_do_what_the_catalog_allows_and_no_more() -> None:
    room = GivenRoom()
    await healed(ScriptedRunner(), room=room)
    await healed(ScriptedRunner(), policy=allowed(grade="lossy", guarded=["/amount"]), room=room)
    assert [(most, guarded) for _, _, most, guarded in room.asked] == [
        (Grade.LOSSLESS, ()),
        (Grade.LOSSY, ("/amount",)),
    ]


def test_the_scope_is_the_run_and_belongs_to_its_organisation() -> None:
    one = failed()
    other_step = failed(CONTEXT | {"run": {"id": "run-1", "step": "refund"}})
    other_run = failed(CONTEXT | {"run": {"id": "run-2", "step": "charge"}})
    assert intent(one).scope == f"{one.org_id}:run:run-1"
    assert intent(other_step).scope == intent(one).scope, "two steps of one run are not run again at once"
    assert intent(other_run).scope != intent(one).scope


@pytest.mark.parametrize(
    "change",
    [
        {"payload": {"amount": "13"}},
        {"schema": OTHER},
        {"run": {"id": "run-1", "step": "charge", "epoch": 3}},
        {"run": {"id": "run-1", "step": "refund", "epoch": 2}},
        {"run": {"id": "run-2", "step": "charge", "epoch": 2}},
    ],
    ids=["payload", "schema", "epoch", "step", "run"],
)
def test_only_the_same_payload_in_the_same_place_is_the_same_damage(change: dict[str, Any]) -> None:
    context = CONTEXT | {"run": {"id": "run-1", "step": "charge", "epoch": 2}}
    assert intent(failed(context)).fault_digest is not None
    assert intent(failed(context | {"payload": {"amount": "12"}})).fault_digest == intent(failed(context)).fault_digest
    assert intent(failed(context | change)).fault_digest != intent(failed(context)).fault_digest
    assert intent(failed()).fault_digest is None, "without an epoch two failures may be of two runs of one step"


def test_the_key_stays_until_an_attempt_has_counted() -> None:
    one = failed(step=0)
    key = intent(one).idempotency_key
    assert key is not None
    assert intent(replace(one, step=4)).idempotency_key == key, "put off: what came of the order is not known"
    assert intent(replace(one, step=4, lifetime_attempts=1)).idempotency_key != key
    assert intent(one, effect=Effect.UNSAFE).idempotency_key is None


def test_the_window_holds_the_whole_of_a_repair_and_ends() -> None:
    assert intent(failed()).window >= timedelta(seconds=60 + 10 + 3 * 10)
    longest = allowed(verify="PT8M", timeout="PT60S")
    assert intent(failed(), longest).window <= timedelta(minutes=10)


# ---- what is believed of a repair


@pytest.mark.parametrize(
    ("repair", "says"),
    [
        (refused(RefusalCause.AMBIGUOUS, "two keys may be meant by /amount"), "ambiguous: two keys"),
        (refused(RefusalCause.TRUNCATED, "the text ends in a text: make it again"), "truncated"),
        (Repair(status=RepairStatus.VALID, document={"amount": 12}), "nothing to repair"),
    ],
)
async def test_what_is_not_repaired_is_refused_and_never_sent(repair: Repair, says: str) -> None:
    runner = ScriptedRunner()
    outcome = await healed(runner, room=GivenRoom(repair_=repair))
    assert isinstance(outcome, Refused)
    assert says in outcome.reason
    assert (runner.orders, runner.looked_at) == ([], [])


@pytest.mark.parametrize(
    ("lie", "oracle"),
    [
        (replace(MENDED, document={"amount": "twelve"}), "schema"),
        (replace(MENDED, document={}), "schema"),
        (replace(MENDED, document={"amount": 13}, edits=(replace(UNQUOTED, old="13"),)), "inverse"),
        (replace(MENDED, edits=()), "inverse"),
        (replace(MENDED, edits=(replace(UNQUOTED, path="/nowhere/at/all"),)), "inverse"),
    ],
)
async def test_a_repair_is_not_taken_at_its_word(lie: Repair, oracle: str) -> None:
    runner = ScriptedRunner()
    outcome = await healed(runner, room=GivenRoom(repair_=lie))
    assert isinstance(outcome, Refused)
    assert f"not believed: {oracle}" in outcome.reason
    assert (runner.orders, runner.looked_at) == ([], [])


# ---- before the order


@pytest.mark.parametrize(
    ("seen", "kind", "says"),
    [
        (RUNNING, RetryLater, "not touched"),
        (WAITING, RetryLater, "not touched"),
        (GONE, Refused, "does not know the run"),
        (LookFailed(reason="answered 500", dependency_unhealthy=True), NotHealed, "nothing was sent"),
        (
            LookFailed(reason="answered 429", dependency_unhealthy=True, after=timedelta(seconds=90)),
            RetryLater,
            "nothing was sent",
        ),
    ],
)
async def test_a_run_that_is_not_seen_to_have_failed_is_left_alone(
    seen: RunState | LookFailed, kind: type[Outcome], says: str
) -> None:
    runner = ScriptedRunner(looks=[seen])
    outcome = await healed(runner)
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Healed)
    assert says in outcome.reason
    assert runner.orders == []


async def test_a_run_that_has_ended_well_meanwhile_is_no_heal_of_ours() -> None:
    runner = ScriptedRunner(looks=[SUCCEEDED])
    outcome = await healed(runner)
    assert isinstance(outcome, Healed)
    assert (outcome.code, runner.orders, outcome.drift) == (Code.RECOVERED, [], ())


@pytest.mark.parametrize(
    "change",
    [{"effect_in_doubt": True}, {"ladder_progress": LadderProgress(attempts={StrategyName.SCHEMA_AUTOFIX: 1})}],
    ids=["doubt", "tried"],
)
async def test_a_run_that_has_ended_well_since_we_acted_is_healed(change: dict[str, Any]) -> None:
    outcome = await healed(ScriptedRunner(looks=[SUCCEEDED]), failed(**change))
    assert isinstance(outcome, Healed)
    assert outcome.code is None


async def test_a_run_that_was_started_anew_has_a_failure_of_its_own() -> None:
    one = failed(CONTEXT | {"run": {"id": "run-1", "step": "charge", "epoch": 2}})
    runner = ScriptedRunner(looks=[stands(Phase.FAILED, epoch=3)])
    outcome = await healed(runner, one)
    assert isinstance(outcome, Refused)
    assert "epoch 3" in outcome.reason
    assert runner.orders == []


async def test_an_unkeyed_order_that_may_be_under_way_is_not_given_again() -> None:
    runner = ScriptedRunner(declared=Effect.UNSAFE, looks=[FAILED])
    assert isinstance(await healed(runner, failed(effect_in_doubt=True)), Unknown)
    assert runner.orders == []
    keyed = ScriptedRunner()
    assert isinstance(await healed(keyed, failed(effect_in_doubt=True)), Healed)


# ---- after it


async def test_the_step_is_run_again_with_the_repaired_payload_and_the_run_proves_it() -> None:
    runner = ScriptedRunner(looks=[FAILED, FAILED, RUNNING, SUCCEEDED])
    outcome = await healed(runner)
    assert isinstance(outcome, Healed)
    assert outcome.code is None
    assert runner.sent == [{"amount": 12}]
    assert runner.keys == [intent(failed()).idempotency_key]
    assert verdicts(outcome) == dict.fromkeys(("schema", "inverse", "run"), Verdict.PASSED)
    assert outcome.details["orders"] == [{"n": 1, "answer": "Accepted", "said": "taken"}]
    assert outcome.details["looks"] == [{"said": "failed"}, {"said": "running"}, {"said": "succeeded"}]
    assert [(one.path, one.fix) for one in outcome.drift] == [("/amount", "send /amount as an integer, not as a text")]


async def test_the_attempt_carries_the_edits_as_a_patch_with_reasons_and_without_secrets() -> None:
    secret = "sk-" + "a1B2" * 8
    edit = replace(UNQUOTED, reason=f"read {secret}")
    outcome = await healed(ScriptedRunner(), room=GivenRoom(repair_=replace(MENDED, edits=(edit,))))
    assert isinstance(outcome, Healed)
    repair = outcome.details["repair"]
    assert isinstance(repair, dict)
    assert repair["patch"] == [
        {
            "op": "replace",
            "path": "/amount",
            "value": 12,
            "grade": "lossless",
            "kind": "number",
            "reason": "read [redacted]",
        }
    ]
    assert str(repair["schema"]).startswith("sha256:")


RUNS = Phase.RUNNING


def at(progress: str, phase: Phase = Phase.FAILED) -> RunState:
    return stands(phase, progress=progress)


NEW_RUN = Accepted(run=replace(RUN, run_id="run-2"), said="a new run")


@pytest.mark.parametrize(
    ("answer", "looks", "kind", "code"),
    [
        pytest.param(TAKEN, [FAILED, RUNNING, FAILED], NotHealed, Code.NOT_HEALED, id="ran and failed again"),
        pytest.param(
            TAKEN, [FAILED, stands(Phase.FAILED, progress="2")], NotHealed, Code.NOT_HEALED, id="failed elsewhere"
        ),
        pytest.param(NEW_RUN, [FAILED, FAILED], NotHealed, Code.NOT_HEALED, id="the new run failed"),
        pytest.param(TAKEN, [FAILED], RetryLater, None, id="never moved"),
        pytest.param(TAKEN, [FAILED, LookFailed(reason="timed out")], RetryLater, None, id="not seen again"),
        pytest.param(TAKEN, [FAILED, RUNNING], RetryLater, None, id="still running"),
        pytest.param(TAKEN, [FAILED, WAITING], RetryLater, None, id="waits for a person"),
        pytest.param(
            TAKEN, [at("1"), at("0", RUNS), at("1", RUNS)], RetryLater, None, id="began anew, and came as far"
        ),
        pytest.param(TAKEN, [at("1"), at("0", RUNS), at("2", RUNS)], Healed, None, id="came past where it failed"),
        pytest.param(TAKEN, [at("9"), at("10", RUNS)], Healed, None, id="by number, and not by letter"),
        pytest.param(TAKEN, [at("a"), at("b", RUNS), at("c", RUNS)], RetryLater, None, id="other words are no number"),
        pytest.param(TAKEN, [FAILED, at("1", RUNS), at("2", RUNS)], RetryLater, None, id="from nobody knows where"),
        pytest.param(NEW_RUN, [at("1"), at("0", RUNS), at("7", RUNS)], RetryLater, None, id="the new run came far"),
        pytest.param(NEW_RUN, [FAILED, RUNNING, SUCCEEDED], Healed, None, id="the new run ended well"),
    ],
)
async def test_only_a_run_that_came_through_is_healed(
    answer: OrderResult, looks: list[RunState | LookFailed], kind: type[Outcome], code: Code | None
) -> None:
    runner = ScriptedRunner(gives=[answer], looks=looks)
    outcome = await healed(runner)
    assert isinstance(outcome, kind)
    assert getattr(outcome, "code", None) is code
    assert len(runner.orders) == 1
    assert getattr(outcome, "effect_in_doubt", True), "an order of ours may be under way"
    assert isinstance(answer, Accepted)
    assert {run.run_id for run in runner.looked_at[1:]} == {answer.run.run_id}


async def test_an_unkeyed_order_of_which_nothing_is_seen_is_unknown() -> None:
    outcome = await healed(ScriptedRunner(declared=Effect.UNSAFE, looks=[FAILED]))
    assert isinstance(outcome, Unknown)
    assert verdicts(outcome)["run"] is Verdict.INCONCLUSIVE


async def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    runner = ScriptedRunner(gives=[LOST, NEVER_LEFT, TAKEN])
    assert isinstance(await healed(runner), Healed)
    assert len(runner.keys) == 3
    assert len(set(runner.keys)) == 1
    assert runner.sent == [{"amount": 12}] * 3


async def test_an_unkeyed_order_whose_answer_was_lost_is_given_once_and_looked_for() -> None:
    runner = ScriptedRunner(declared=Effect.UNSAFE, gives=[LOST], looks=[FAILED, FAILED, SUCCEEDED])
    assert isinstance(await healed(runner), Healed)
    assert len(runner.orders) == 1
    hidden = ScriptedRunner(declared=Effect.UNSAFE, gives=[LOST], looks=[FAILED])
    assert isinstance(await healed(hidden), Unknown)
    assert len(hidden.orders) == 1


async def test_an_unkeyed_order_that_never_left_may_be_given_again() -> None:
    runner = ScriptedRunner(declared=Effect.UNSAFE, gives=[NEVER_LEFT, TAKEN])
    assert isinstance(await healed(runner), Healed)
    assert len(runner.orders) == 2


async def test_a_doubt_that_no_look_settles_counts_for_nothing_so_that_the_key_stays() -> None:
    runner = ScriptedRunner(gives=[LOST], looks=[FAILED])
    outcome = await healed(runner)
    assert isinstance(outcome, RetryLater)
    assert outcome.effect_in_doubt
    assert len(set(runner.keys)) == 1


async def test_what_may_be_ordered_twice_counts_as_an_attempt_that_proved_nothing() -> None:
    outcome = await healed(ScriptedRunner(declared=Effect.IDEMPOTENT, looks=[FAILED]))
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.UNVERIFIED


async def test_a_run_that_has_moved_since_is_ordered_under_another_key() -> None:
    places = [
        stands(Phase.FAILED, progress=progress, epoch=epoch) for progress, epoch in (("1", 1), ("2", 1), ("1", 2))
    ]
    keys = []
    for place in (FAILED, *places, *places):
        runner = ScriptedRunner(looks=[place, SUCCEEDED])
        await healed(runner)
        keys += runner.keys
    assert len(set(keys)) == 4
    assert keys[1:4] == keys[4:]


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(seconds=5), timedelta(minutes=1)),
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(hours=9), timedelta(hours=1)),
    ],
)
async def test_what_has_stood_longer_is_looked_at_less_often(age: timedelta, wait: timedelta) -> None:
    outcome = await healed(ScriptedRunner(looks=[RUNNING]), age=age)
    assert isinstance(outcome, RetryLater)
    assert (outcome.after, outcome.effect_in_doubt) == (wait, False)


async def test_a_refusal_after_a_lost_answer_is_no_proof_that_nothing_happened() -> None:
    runner = ScriptedRunner(gives=[LOST, Rejected(reason="answered 409", conflict=True)], looks=[FAILED, SUCCEEDED])
    assert isinstance(await healed(runner), Healed)
    hidden = ScriptedRunner(gives=[LOST, Rejected(reason="answered 400")], looks=[FAILED])
    assert isinstance(await healed(hidden), RetryLater)


@pytest.mark.parametrize(
    ("answer", "kind", "dependency_unhealthy"),
    [
        (Rejected(reason="answered 422"), NotHealed, False),
        (Rejected(reason="answered 503", dependency_unhealthy=True), NotHealed, True),
        (Rejected(reason="answered 429", dependency_unhealthy=True, after=timedelta(minutes=3)), RetryLater, True),
        (Rejected(reason="answered 409", conflict=True), RetryLater, False),
        (NEVER_LEFT, NotHealed, True),
        (EgressRefused(reason="the host is not allowed"), Refused, None),
    ],
)
async def test_an_order_that_was_not_taken_has_no_effect_to_wait_for(
    answer: OrderResult, kind: type[Outcome], dependency_unhealthy: bool | None
) -> None:
    runner = ScriptedRunner(gives=[answer], looks=[FAILED])
    outcome = await healed(runner)
    assert isinstance(outcome, kind)
    assert getattr(outcome, "dependency_unhealthy", None) is dependency_unhealthy
    assert len(runner.looked_at) == 1
    if isinstance(outcome, RetryLater) and isinstance(answer, Rejected) and answer.after is not None:
        assert outcome.after == answer.after


async def test_a_watch_ends_before_the_claim_does() -> None:
    runner = ScriptedRunner(looks=[FAILED, RUNNING])
    outcome = await healed(runner, gate=Gate(left=timedelta(seconds=10)))
    assert isinstance(outcome, RetryLater)
    assert len(runner.looked_at) == 2


@pytest.mark.parametrize("effect_in_doubt", [True, False])
def test_only_who_may_have_acted_goes_on_with_a_doubt_and_a_person_sees_its_end(effect_in_doubt: bool) -> None:
    put_off = RetryLater(after=timedelta(minutes=1), reason="no answer", effect_in_doubt=effect_in_doubt)
    remembered = advance(LadderProgress(), StrategyName.SCHEMA_AUTOFIX, Effect.KEYED, put_off)
    assert (remembered.in_doubt if remembered else None) == (StrategyName.SCHEMA_AUTOFIX if effect_in_doubt else None)
    now, late = (
        next_step(put_off, AttemptHistory(age=age), policy=allowed(), dice=0.5)
        for age in (NO_TIME, timedelta(hours=24))
    )
    assert (now.status, now.counts) == (Status.DEFERRED, False)
    assert late.status is (Status.NEEDS_PERSON if effect_in_doubt else Status.GIVEN_UP)


@dataclass(slots=True, kw_only=True)
class ShortGate(Gate):
    """A gate whose time is nearly over once an order was given."""

    def remaining(self) -> timedelta:
        return timedelta(seconds=0.5) if self.begins else timedelta(seconds=9)


@pytest.mark.parametrize("answer", [TAKEN, LOST], ids=["taken", "lost"])
async def test_an_order_at_the_end_of_a_claims_time_is_a_doubt_and_not_an_attempt(answer: OrderResult) -> None:
    runner = ScriptedRunner(gives=[answer], looks=[FAILED])
    outcome = await healed(runner, gate=ShortGate())
    assert isinstance(outcome, RetryLater)
    assert outcome.effect_in_doubt
    assert (len(runner.orders), len(runner.looked_at)) == (1, 1)


# ---- what a producer is told


def edit(op: Operation, path: str, **changes: Any) -> Edit:  # noqa: ANN401 - an edit's fields
    return replace(UNQUOTED, op=op, path=path, value=None, old=None, kind="kind", **changes)


@pytest.mark.parametrize(
    ("made", "path", "fix", "patch"),
    [
        (
            edit("move", "/items/3/unit_price", from_="/items/3/unitPrice"),
            "/items/*/unitPrice",
            "send /items/*/unitPrice as /items/*/unit_price (kind)",
            [{"op": "move", "from": "/items/3/unitPrice", "path": "/items/3/unit_price"}],
        ),
        (
            edit("move", "", from_="/data"),
            "/data",
            "send /data as the whole payload (kind)",
            [{"op": "move", "from": "/data", "path": ""}],
        ),
        (edit("remove", "/note"), "/note", "leave /note out (kind)", [{"op": "remove", "path": "/note"}]),
        (
            replace(edit("add", "/currency", grade=Grade.INVENTIVE), value="AUD"),
            "/currency",
            "send /currency, which the schema demands (kind)",
            [{"op": "add", "path": "/currency", "value": "AUD"}],
        ),
        (
            replace(edit("add", "/owner"), value="Ann"),
            "/owner",
            "send /owner, which the schema demands (kind)",
            [],
        ),
        (replace(edit("replace", "/n"), value=True, old="yes"), "/n", "send /n as a boolean, not as a text", []),
        (replace(edit("replace", "/n"), value=12, old=12.0), "/n", "send /n as an integer, not as a number", []),
        (replace(edit("replace", "/n"), value="paid", old="Paid "), "/n", "send /n as the schema has it (kind)", []),
        (
            replace(edit("replace", ""), value={}, old="{'a'"),
            "",
            "send the whole payload as an object, not as a text",
            [],
        ),
    ],
    ids=lambda one: one.op + one.path if isinstance(one, Edit) else "",
)
def test_each_edit_is_told_as_what_to_send_without_a_value_of_the_payload(
    made: Edit, path: str, fix: str, patch: list[Json]
) -> None:
    [told] = drift_of([made, made], schema_digest="d", raise_at=5)
    assert (told.path, told.fix, list(told.patch)) == (path, fix, patch)
    assert told.example == (made.path if made.from_ is None else made.from_)
