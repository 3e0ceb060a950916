"""What each alert is for, as series over time: when it has to fire, and when it has to be quiet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

BEGIN: Final = 10
"""The minute in which the fault of a case begins."""
AFTER: Final = 15
"""Minutes that a fault lasts beyond the alert's `for`."""


@dataclass(frozen=True, slots=True)
class AlertCase:
    """The fault that an alert is for. Series that are not named stand as a healthy replica has them."""

    alert: str
    gauges: Mapping[str, float | None] = field(default_factory=dict)
    """Series and their values while the fault lasts; None: they are not scraped."""
    once: Mapping[str, int] = field(default_factory=dict)
    """Counters, and what they rise by in the fault's first minute: 1 is the first occurrence."""
    each_minute: Mapping[str, int] = field(default_factory=dict)
    """Counters, and what they rise by in every minute of the fault."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the alert, but for its name and severity."""
    window: int = 0
    """Minutes over which the rule looks back: it resolves that long after the fault."""
    at: int | None = None
    """Minutes from the fault's begin to the first firing, where `for` alone does not say."""
    lasts: int | None = None
    """Minutes that the fault lasts, where `for` alone does not say."""
    both: bool = False
    """Whether both replicas suffer it."""


A: Final = {"instance": "a"}
JOB: Final = {**A, "job": "self-healing-workflows"}
ENDED: Final = 'shw_attempts_total{{failure_type="api_timeout",strategy="auto-retry",result="{}",code="{}"}}'
HEALED: Final = ENDED.format("success", "")
INTERRUPTED: Final = ENDED.format("unknown", "interrupted")
DAY: Final = 24 * 60


def _letters(reason: str) -> str:
    return f'shw_dead_letters_total{{reason="{reason}"}}'


def _bucket(le: str, family: str = "shw_time_to_heal_seconds", label: str = 'failure_type="api_timeout"') -> str:
    return f'{family}_bucket{{{label + "," if label else ""}le="{le}"}}'


def _heals(family: str, label: str, within: str, count: int) -> dict[str, int]:
    """Return that so many were observed in a minute, all in the bucket `within`."""
    return {f"{family}_count{{{label}}}": count, _bucket(within, family, label): count}


CASES: Final = (
    AlertCase("ShwDown", {"shw_build_info": None}, both=True, at=8),
    AlertCase("ShwReplicaDown", {"up": 0}, labels=JOB),
    AlertCase("ShwRestarting", once={}, each_minute={"process_start_time_seconds": 60}, labels=JOB, window=30, at=4),
    AlertCase("ShwVersionsApart", {'shw_build_info{version="0.0.9",python="3.11.7"}': 1}),
    AlertCase("ShwDatabaseAway", {"shw_database_up": 0}, both=True),
    AlertCase("ShwReplicaWithoutDatabase", {"shw_database_up": 0}, labels=JOB),
    AlertCase("ShwKafkaAway", {"shw_kafka_up": 0}, both=True),
    AlertCase("ShwReplicaWithoutKafka", {"shw_kafka_up": 0}, labels=JOB),
    AlertCase("ShwStarved", once={"shw_claims_lost_total": 1}, labels=JOB, window=30),
    AlertCase(
        "ShwStarved",
        each_minute=_heals("shw_event_loop_delay_seconds", "", "+Inf", 5),
        labels=JOB,
        window=10,
        lasts=20,
        at=2,
    ),
    AlertCase("ShwDying", once={"shw_claims_inherited_total": 1}, labels=JOB, window=30),
    AlertCase(
        "ShwOwnFaults",
        once={'shw_own_faults_total{fault="open_files"}': 1},
        labels={**A, "fault": "open_files"},
        window=30,
    ),
    AlertCase("ShwOpenFiles", {"process_open_fds": 950}, labels=JOB),
    AlertCase("ShwClocksApart", {"shw_clock_skew_seconds": -3}, labels=JOB),
    AlertCase("ShwConnectionsCut", once={"shw_database_connections_opened_total": 300}, labels=JOB, window=30),
    AlertCase(
        "ShwMemberStandsStill",
        once={'shw_rebuilds_total{client="member"}': 1},
        labels={**JOB, "client": "member"},
        window=60,
    ),
    AlertCase("ShwRebalancing", once={"shw_rebalances_total": 8}, labels=JOB, window=30),
    AlertCase("ShwLag", {"shw_consumer_lag_seconds": 400}),
    AlertCase("ShwOpenTransaction", {'shw_open_transaction_seconds{partition="3"}': 400}, labels={"partition": "3"}),
    AlertCase("ShwPaused", {'shw_intake_paused{reason="open_rows"}': 1}, labels={"reason": "open_rows"}),
    AlertCase("ShwDeadLettersFromEverywhere", {'shw_intake_paused{reason="dead_letters"}': 1}),
    AlertCase(
        "ShwMostlyDeadLetters",
        each_minute={
            _letters("not_json"): 30,
            'shw_events_total{outcome="dead_letter"}': 30,
            'shw_events_total{outcome="accepted"}': 70,
        },
        window=10,
        at=8,
        lasts=20,
    ),
    AlertCase("ShwDeadLetters", once={_letters("not_json"): 1}, labels={"reason": "not_json"}, window=30),
    AlertCase("ShwCorruptBatch", once={_letters("corrupt_batch"): 1}, window=60),
    AlertCase("ShwUnstorable", once={_letters("unstorable"): 1}, window=60),
    AlertCase("ShwConflictingIds", once={'shw_events_total{outcome="conflicting"}': 1}, window=60),
    AlertCase("ShwReplayRefused", once={'shw_replayed_events_total{outcome="dead_letter"}': 1}, window=60),
    AlertCase(
        "ShwMissingContext",
        each_minute={'shw_missing_context_total{source="urn:*",strategy="auto-retry",field="context.request"}': 10},
        labels={"source": "urn:*", "field": "context.request"},
        window=60,
        at=5,
    ),
    AlertCase(
        "ShwUnknown",
        {"shw_unknown_ratio": 0.5},
        each_minute={'shw_diagnoses_total{failure_type="unknown",disposition="needs_person"}': 5},
        window=30,
        at=38,
        lasts=50,
        both=True,
    ),
    AlertCase("ShwRowLocked", {"shw_records_aside": 4}),
    AlertCase("ShwRowLocked", {"shw_locked_wallets": 1}),
    AlertCase("ShwTooLargeRows", once={"shw_too_large_rows_total": 1}, window=60),
    AlertCase("ShwFaultsFast", each_minute={HEALED: 4, INTERRUPTED: 2}, window=5, at=6, lasts=30),
    AlertCase("ShwFaultsSlow", each_minute={HEALED: 9, INTERRUPTED: 1}, window=30, at=10, lasts=90),
    AlertCase(
        "ShwLateFast",
        each_minute=_heals("shw_time_to_heal_seconds", 'failure_type="api_timeout"', "3600.0", 5),
        window=5,
        at=8,
        lasts=30,
    ),
    AlertCase(
        "ShwLateSlow",
        each_minute=_heals("shw_time_to_heal_seconds", 'failure_type="api_timeout"', "3600.0", 5),
        window=30,
        at=10,
        lasts=90,
    ),
    AlertCase("ShwNotHealing", {"shw_oldest_pending_seconds": 1000}),
    AlertCase(
        "ShwSlow",
        each_minute={
            'shw_heal_seconds_sum{strategy="auto-retry",result="success"}': 2000,
            'shw_heal_seconds_count{strategy="auto-retry",result="success"}': 5,
        },
        labels={"strategy": "auto-retry"},
        window=30,
        at=18,
        lasts=30,
    ),
    AlertCase("ShwNeedsPerson", {'shw_open_failures{status="needs_person"}': 1}),
    AlertCase("ShwBreakerOpen", {"shw_breakers_open": 1}),
    AlertCase("ShwBreakerFlaps", once={'shw_breaker_changes_total{change="opened"}': 8}, window=60),
    AlertCase("ShwBraked", {"shw_workflows_braked": 1}),
    AlertCase("ShwCatalogRefused", {"shw_catalog_refused": 1}, labels=JOB),
    AlertCase(
        "ShwCrashedStrategy", once={ENDED.format("error", "crashed"): 1}, labels={"strategy": "auto-retry"}, window=60
    ),
    AlertCase(
        "ShwRelapses",
        once={'shw_relapses_total{strategy="auto-retry"}': 5},
        labels={"strategy": "auto-retry"},
        window=360,
    ),
    AlertCase("ShwDrift", once={"shw_drift_findings_total": 1}, window=60),
    AlertCase(
        "ShwSuspendedLong",
        {'shw_suspended_oldest_seconds{strategy="route-repair"}': 25_000},
        labels={"strategy": "route-repair"},
    ),
    AlertCase("ShwReplacedLong", {"shw_dependency_bindings": 1}, lasts=DAY + 30),
    AlertCase("ShwReplacementFlaps", once={'shw_dependency_binding_changes_total{state="canary"}': 6}, window=360),
    AlertCase("ShwWatchBehind", {"shw_watch_lag_seconds": 900}),
    AlertCase("ShwOutboxStuck", {"shw_outbox_oldest_seconds": 90}),
    AlertCase("ShwTopicTakesNothing", {'shw_publish_back_off{topic="results"}': 1}, labels={"topic": "results"}),
    AlertCase("ShwMessagesPutOff", {"shw_messages_put_off": 1}),
    AlertCase("ShwCredits", once={ENDED.format("failed", "insufficient_credits"): 1}, window=60),
    AlertCase(
        "ShwBudgetCritical",
        once={'shw_budget_warnings_total{kind="text_critical"}': 1},
        labels={"kind": "text_critical"},
        window=60,
    ),
    AlertCase(
        "ShwCreditsBeyondHold", once={'shw_credits_beyond_hold_aud_total{strategy="auto-regenerate"}': 1}, window=60
    ),
    AlertCase("ShwCreditsBeyondHold", {"shw_credit_debt_aud": 0.5}),
    AlertCase("ShwCommandsStopped", {"shw_commands_stopped": 1}, labels=JOB),
    AlertCase("ShwCommandsLate", {"shw_commands_lag_seconds": 400}),
    AlertCase("ShwHeartbeatsStopped", {"shw_heartbeats_stopped": 1}, labels=JOB),
    AlertCase("ShwTopicsStopped", {"shw_topics_stopped": 1}, labels=JOB),
    AlertCase("ShwCommandsForged", once={'shw_command_letters_total{reason="not_authentic"}': 1}, window=60),
    AlertCase(
        "ShwCommandsRefused",
        once={'shw_commands_total{command="heal",outcome="refused"}': 8},
        labels={"command": "heal"},
        window=60,
    ),
    AlertCase("ShwApprovalsUnanswered", once={'shw_approvals_total{event="expired"}': 1}, window=360),
    AlertCase("ShwPausedByPeople", {'shw_pauses{reach="fleet"}': 1}, labels={"reach": "fleet"}, lasts=13 * 60),
    AlertCase(
        "ShwSignInsRefused",
        once={'shw_sign_ins_refused_total{reason="signature"}': 30},
        labels={"reason": "signature"},
        window=10,
    ),
    AlertCase(
        "ShwApiTurnedAway",
        once={'shw_api_turned_away_total{limit="user_rate"}': 30},
        labels={**A, "limit": "user_rate"},
        window=15,
    ),
    AlertCase("ShwApiCrowded", {"shw_api_connections": 1100}, labels=JOB),
)
