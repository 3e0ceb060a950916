"""One failure type, which the reader chooses: how it is diagnosed, what heals it, how fast, and why not."""

from typing import Final

from dashboards.panel import TYPE_VARIABLE, Kind, Page, Panel, Query, Unit, increase, quantile, rate

_THIS: Final = f'failure_type=~"{TYPE_VARIABLE}"'

FAILURE_TYPES: Final = Page(
    uid="shw-failure-types",
    title="Healing: a failure type",
    about="For whoever owns workflows: of one failure type, what it is diagnosed as, what heals it, how fast, why not.",
    per_type=True,
    rows=(
        (
            "The type that is chosen above",
            (
                Panel(
                    title="Failures by disposition",
                    queries=(
                        Query(
                            rate("shw_diagnoses_total", "failure_type, disposition", _THIS),
                            "{{failure_type}}, {{disposition}}",
                        ),
                    ),
                    do="never and needs_person rise: what comes cannot be healed: shw failures --top.",
                    runbook="unknown-failures",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Healed share, last hour",
                    queries=(
                        Query(
                            f"shw:healed_share_by_type:ratio_rate1h{{{_THIS}}}",
                            "{{failure_type}}",
                        ),
                    ),
                    do="Falls: the panel of codes says why.",
                    runbook="objectives",
                    unit=Unit.SHARE,
                ),
                Panel(
                    title="Time to heal (95 %)",
                    queries=(
                        Query(quantile(0.95, "shw_time_to_heal_seconds", "failure_type", _THIS), "{{failure_type}}"),
                    ),
                    do="Rises: it waits for slots, a time, credits or people.",
                    runbook="healing-does-not-keep-up",
                    unit=Unit.SECONDS,
                ),
                Panel(
                    title="Attempts by strategy and result",
                    queries=(Query(rate("shw_attempts_total", "strategy, result", _THIS), "{{strategy}}, {{result}}"),),
                    do="A strategy fails that used to heal: what it calls, or what proves it, has changed.",
                    runbook="a-failure-was-given-up",
                    unit=Unit.PER_SECOND,
                    kind=Kind.STACKED,
                ),
                Panel(
                    title="Why not, last hour",
                    queries=(
                        Query(increase("shw_attempts_total", "1h", "code", f'result!="success",{_THIS}'), "{{code}}"),
                    ),
                    do="The code says who has to act: docs/contract.md lists them.",
                    runbook="a-failure-was-given-up",
                    kind=Kind.STACKED,
                ),
                Panel(
                    title="Share that no rule knows",
                    queries=(Query("avg(shw_unknown_ratio)", "unknown, of all types"),),
                    do="Above 0.3: shw failures --top-unknown says which; add a rule.",
                    runbook="unknown-failures",
                    unit=Unit.SHARE,
                    alarm_at=0.3,
                ),
            ),
        ),
    ),
)
