"""What the agent may see of a failure and its workflow: redacted, and by enumerated ids. Pure."""

from collections.abc import Sequence

from consumer.agent.toolbox import Views
from consumer.heal.strategy import Redact
from consumer.model import Diagnosis, Failure, Json
from consumer.model.rewrite import Rewrite
from consumer.workflows.catalogue import Limits
from consumer.workflows.runs import RecordedRun, WorkflowConfig


def views_of(
    failure: Failure,
    diagnosis: Diagnosis,
    config: WorkflowConfig,
    failing: RecordedRun,
    limits: Limits,
    past: Sequence[Rewrite],
    redact: Redact,
) -> Views:
    """Build the views; each has gone through redaction."""

    def clean(value: Json) -> Json:
        return redact(value)[0]

    definition, context = config.definition, {**failure.context}
    # Shown among the recorded runs.
    context.pop("workflow", None)
    return Views(
        failure=clean(
            {
                "reason": failure.failure_reason,
                "failure_type": diagnosis.failure_type,
                "evidence": [one.text for one in diagnosis.evidence[:5]],
                "context": context,
            }
        ),
        definition=clean(definition.as_json()),
        steps={
            step.id: clean(step.model_dump(mode="json", by_alias=True, exclude_defaults=True))
            for step in definition.steps
        },
        actions={
            name: clean(action.model_dump(mode="json", by_alias=True, exclude_defaults=True))
            for name, action in limits.actions.items()
        },
        runs={
            run.id: clean(run.model_dump(mode="json", by_alias=True, exclude_defaults=True))
            for run in (*config.good_runs, failing)
        },
        past_fixes=tuple(clean({"patch": [*one.patch], "hypothesis": one.hypothesis}) for one in past),
    )
