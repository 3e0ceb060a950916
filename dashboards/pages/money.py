"""Money: what heals hold and spend, and whose wallets run short."""

from typing import Final

from dashboards.panel import Page, Panel, Query, Unit, increase, rate

MONEY: Final = Page(
    uid="shw-money",
    title="Healing: money",
    about="For whoever pays: what heals hold and spend, what was charged beyond it, and whose wallets run short.",
    rows=(
        (
            "Credits",
            (
                Panel(
                    title="Spent, last 24 hours",
                    queries=(Query(increase("shw_credits_spent_aud_total", "24h", "strategy"), "{{strategy}}"),),
                    do="Rises faster than failures do: a provider has become dearer.",
                    runbook="credits-and-lockouts",
                    unit=Unit.AUD,
                    width=12,
                ),
                Panel(
                    title="Held for heals that ended, last 24 hours",
                    queries=(Query(increase("shw_credits_held_aud_total", "24h", "strategy"), "{{strategy}}"),),
                    do="Far above what was spent: lower that strategy's allowance_aud; holds keep others from acting.",
                    runbook="credits-and-lockouts",
                    unit=Unit.AUD,
                    width=12,
                ),
                Panel(
                    title="Charged beyond holds, and not paid yet",
                    queries=(
                        Query(
                            increase("shw_credits_beyond_hold_aud_total", "24h", "strategy"), "{{strategy}}, 24 hours"
                        ),
                        Query("max(shw_credit_debt_aud)", "not paid yet"),
                    ),
                    do="Above 0: a price in the catalog is wrong; credits_beyond_hold in the log names the attempt.",
                    runbook="credits-and-lockouts",
                    unit=Unit.AUD,
                ),
                Panel(
                    title="Heals that wait for credits",
                    queries=(
                        Query(rate("shw_attempts_total", "strategy", 'code="insufficient_credits"'), "{{strategy}}"),
                    ),
                    do="Above 0: shw failures --status deferred names the organisations that have to pay.",
                    runbook="credits-and-lockouts",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Wallets that were warned, last 24 hours",
                    queries=(Query(increase("shw_budget_warnings_total", "24h", "kind"), "{{kind}}"),),
                    do="critical: the organisation's heals will wait soon; it has been told.",
                    runbook="credits-and-lockouts",
                ),
            ),
        ),
    ),
)
