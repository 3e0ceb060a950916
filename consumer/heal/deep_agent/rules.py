"""Rules of a rewrite: missing context, refusals, the failing run, the limits of a patch, scope and price. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from pydantic import ValidationError

from consumer.agent.installed import missing_agent
from consumer.catalog import AgentLimits, WorkflowPolicy
from consumer.heal import refusals
from consumer.model import Diagnosis, Failure, Json, MicroAud
from consumer.model.token_budget import TokenUse
from consumer.workflows.catalogue import Limits
from consumer.workflows.definition import Definition, first_fault
from consumer.workflows.execution import execute
from consumer.workflows.findings import FailureEvidence
from consumer.workflows.runs import RecordedRun
from schemas.json_value import value_at
from schemas.names import StrategyName

FAILING_RUN: Final = "context.workflow.failing_run"
FIELDS: Final = (FAILING_RUN,)
REPORTING: Final = timedelta(seconds=20)
"""Beyond the agent's own time: for the last replay, and to tell what came of it."""


def failing_run(failure: Failure) -> RecordedRun | None:
    """Return the run that failed, as it was recorded; None where the event has none that can be replayed."""
    document = value_at(failure.context, "/workflow/failing_run", None)
    try:
        return RecordedRun.model_validate(document)
    except ValidationError:
        return None


def missing(failure: Failure) -> tuple[str, ...]:
    """Return the paths of the context fields that are absent or unusable."""
    return () if failing_run(failure) is not None else (FAILING_RUN,)


def redacted_part(failure: Failure) -> str | None:
    """Return why a failure is refused where redaction touched its recorded run: it would be replayed as another one."""
    return refusals.redacted_part(failure, ("workflow",), "record runs without secrets")


def refusal(failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
    """Return why no rewrite may be proposed, or None."""
    return (
        redacted_part(failure)
        or unable(policy)
        or refusals.hopeless(
            diagnosis, money="another definition pays nothing", credential="another definition renews none"
        )
    )


def unable(policy: WorkflowPolicy) -> str | None:
    """Return why nothing can be proposed for any failure of an entry, or None."""
    if policy.agent is None:
        return f"the catalog's entry {policy.name!r} has no agent: nothing may propose another definition"
    if policy.approval is None:
        return f"the catalog's entry {policy.name!r} has no `approval:`: nobody could approve another definition"
    limits = limits_of(policy.agent)
    return limits if isinstance(limits, str) else missing_agent()


def limits_of(agent: AgentLimits) -> Limits | str:
    """Return what a patch may use, or why that cannot be read."""
    try:
        return Limits.model_validate(agent.catalogue)
    except ValidationError as error:
        return f"`agent.catalogue` of the catalog's entry: {first_fault(error)}"


def evidence_of(failure: Failure) -> FailureEvidence:
    """Return every text and number of a failure, its recorded run apart: an attacker may have written each of them."""
    context = dict(failure.context)
    workflow = context.get("workflow")
    run: Json = None
    if isinstance(workflow, dict):
        run = workflow.get("failing_run")
        context["workflow"] = {name: below for name, below in workflow.items() if name != "failing_run"}
    # Of equal texts, which a run has many of, one is enough.
    texts = dict.fromkeys((failure.failure_reason, *_scalars(context)))
    recorded = dict.fromkeys(_scalars(_values_of(run)))
    return FailureEvidence(texts=tuple(texts), recorded=tuple(recorded))


def _values_of(run: Json) -> Json:
    """Return what went into a recorded run, and what its actions were given and answered: not the record's words."""
    if not isinstance(run, dict):
        return run
    answers = run.get("answers")
    if not isinstance(answers, list):
        return run
    members = ("parameters", "output", "error")
    said: list[Json] = [each.get(one) for each in answers if isinstance(each, dict) for one in members]
    return [run.get("input"), run.get("outputs"), *said]


def _scalars(value: Json) -> Iterator[str]:
    match value:
        case str() if value:
            yield value
        case bool() | None:
            return
        case int() | float():
            yield str(value)
        case dict():
            for name, below in value.items():
                yield name
                yield from _scalars(below)
        case list():
            for below in value:
                yield from _scalars(below)


def made_again(definition: Definition, failing: RecordedRun, limits: Limits) -> tuple[str, ...]:
    """Return the effects of the failing run that another run with its input makes again, though they are no repeats."""
    ran = execute(definition, failing, limits.actions)
    kinds = ((name, limits.actions.get(name)) for name in ran.effects)
    return tuple(sorted({name for name, kind in kinds if kind is None or not kind.idempotent}))


def most(agent: AgentLimits, policy: WorkflowPolicy) -> MicroAud:
    """Return the most that one attempt may cost: the failure's tokens at the dearer price, at most what is allowed."""
    price, tokens = agent.token_price, agent.tokens.failure
    dearest = max(price.cost(TokenUse(input=tokens)), price.cost(TokenUse(output=tokens)))
    return min(dearest, policy.allowances[StrategyName.WORKFLOW_REWRITE])
