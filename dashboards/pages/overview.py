"""Overview, for the platform's owner: whether healing does its work, what it costs, and who has to act."""

from typing import Final

from dashboards.panel import Kind, Page, Panel, Query, Unit, increase, quantile, rate

OVERVIEW: Final = Page(
    uid="shw-overview",
    title="Healing: overview",
    about="For the platform's owner: how much heals, how fast, at what price, and what waits for people.",
    rows=(
        (
            "Now",
            (
                Panel(
                    title="Healed share, last hour",
                    queries=(Query("shw:healed_share:ratio_rate1h", "healed"),),
                    do="Falls: see which type on the page of failure types, and which code on the page of strategies.",
                    runbook="objectives",
                    unit=Unit.SHARE,
                    kind=Kind.NUMBER,
                    width=4,
                ),
                Panel(
                    title="Median time to heal",
                    queries=(Query(quantile(0.5, "shw_time_to_heal_seconds"), "median"),),
                    do="Rises: failures wait for slots, a time, credits or people.",
                    runbook="healing-does-not-keep-up",
                    unit=Unit.SECONDS,
                    kind=Kind.NUMBER,
                    width=4,
                ),
                Panel(
                    title="Wait for people",
                    queries=(
                        Query(
                            'sum(max by (status) (shw_open_failures{status=~"needs_person|awaiting_approval"}))', "open"
                        ),
                    ),
                    do="Each needs a decision: shw failures --status needs_person, --status awaiting_approval.",
                    runbook="a-failure-needs-a-person",
                    kind=Kind.NUMBER,
                    width=4,
                    alarm_at=1,
                ),
                Panel(
                    title="Spent today",
                    queries=(Query(increase("shw_credits_spent_aud_total", "24h"), "AUD"),),
                    do="Higher than usual: the page of money says by which strategy.",
                    runbook="credits-and-lockouts",
                    unit=Unit.AUD,
                    kind=Kind.NUMBER,
                    width=4,
                ),
                Panel(
                    title="Relapses today",
                    queries=(Query(increase("shw_relapses_total", "24h"), "relapses"),),
                    do="Above 0: heals do not last; mend the cause that `relapse` in the log names.",
                    runbook="heals-do-not-last",
                    kind=Kind.NUMBER,
                    width=4,
                    alarm_at=1,
                ),
                Panel(
                    title="Replicas that run",
                    queries=(Query("count(shw_build_info)", "replicas"),),
                    do="Fewer than were deployed: one is down.",
                    runbook="a-replica-is-down",
                    kind=Kind.NUMBER,
                    width=4,
                ),
            ),
        ),
        (
            "Over time",
            (
                Panel(
                    title="Failures taken in, and healed",
                    queries=(
                        Query(rate("shw_events_total", where='outcome="accepted"'), "taken in"),
                        Query(rate("shw_attempts_total", where='result="success"'), "healed"),
                    ),
                    do="The two part for long: what is open grows; see the next panel.",
                    runbook="healing-does-not-keep-up",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Open failures",
                    queries=(Query("max by (status) (shw_open_failures)", "{{status}}"),),
                    do="pending: healing does not keep up; deferred: a dependency or credits; needs_person: people.",
                    runbook="healing-does-not-keep-up",
                    kind=Kind.STACKED,
                ),
                Panel(
                    title="Time to heal",
                    queries=(
                        Query(quantile(0.5, "shw_time_to_heal_seconds"), "half within"),
                        Query(quantile(0.95, "shw_time_to_heal_seconds"), "95 % within"),
                    ),
                    do="Rises while heals themselves are quick: failures wait; see slots and breakers.",
                    runbook="objectives",
                    unit=Unit.SECONDS,
                    alarm_at=900,
                ),
                Panel(
                    title="Share of each strategy in what heals",
                    queries=(Query(rate("shw_attempts_total", "strategy", 'result="success"'), "{{strategy}}"),),
                    do="The agent's share rises: what used to heal cheaply does not; add a rule or mend the source.",
                    runbook="objectives",
                    unit=Unit.PER_SECOND,
                    kind=Kind.STACKED,
                ),
                Panel(
                    title="Attempts by our own fault, or in doubt",
                    queries=(
                        Query("shw:faults:ratio_rate1h", "of an hour"),
                        Query("shw:faults:ratio_rate5m", "of five minutes"),
                    ),
                    do="Above 1 %: the objective is missed.",
                    runbook="objectives",
                    unit=Unit.SHARE,
                    alarm_at=0.01,
                ),
                Panel(
                    title="Healed too late",
                    queries=(
                        Query("shw:late:ratio_rate1h", "of an hour"),
                        Query("shw:late:ratio_rate5m", "of five minutes"),
                    ),
                    do="Above 5 %: the objective is missed.",
                    runbook="objectives",
                    unit=Unit.SHARE,
                    alarm_at=0.05,
                ),
            ),
        ),
    ),
)
