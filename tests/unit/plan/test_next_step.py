"""Where a failure goes after an attempt."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.catalog import RungLimits, WorkflowPolicy
from consumer.model import Crashed, Healed, LadderProgress, Next, NotHealed, Outcome, Refused, RetryLater, Unknown
from consumer.plan.next_step import AttemptHistory, next_step
from consumer.plan.progress import advance, is_exhausted
from schemas.names import Code, Effect, Status, StrategyName

POLICY = WorkflowPolicy(name="*", attempts=3, backoff=timedelta(seconds=4), backoff_cap=timedelta(seconds=6))
NOT_HEALED = NotHealed(code=Code.NOT_HEALED, reason="no")
FINAL = (Status.RESOLVED, Status.GIVEN_UP)


def follows(outcome: Outcome, attempts: int = 0, dice: float = 0.5, **past: Any) -> Next:  # noqa: ANN401 - fields of Past
    return next_step(outcome, AttemptHistory(attempts=attempts, **past), policy=POLICY, dice=dice)


@pytest.mark.parametrize(
    ("outcome", "status", "counts"),
    [
        pytest.param(Healed(proofs=()), Status.RESOLVED, True, id="healed"),
        pytest.param(NOT_HEALED, Status.PENDING, True, id="not healed"),
        pytest.param(Crashed(reason="bug"), Status.PENDING, True, id="crashed"),
        pytest.param(RetryLater(after=timedelta(seconds=9), reason="busy"), Status.DEFERRED, False, id="asked to wait"),
        pytest.param(Refused(code=Code.INSUFFICIENT_CREDITS, reason=""), Status.DEFERRED, False, id="no credits"),
        pytest.param(Refused(code=Code.REFUSED, reason=""), Status.GIVEN_UP, False, id="refused"),
        pytest.param(Unknown(reason="?"), Status.NEEDS_PERSON, True, id="unknown"),
    ],
)
def test_each_outcome_has_its_status(outcome: Outcome, status: Status, *, counts: bool) -> None:
    following = follows(outcome)
    assert (following.status, following.counts) == (status, counts)
    assert (following.due_in is None) is (status in FINAL)


def test_attempts_end_where_the_catalog_says() -> None:
    assert [follows(NOT_HEALED, made).status for made in range(4)] == [
        Status.PENDING,
        Status.PENDING,
        Status.GIVEN_UP,
        Status.GIVEN_UP,
    ]


def test_the_named_wait_is_kept_and_an_endless_one_is_bounded() -> None:
    assert follows(RetryLater(after=timedelta(seconds=90), reason="")).due_in == timedelta(seconds=90)
    patient = POLICY.model_copy(update={"max_age": timedelta(days=1000)})
    endless = next_step(
        RetryLater(after=timedelta(days=366), reason=""), AttemptHistory(), policy=patient, dice=0
    ).due_in
    assert endless is not None
    assert endless <= timedelta(days=7)


def test_a_wait_beyond_the_age_worth_healing_gives_up_at_once() -> None:
    wait = RetryLater(after=timedelta(hours=2), reason="")
    assert follows(wait, age=timedelta(hours=21)).status is Status.DEFERRED
    assert follows(wait, age=timedelta(hours=23)).status is Status.GIVEN_UP


NO = Refused(code=Code.REFUSED, reason="")
TOO_LATE = RetryLater(after=timedelta(days=2), reason="")


@pytest.mark.parametrize("outcome", [NO, TOO_LATE], ids=["no", "too late"])
def test_an_unsure_failure_is_never_given_up_without_a_person(outcome: Outcome) -> None:
    assert follows(outcome).status is Status.GIVEN_UP
    assert follows(outcome, effect_in_doubt=True).status is Status.NEEDS_PERSON


def test_a_probe_that_finds_its_dependency_still_ill_spends_no_attempt() -> None:
    still_ill = NotHealed(code=Code.NOT_HEALED, reason="no answer", dependency_unhealthy=True)
    assert [follows(still_ill, 2, probe=probe).status for probe in (False, True)] == [
        Status.GIVEN_UP,
        Status.PENDING,
    ]
    assert not follows(still_ill, 2, probe=True).counts
    assert follows(NOT_HEALED, 2, probe=True).status is Status.GIVEN_UP


def test_an_unknown_outcome_that_can_be_read_back_is_and_the_last_one_is_a_persons() -> None:
    unknown = Unknown(reason="?")
    made = [follows(unknown, attempts, reads_back=True) for attempts in range(4)]
    assert [one.status for one in made] == [Status.PENDING, Status.PENDING, Status.NEEDS_PERSON, Status.NEEDS_PERSON]
    assert all(one.counts and one.due_in is not None for one in made)


@pytest.mark.parametrize(("made", "ceiling"), [(0, 4), (1, 6)])
@given(dice=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_back_off_is_full_jitter_below_a_doubling_ceiling_with_a_cap(made: int, ceiling: int, dice: float) -> None:
    due_in = follows(NOT_HEALED, made, dice).due_in
    assert due_in is not None
    assert abs(due_in - timedelta(seconds=ceiling) * dice) < timedelta(milliseconds=1)


CRASHED = Crashed(reason="bug")


@pytest.mark.parametrize("outcome", [NOT_HEALED, CRASHED, NO], ids=["not healed", "crashed", "refused"])
def test_a_spent_rung_hands_over_to_the_next_one_at_once_and_the_last_one_gives_up(outcome: Outcome) -> None:
    on = follows(outcome, exhausted=True, goes_on=True)
    assert (on.status, on.due_in) == (Status.PENDING, timedelta(0))
    assert follows(outcome, exhausted=True).status is Status.GIVEN_UP
    assert follows(outcome, 1, exhausted=True).counts is (outcome is not NO)


@pytest.mark.parametrize("outcome", [NOT_HEALED, CRASHED], ids=["not healed", "crashed"])
def test_no_rung_acts_once_all_attempts_are_made(outcome: Outcome) -> None:
    assert follows(outcome, 2, exhausted=True, goes_on=True).status is Status.GIVEN_UP


def test_what_may_have_happened_keeps_the_ladder_where_it_is() -> None:
    assert follows(NO, exhausted=True, goes_on=True, effect_in_doubt=True).status is Status.NEEDS_PERSON
    assert follows(CRASHED, 2, effect_in_doubt=True).status is Status.NEEDS_PERSON
    assert follows(NOT_HEALED, 2, effect_in_doubt=True).status is Status.GIVEN_UP  # found out: it did not happen
    assert follows(Unknown(reason="?"), reads_back=True, exhausted=True, goes_on=True).status is Status.NEEDS_PERSON


RETRY, REPAIR = StrategyName.AUTO_RETRY, StrategyName.SCHEMA_AUTOFIX
BEFORE = LadderProgress(attempts={REPAIR: 1}, exhausted=frozenset({"x"}), in_doubt=REPAIR)
LATER = RetryLater(after=timedelta(0), reason="")
UNVERIFIED = NotHealed(code=Code.UNVERIFIED, reason="?")


@pytest.mark.parametrize(
    ("outcome", "effect", "remembered"),
    [
        pytest.param(Healed(proofs=()), Effect.NONE, None, id="healed"),
        pytest.param(Healed(proofs=()), Effect.KEYED, ({REPAIR: 1}, {"x"}, RETRY), id="healed under a key"),
        pytest.param(LATER, Effect.NONE, None, id="asked to wait"),
        pytest.param(Refused(code=Code.INSUFFICIENT_CREDITS, reason=""), Effect.NONE, None, id="no credits"),
        pytest.param(NO, None, ({REPAIR: 1}, {"x", RETRY}, REPAIR), id="refused"),
        pytest.param(CRASHED, Effect.KEYED, ({REPAIR: 1, RETRY: 1}, {"x"}, REPAIR), id="crashed"),
        pytest.param(NOT_HEALED, Effect.KEYED, ({REPAIR: 1, RETRY: 1}, {"x"}, None), id="a definite no"),
        pytest.param(UNVERIFIED, Effect.KEYED, ({REPAIR: 1, RETRY: 1}, {"x"}, RETRY), id="no answer to a key"),
        pytest.param(UNVERIFIED, Effect.IDEMPOTENT, ({REPAIR: 1, RETRY: 1}, {"x"}, None), id="no answer, harmless"),
        pytest.param(Unknown(reason="?"), None, ({REPAIR: 1, RETRY: 1}, {"x"}, RETRY), id="unknown"),
    ],
)
def test_what_the_ladder_remembers_of_each_end(
    outcome: Outcome, effect: Effect | None, remembered: tuple[dict[str, int], set[str], str | None] | None
) -> None:
    now = advance(BEFORE, RETRY, effect, outcome)
    assert (None if now is None else (dict(now.attempts), set(now.exhausted), now.in_doubt)) == remembered
    assert BEFORE.attempts == {REPAIR: 1}


def test_a_rung_is_spent_by_its_own_limit_or_its_own_refusal() -> None:
    limited = POLICY.model_copy(update={"rungs": {RETRY: RungLimits(attempts=2)}})
    twice = LadderProgress(attempts={RETRY: 2})
    assert [is_exhausted(twice, RETRY, policy) for policy in (POLICY, limited)] == [False, True]
    assert not is_exhausted(twice, REPAIR, limited)
    assert is_exhausted(LadderProgress(exhausted=frozenset({RETRY})), RETRY, POLICY)
