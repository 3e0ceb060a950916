import platform
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Metric, generate_latest

from consumer.metrics import ATTEMPT_ENDS, EventOutcome, LoopPhase, Metrics
from consumer.model import Crashed, Healed, NotHealed, Refused, RetryLater, Unknown
from consumer.results.outcomes import result_and_code
from consumer.results.settlement import result_of_refusal
from schemas.names import (
    Code,
    CommandName,
    CommandOutcome,
    Disposition,
    FailureType,
    PoisonReason,
    Result,
    Status,
    StrategyName,
)
from tests.support.metric_names import CONTRACT, PROCESS

OUTCOMES = (
    Healed(proofs=()),
    Healed(proofs=(), code=Code.RECOVERED),
    NotHealed(code=Code.UNVERIFIED, reason=""),
    RetryLater(after=timedelta(0), reason=""),
    RetryLater(after=timedelta(0), reason="", pause="pause:1"),
    Refused(code=Code.INSUFFICIENT_CREDITS, reason=""),
    Crashed(reason=""),
    Unknown(reason=""),
)


def used() -> Metrics:
    metrics = Metrics(CollectorRegistry())
    kind, strategy = FailureType.API_TIMEOUT, StrategyName.AUTO_RETRY
    metrics.diagnoses[kind, Disposition.RETRY_NOW].inc()
    metrics.attempts[kind, strategy, Result.FAILED, Code.NOT_HEALED].inc()
    metrics.attempts[kind, strategy, Result.SUCCESS, None].inc()
    metrics.heal_seconds[strategy, Result.SUCCESS].observe(0.2)
    metrics.time_to_heal_seconds[kind].observe(3)
    metrics.missing_context["urn:*", strategy, "context.request"].inc()
    metrics.commands[CommandName.HEAL, CommandOutcome.ACCEPTED].inc()
    metrics.consumer_lag_records[3].set(7)
    metrics.open_transaction_seconds[3].set(7)
    return metrics


def test_names_and_labels_are_the_contracts() -> None:
    found: dict[str, set[str]] = {}
    for family in used().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = found.get(name, set()) | labels
        assert "." in family.documentation, f"{name} does not say what to do when it moves"
    assert {name: labels for name, labels in found.items() if name not in PROCESS} == CONTRACT
    assert set(found) >= PROCESS


# Labels that the catalog and the strategies declare: which sources lack which fields is not known at the start.
DECLARED = {"shw_missing_context"}


def test_every_series_of_a_counter_stands_at_zero_from_the_start() -> None:
    """A counter that begins at 1 shows no increase: an alert would miss the first occurrence."""
    used_later = {family.name: _series(family) for family in used().registry.collect() if family.type == "counter"}
    at_start = {family.name: family for family in Metrics(CollectorRegistry()).registry.collect()}
    for name, series in used_later.items():
        if name in DECLARED or name.startswith("process_"):
            continue
        assert series <= _series(at_start[name]), name
        assert series, name
        assert all(sample.value == 0 for sample in at_start[name].samples), name


def _series(family: Metric) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(sample.labels.items()) for sample in family.samples}


def test_every_code_of_an_attempt_has_its_series_under_its_result() -> None:
    assert {code for codes in ATTEMPT_ENDS.values() for code in codes} == {*Code, None}
    for outcome in OUTCOMES:
        result, code = result_and_code(outcome)
        assert code in ATTEMPT_ENDS[result]
    assert all(code in ATTEMPT_ENDS[result_of_refusal(code)] for code in (Code.CRASHED, Code.REFUSED, Code.SHADOW))


def test_the_series_of_the_start_stay_few_enough_to_be_scraped() -> None:
    samples = sum(len(family.samples) for family in Metrics(CollectorRegistry()).registry.collect())
    assert samples < 2000


def test_what_runs_is_told() -> None:
    registry = Metrics(CollectorRegistry()).registry
    labels = {"version": version("self-healing-workflows"), "python": platform.python_version()}
    assert registry.get_sample_value("shw_build_info", labels) == 1
    assert (registry.get_sample_value("process_resident_memory_bytes") or 0) > 1_000_000


def test_what_an_alert_watches_stands_at_zero_from_the_start() -> None:
    registry = Metrics(CollectorRegistry()).registry
    for name, label, values in (
        ("shw_events_total", "outcome", EventOutcome),
        ("shw_dead_letters_total", "reason", PoisonReason),
        ("shw_loop_seconds_total", "phase", LoopPhase),
        ("shw_open_failures", "status", set(Status) - {Status.RESOLVED, Status.GIVEN_UP}),
    ):
        for value in values:
            assert registry.get_sample_value(name, {label: value.value}) == 0


def test_label_values_are_the_enums_own_and_no_code_is_the_empty_one() -> None:
    registry = used().registry
    labels = {"failure_type": "api_timeout", "strategy": "auto-retry"}
    assert registry.get_sample_value("shw_attempts_total", labels | {"result": "success", "code": ""}) == 1
    assert registry.get_sample_value("shw_attempts_total", labels | {"result": "failed", "code": "not_healed"}) == 1


def test_a_partition_that_went_away_leaves_no_lag_behind() -> None:
    metrics = used()
    metrics.forget_partition(3)
    metrics.forget_partition(3)
    assert b'partition="3"' not in generate_latest(metrics.registry)
    metrics.consumer_lag_records[3].set(1)
    assert metrics.registry.get_sample_value("shw_consumer_lag_records", {"partition": "3"}) == 1


def test_two_healers_in_one_process_count_apart() -> None:
    one, two = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.rebalances.inc()
    assert two.registry.get_sample_value("shw_rebalances_total") == 0


def test_the_time_of_a_phase_counts_when_it_ends_however_it_ends() -> None:
    metrics = Metrics(CollectorRegistry())
    with suppress(ValueError), metrics.timed(LoopPhase.INTAKE):
        raise ValueError
    assert (metrics.registry.get_sample_value("shw_loop_seconds_total", {"phase": "intake"}) or 0) > 0
    assert metrics.longest_phase() is None


def test_the_longest_phase_is_the_one_under_way_since_the_earliest() -> None:
    metrics = Metrics(CollectorRegistry())
    with metrics.timed(LoopPhase.STARVED), metrics.timed(LoopPhase.SETTLE):
        with metrics.timed(LoopPhase.POLL):
            first = metrics.longest_phase()
        second = metrics.longest_phase()
    assert first is not None
    assert second is not None
    assert (first[0], second[0]) == (LoopPhase.SETTLE, LoopPhase.SETTLE), "waiting for a batch may last for ever"
    assert metrics.longest_phase() is None


def test_what_is_kept_open_is_what_was_taken_in_and_not_healed() -> None:
    metrics = used()
    metrics.events[EventOutcome.ACCEPTED].inc(5)
    assert metrics.kept_open() == 4


def test_the_share_of_unknown_ones_is_taken_over_the_newest_thousand() -> None:
    metrics = Metrics(CollectorRegistry())

    def share() -> float | None:
        return metrics.registry.get_sample_value("shw_unknown_ratio")

    assert share() == 0
    for _ in range(500):
        metrics.count_diagnosis(FailureType.UNKNOWN, Disposition.NEEDS_PERSON)
    assert share() == 1
    for _ in range(500):
        metrics.count_diagnosis(FailureType.API_TIMEOUT, Disposition.RETRY_NOW)
    assert share() == 0.5
    for _ in range(250):
        metrics.count_diagnosis(FailureType.API_TIMEOUT, Disposition.RETRY_NOW)
    assert share() == 0.25
    for _ in range(1500):
        metrics.count_diagnosis(FailureType.UNKNOWN, Disposition.NEEDS_PERSON)
    assert share() == 1
    labels = {"failure_type": "unknown", "disposition": "needs_person"}
    assert metrics.registry.get_sample_value("shw_diagnoses_total", labels) == 2000
