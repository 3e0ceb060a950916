"""Strategies and targets: what each strategy achieves, and which dependency or oracle says no."""

from typing import Final

from dashboards.panel import Kind, Page, Panel, Query, Unit, increase, quantile, rate

STRATEGIES: Final = Page(
    uid="shw-strategies",
    title="Healing: strategies and targets",
    about="For whoever keeps the catalog: what each strategy achieves, which dependencies are ill, what oracles say.",
    rows=(
        (
            "Strategies",
            (
                Panel(
                    title="Attempts by strategy and result",
                    queries=(Query(rate("shw_attempts_total", "strategy, result"), "{{strategy}}, {{result}}"),),
                    do="unknown: a person must look at each; error: a bug of ours, report it.",
                    runbook="a-strategy-crashed",
                    unit=Unit.PER_SECOND,
                ),
                Panel(
                    title="Why attempts did not succeed, last hour",
                    queries=(Query(increase("shw_attempts_total", "1h", "code", 'result!="success"'), "{{code}}"),),
                    do="refused: an operator has to allow it; missing_context: the publisher has to send more; "
                    "not_installed: this deployment lacks it.",
                    runbook="a-failure-was-given-up",
                    kind=Kind.STACKED,
                ),
                Panel(
                    title="Oracles that said no, last hour",
                    queries=(
                        Query(
                            increase("shw_attempts_total", "1h", "strategy, code", 'code=~"not_healed|unverified"'),
                            "{{strategy}}, {{code}}",
                        ),
                    ),
                    do="not_healed: it acted in vain; unverified: no oracle could say yes; look at what proves it.",
                    runbook="a-failure-was-given-up",
                ),
                Panel(
                    title="How long a heal takes (95 %)",
                    queries=(Query(quantile(0.95, "shw_heal_seconds", "strategy"), "{{strategy}}"),),
                    do="Rises: what is healed is slow; look at its own latency before adding slots.",
                    runbook="healing-does-not-keep-up",
                    unit=Unit.SECONDS,
                ),
                Panel(
                    title="Relapses, last six hours",
                    queries=(
                        Query(increase("shw_relapses_total", "6h", "strategy"), "{{strategy}}"),
                        Query(
                            increase("shw_definition_changes_total", "6h", "state"), "rewritten definitions {{state}}"
                        ),
                    ),
                    do="Moves: heals do not last; mend the cause.",
                    runbook="heals-do-not-last",
                    alarm_at=1,
                ),
                Panel(
                    title="Fields that were missing, last hour",
                    queries=(
                        Query(increase("shw_missing_context_total", "1h", "source, field"), "{{source}}, {{field}}"),
                        Query(increase("shw_drift_findings_total", "1h"), "producers that drift"),
                    ),
                    do="Tell that publisher; shw check-event says what an event lacks, shw drift what drifts.",
                    runbook="fields-are-missing",
                ),
            ),
        ),
        (
            "Targets",
            (
                Panel(
                    title="Breakers open, workflows braked",
                    queries=(
                        Query("max(shw_breakers_open)", "breakers"),
                        Query("max(shw_workflows_braked)", "workflows"),
                    ),
                    do="breaker_opened in the log names the dependency, brake the workflows; mend what they share.",
                    runbook="a-breaker-is-open",
                    alarm_at=1,
                ),
                Panel(
                    title="Breakers opened and closed, last hour",
                    queries=(Query(increase("shw_breaker_changes_total", "1h", "change"), "{{change}}"),),
                    do="Both often: a dependency flaps; raise SHW_BREAKER__STRIKES.",
                    runbook="a-breaker-is-open",
                ),
                Panel(
                    title="Dependencies that are replaced",
                    queries=(
                        Query("max(shw_dependency_bindings)", "replaced now"),
                        Query(increase("shw_dependency_binding_changes_total", "1h", "state"), "changes, {{state}}"),
                        Query(increase("shw_dependency_probes_total", "1h", "found"), "probes, {{found}}"),
                    ),
                    do="shw bindings says by what and why; tell whoever runs the first.",
                    runbook="a-dependency-is-replaced",
                ),
                Panel(
                    title="Catalog",
                    queries=(
                        Query("max by (instance) (shw_catalog_refused)", "refused, {{instance}}"),
                        Query(increase("shw_catalog_reloads_total", "1h", "outcome"), "{{outcome}}, last hour"),
                    ),
                    do="refused: catalog_refused in the log names the line; shw catalog check finds it before.",
                    runbook="the-catalog-changes",
                ),
            ),
        ),
    ),
)
