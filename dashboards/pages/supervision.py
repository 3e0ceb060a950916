"""Supervision: what people and the supervisor ask for, hold and answer, and who comes to the API."""

from typing import Final

from dashboards.panel import Page, Panel, Query, Unit, increase, rate

SUPERVISION: Final = Page(
    uid="shw-supervision",
    title="Healing: supervision",
    about="For supervisors: approvals, pauses, commands and bulks, and who comes to the API.",
    rows=(
        (
            "People",
            (
                Panel(
                    title="Approvals, last 24 hours",
                    queries=(
                        Query(increase("shw_approvals_total", "24h", "event"), "{{event}}"),
                        Query(increase("shw_rewrites_asked_total", "24h", "by"), "rewrites by {{by}}"),
                        Query(
                            increase("shw_agent_diagnoses_total", "24h", "answer"), "a model's diagnoses: {{answer}}"
                        ),
                    ),
                    do="asked grows and the others do not: nobody answers; shw failures --status awaiting_approval.",
                    runbook="approvals",
                ),
                Panel(
                    title="Plans that wait for a yes",
                    queries=(Query('max(shw_open_failures{status="awaiting_approval"})', "plans"),),
                    do="Grows: answer them, or let the catalog's approval say what happens without an answer.",
                    runbook="approvals",
                    alarm_at=20,
                ),
                Panel(
                    title="Pauses in force",
                    queries=(Query("max by (reach) (shw_pauses)", "{{reach}}"),),
                    do="Stays above 0: shw pauses says whose and why; shw resume ends them.",
                    runbook="pausing",
                    alarm_at=1,
                ),
            ),
        ),
        (
            "Commands and bulks",
            (
                Panel(
                    title="Commands answered",
                    queries=(Query(rate("shw_commands_total", "command, outcome"), "{{command}}, {{outcome}}"),),
                    do="refused: command_refused in the log says whose and why. A bulk's items are counted by command.",
                    runbook="commands",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Commands that wait",
                    queries=(
                        Query("sum(shw_commands_lag_records)", "commands"),
                        Query("max(shw_commands_lag_seconds)", "age of the oldest in seconds"),
                        Query("max(shw_commands_stopped)", "stopped"),
                        Query("max(shw_commands_wait_for_keys)", "waiting for keys"),
                    ),
                    do="Stays above 0: commands_stopped in the log says what to mend; healing goes on.",
                    runbook="commands",
                ),
                Panel(
                    title="Commands without an author, last hour",
                    queries=(Query(increase("shw_command_letters_total", "1h", "reason"), "{{reason}}"),),
                    do="not_authentic: a key is not listed, or somebody forges.",
                    runbook="commands",
                    alarm_at=1,
                ),
            ),
        ),
        (
            "Heartbeats",
            (
                Panel(
                    title="Heartbeats",
                    queries=(Query(rate("shw_heartbeats_total", "outcome"), "{{outcome}}"),),
                    do="refused, no_room: heartbeat_refused in the log says whose and why.",
                    runbook="heartbeats",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Silent runs, last hour",
                    queries=(Query(increase("shw_silent_runs_total", "1h", "outcome"), "{{outcome}}"),),
                    do="stalled: shw runs --stalled. Many recovered: the deadline is too short.",
                    runbook="heartbeats",
                ),
                Panel(
                    title="Live runs, and how far they are read",
                    queries=(
                        Query("sum(shw_live_runs)", "live runs"),
                        Query("max(shw_heartbeats_behind_seconds)", "seconds behind"),
                        Query("max(shw_heartbeats_stopped)", "stopped"),
                    ),
                    do="Behind rises, or stopped: no stall is seen; heartbeats_stopped in the log says what to mend.",
                    runbook="heartbeats",
                ),
            ),
        ),
        (
            "API",
            (
                Panel(
                    title="Requests that were not signed in",
                    queries=(Query(rate("shw_sign_ins_refused_total", "reason"), "{{reason}}"),),
                    do="signature, key_unknown: of everybody, a wrong secret; of one address, somebody tries.",
                    runbook="sign-ins-are-refused",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Turned away",
                    queries=(Query(rate("shw_api_turned_away_total", "limit"), "{{limit}}"),),
                    do="api_turned_away in the log has the address or the user; raise the limit, or block them.",
                    runbook="the-api-turns-requests-away",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Open connections",
                    queries=(Query("shw_api_connections", "{{instance}}"),),
                    do="At SHW_API__CONNECTIONS for long: find who keeps them.",
                    runbook="the-api-turns-requests-away",
                ),
            ),
        ),
    ),
)
