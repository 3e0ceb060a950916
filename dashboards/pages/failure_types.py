"""One page for each failure type: how often it comes, what heals it, how fast, and why not."""

from typing import Final

from dashboards.panel import Kind, Page, Panel, Query, Unit, increase, quantile, rate
from schemas.names import FailureType


def _page_of(kind: FailureType) -> Page:
    this = f'failure_type="{kind.value}"'
    return Page(
        uid=f"shw-type-{kind.value.replace('_', '-')}",
        title=f"Healing: {kind.value.replace('_', ' ')}",
        about=f"For whoever owns workflows that fail by {kind.value}: how often, what heals it, how fast, and why not.",
        rows=(
            (
                "This failure type",
                (
                    Panel(
                        title="Failures by disposition",
                        queries=(
                            Query(
                                rate("shw_diagnoses_total", "disposition", this),
                                "{{disposition}}",
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
                                f"shw:healed_share_by_type:ratio_rate1h{{{this}}}",
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
                            Query(quantile(0.95, "shw_time_to_heal_seconds", "failure_type", this), "{{failure_type}}"),
                        ),
                        do="Rises: it waits for slots, a time, credits or people.",
                        runbook="healing-does-not-keep-up",
                        unit=Unit.SECONDS,
                    ),
                    Panel(
                        title="Attempts by strategy and result",
                        queries=(
                            Query(rate("shw_attempts_total", "strategy, result", this), "{{strategy}}, {{result}}"),
                        ),
                        do="A strategy fails that used to heal: what it calls, or what proves it, has changed.",
                        runbook="a-failure-was-given-up",
                        unit=Unit.PER_SECOND,
                        kind=Kind.STACKED,
                    ),
                    Panel(
                        title="Why not, last hour",
                        queries=(
                            Query(
                                increase("shw_attempts_total", "1h", "code", f'result!="success",{this}'), "{{code}}"
                            ),
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


FAILURE_TYPES: Final = tuple(_page_of(kind) for kind in FailureType)
