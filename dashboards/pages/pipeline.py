"""Pipeline, for whoever is on call: whether it reads, heals and tells, and if not, which part stands."""

from typing import Final

from dashboards.panel import RATE_WINDOW, Kind, Page, Panel, Query, Unit, increase, quantile, rate

PIPELINE: Final = Page(
    uid="shw-pipeline",
    title="Healing: pipeline",
    about="For whoever is on call: lag, where the time goes, slots, outbox, database, and the processes.",
    rows=(
        (
            "Parts that others run",
            (
                Panel(
                    title="PostgreSQL answers",
                    queries=(Query("shw_database_up", "{{instance}}"),),
                    do="0: bring PostgreSQL back; restart no replica.",
                    runbook="postgresql-is-down",
                    unit=Unit.SWITCH,
                    width=6,
                ),
                Panel(
                    title="Kafka answers",
                    queries=(Query("shw_kafka_up", "{{instance}}"),),
                    do="0: bring Kafka back; restart no replica.",
                    runbook="kafka-is-down",
                    unit=Unit.SWITCH,
                    width=6,
                ),
                Panel(
                    title="Reading is paused",
                    queries=(Query("max by (reason) (shw_intake_paused)", "{{reason}}"),),
                    do="1 for long: each reason has its line in the runbook.",
                    runbook="intake-is-paused",
                    unit=Unit.SWITCH,
                    width=6,
                ),
                Panel(
                    title="A topic takes nothing",
                    queries=(
                        Query("max by (topic) (shw_publish_back_off)", "{{topic}}"),
                        Query("max(shw_messages_put_off)", "messages refused for good"),
                    ),
                    do="Above 0: see whether the topic is there, and whether the service may write to it.",
                    runbook="a-topic-takes-nothing",
                    width=6,
                    alarm_at=1,
                ),
            ),
        ),
        (
            "In",
            (
                Panel(
                    title="Lag",
                    queries=(
                        Query("max by (partition) (shw_consumer_lag_records)", "partition {{partition}}"),
                        Query("sum(shw_topics_lag_records)", "the catalog's topics"),
                        Query("max(shw_topics_stopped)", "topics of the catalog that are not read"),
                    ),
                    do="Rises on all: another replica; on one: its key is too popular.",
                    runbook="lag-rises",
                    width=6,
                ),
                Panel(
                    title="Age of the oldest record",
                    queries=(
                        Query("max by (instance) (shw_consumer_lag_seconds)", "{{instance}}"),
                        Query("max(shw_open_transaction_seconds)", "held by an open transaction"),
                        Query("max(shw_watch_lag_seconds)", "a watch of a runner is overdue"),
                    ),
                    do="Above five minutes: failures are taken in late.",
                    runbook="lag-rises",
                    unit=Unit.SECONDS,
                    width=6,
                    alarm_at=300,
                ),
                Panel(
                    title="Records read",
                    queries=(
                        Query(rate("shw_events_total", "outcome"), "{{outcome}}"),
                        Query(rate("shw_replayed_events_total", "outcome"), "replayed, {{outcome}}"),
                        Query(rate("shw_watched_runs_total", "found"), "found by watches, {{found}}"),
                        Query(rate("shw_watch_looks_refused_total"), "refused looks of watches"),
                    ),
                    do="conflicting: an id used twice; same_run: told by others; dead_letter: see the next panel.",
                    runbook="dead-letters",
                    unit=Unit.PER_SECOND,
                    width=6,
                ),
                Panel(
                    title="Dead letters, last hour",
                    queries=(
                        Query(increase("shw_dead_letters_total", "1h", "reason"), "{{reason}}"),
                        Query(increase("shw_mended_events_total", "1h"), "mended texts"),
                        Query(increase("shw_too_large_rows_total", "1h"), "members' rows too large"),
                    ),
                    do="shw dlq list says whose and why; mend, then shw dlq replay.",
                    runbook="dead-letters",
                    kind=Kind.STACKED,
                    width=6,
                ),
            ),
        ),
        (
            "Work",
            (
                Panel(
                    title="Where the loops' time goes",
                    queries=(Query(rate("shw_loop_seconds_total", "phase"), "{{phase}}"),),
                    do="poll and starved near 0: saturated; the largest of decode, intake and slots says what to add.",
                    runbook="the-loops-time",
                    kind=Kind.STACKED,
                ),
                Panel(
                    title="Heals under way",
                    queries=(
                        Query("shw_live_claims", "{{instance}}"),
                        Query("max by (strategy) (shw_suspended_heals)", "suspended, {{strategy}}"),
                    ),
                    do="At SHW_HEAL__SLOTS for long: more slots, or another replica.",
                    runbook="healing-does-not-keep-up",
                ),
                Panel(
                    title="What waits longest",
                    queries=(
                        Query("max(shw_oldest_pending_seconds)", "a pending failure"),
                        Query("max(shw_outbox_oldest_seconds)", "a message"),
                        Query("max by (strategy) (shw_suspended_oldest_seconds)", "suspended, {{strategy}}"),
                    ),
                    do="A pending failure: healing does not keep up; a message: the broker does not take it.",
                    runbook="the-outbox-grows",
                    unit=Unit.SECONDS,
                ),
                Panel(
                    title="Outbox",
                    queries=(Query("max(shw_outbox_depth)", "messages"),),
                    do="Rises steadily: the broker is slow or refuses.",
                    runbook="the-outbox-grows",
                ),
                Panel(
                    title="Rows that others hold locked",
                    queries=(
                        Query("max(shw_records_aside)", "records set aside"),
                        Query("max(shw_locked_wallets)", "wallets"),
                    ),
                    do="Above 0: find the open transaction in pg_stat_activity.",
                    runbook="a-row-is-locked",
                    alarm_at=1,
                ),
                Panel(
                    title="Claims that changed hands, last hour",
                    queries=(
                        Query(increase("shw_claims_inherited_total", "1h"), "taken over"),
                        Query(increase("shw_claims_lost_total", "1h"), "lost"),
                    ),
                    do="Without a stop: processes die, or are starved of CPU.",
                    runbook="a-replica-is-down",
                    alarm_at=1,
                ),
            ),
        ),
        (
            "Processes",
            (
                Panel(
                    title="How late the event loop turns (99 %)",
                    queries=(Query(quantile(0.99, "shw_event_loop_delay_seconds", "instance"), "{{instance}}"),),
                    do="Above 0.25 s often: the CPU limit is too low.",
                    runbook="a-replica-is-starved",
                    unit=Unit.SECONDS,
                    width=6,
                    alarm_at=0.25,
                ),
                Panel(
                    title="CPU",
                    queries=(
                        Query(
                            f'rate(process_cpu_seconds_total{{job="self-healing-workflows"}}[{RATE_WINDOW}])',
                            "{{instance}}",
                        ),
                    ),
                    do="Near the limit: raise it, or add a replica.",
                    runbook="a-replica-is-starved",
                    width=6,
                ),
                Panel(
                    title="Memory",
                    queries=(
                        Query('process_resident_memory_bytes{job="self-healing-workflows"}', "{{instance}}"),
                        Query(
                            'process_virtual_memory_bytes{job="self-healing-workflows"} / 100',
                            "a hundredth of the address space, {{instance}}",
                        ),
                    ),
                    do="Rises without end: report it. At the limit it is killed.",
                    runbook="sizing",
                    unit=Unit.BYTES,
                    width=6,
                ),
                Panel(
                    title="Open files, as a share of the limit",
                    queries=(
                        Query('process_open_fds{job="self-healing-workflows"} / process_max_fds', "{{instance}}"),
                    ),
                    do="Near 1: raise the limit, or lower SHW_HEAL__SLOTS.",
                    runbook="a-fault-of-our-own",
                    unit=Unit.SHARE,
                    width=6,
                    alarm_at=0.9,
                ),
                Panel(
                    title="Own faults, last hour",
                    queries=(Query(increase("shw_own_faults_total", "1h", "fault"), "{{fault}}"),),
                    do="The process or its host lacked it: raise that limit.",
                    runbook="a-fault-of-our-own",
                    width=6,
                    alarm_at=1,
                ),
                Panel(
                    title="Clients anew, rebalances, connections, last hour",
                    queries=(
                        Query(increase("shw_rebuilds_total", "1h", "client"), "{{client}}"),
                        Query(increase("shw_rebalances_total", "1h"), "rebalances"),
                        Query(increase("shw_database_connections_opened_total", "1h"), "connections to PostgreSQL"),
                    ),
                    do="Moves without a deploy: something cuts connections, or members die.",
                    runbook="the-group-is-stuck",
                    width=6,
                ),
                Panel(
                    title="Clock against the database's",
                    queries=(Query("shw_clock_skew_seconds", "{{instance}}"),),
                    do="Beyond 2 either way: synchronise the clocks.",
                    runbook="clocks-go-apart",
                    unit=Unit.SECONDS,
                    width=6,
                ),
                Panel(
                    title="Releases that run, and since when",
                    queries=(
                        Query("count by (version, python) (shw_build_info)", "{{version}}, Python {{python}}"),
                        Query(
                            '(time() - process_start_time_seconds{job="self-healing-workflows"}) / 3600',
                            "hours, {{instance}}",
                        ),
                    ),
                    do="Two versions for long: a rolling deploy has got stuck.",
                    runbook="rolling-deploys",
                    width=6,
                ),
            ),
        ),
    ),
)
