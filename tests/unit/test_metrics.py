from contextlib import suppress

from prometheus_client import CollectorRegistry, generate_latest

from consumer.metrics import EventOutcome, LoopPhase, Metrics
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
from tests.support.metric_names import CONTRACT


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
    assert found == CONTRACT


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
