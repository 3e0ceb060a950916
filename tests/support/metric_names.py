"""The metrics' contract with dashboards and alerts."""

# The contract with dashboards and alerts: names and labels, one by one.
CONTRACT: dict[str, set[str]] = {
    "shw_events_total": {"outcome"},
    "shw_diagnoses_total": {"failure_type", "disposition"},
    "shw_attempts_total": {"failure_type", "strategy", "result", "code"},
    "shw_heal_seconds": {"strategy", "result"},
    "shw_time_to_heal_seconds": {"failure_type"},
    "shw_open_failures": {"status"},
    "shw_live_claims": set(),
    "shw_oldest_pending_seconds": set(),
    "shw_consumer_lag_records": {"partition"},
    "shw_consumer_lag_seconds": set(),
    "shw_dead_letters_total": {"reason"},
    "shw_outbox_depth": set(),
    "shw_outbox_oldest_seconds": set(),
    "shw_loop_seconds_total": {"phase"},
    "shw_rebalances_total": set(),
    "shw_breaker_changes_total": {"change"},
    "shw_breakers_open": set(),
    "shw_workflows_braked": set(),
    "shw_intake_paused": {"reason"},
    "shw_rebuilds_total": {"client"},
    "shw_database_connections_opened_total": set(),
    "shw_claims_inherited_total": set(),
    "shw_claims_lost_total": set(),
    "shw_event_loop_delay_seconds": set(),
}
