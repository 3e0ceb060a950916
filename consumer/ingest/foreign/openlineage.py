"""OpenLineage run events: FAIL and ABORT of Airflow, Spark, dbt and Flink become failures. Pure.

The reason is the `errorMessage` facet's message with the last line of its stack. The run is the orchestrator's own
where its facet names it (Airflow), else OpenLineage's root run; the step is what the job's name adds to the root job's.
"""

import re
from typing import Any, Final

from consumer.catalog.topics import DeclaredTopic
from consumer.ingest.foreign.told import (
    NAME_CHARACTERS,
    REASON_CHARACTERS,
    ToldFailure,
    at,
    bounded,
    name_at,
    organisation,
    refuse,
    text_at,
    without_none,
)
from consumer.model import JsonObject
from schemas.errors import EnvelopeError
from schemas.names import PoisonReason
from schemas.rfc3339 import parse_time

_TELLS_NOTHING: Final = frozenset({"START", "RUNNING", "COMPLETE", "OTHER"})
_FAILED: Final = frozenset({"FAIL", "ABORT"})
_CLASS: Final = re.compile(r"(?P<name>[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)(?::|$)")
_JVM: Final = frozenset({"JAVA", "SCALA", "KOTLIN"})
_LINE_CHARACTERS: Final = 2000
_DATASETS: Final = 20


def told_by(document: Any, topic: DeclaredTopic) -> ToldFailure | None:  # noqa: ANN401 - JSON is anything
    """Return the failure that a run event tells of; None where it tells of none. EnvelopeError where it is no event."""
    if not isinstance(document, dict):
        refuse("the value is JSON but no object: send OpenLineage run events to this topic")
    kind = document.get("eventType")
    if kind is None and "run" not in document and ("dataset" in document or "job" in document):
        return None  # a job or dataset event
    if not isinstance(kind, str) or kind.upper() not in _TELLS_NOTHING | _FAILED:
        refuse("eventType is none of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER: send OpenLineage run events here")
    return _failure(document, kind.upper(), topic) if kind.upper() in _FAILED else None


def _failure(event: JsonObject, kind: str, topic: DeclaredTopic) -> ToldFailure:
    namespace, run_id = name_at(event, "job", "namespace"), name_at(event, "run", "runId")
    job, facets = name_at(event, "job", "name"), at(event, "run", "facets")
    root = _root_job(facets, job)
    error = at(facets, "errorMessage")
    stack, reason = _stack_line(error), text_at(error, "message")
    return ToldFailure(
        event_id=f"{run_id}:FAIL",  # also of an ABORT: some senders emit both of one run
        source=f"urn:openlineage:{namespace}",
        org_id=organisation(topic.organisation_of(namespace), "namespace", namespace, topic.topic),
        workflow_name=root,
        failure_reason=_reason(reason, stack, kind, _failed_tasks(facets)),
        context=without_none(
            error=_error(reason, stack),
            run=_run(event, facets, job, root),
            lineage=_lineage(event, namespace, job, run_id),
        ),
        detected_at=_time(event),
    )


def _time(event: JsonObject) -> str:
    said = name_at(event, "eventTime")
    try:
        parse_time(said)
    except ValueError as error:
        raise EnvelopeError(PoisonReason.BAD_TIME, f"eventTime: {error}") from error
    return said


def _root_job(facets: object, job: str) -> str:
    places = (
        ("airflow", "dag", "dag_id"),
        ("airflowDagRun", "dag", "dag_id"),
        ("parent", "root", "job", "name"),
        ("parent", "job", "name"),
    )
    found = next((name for place in places if (name := text_at(facets, *place))), job)
    return bounded(found, "the root job's name")


def _run(event: JsonObject, facets: object, job: str, root: str) -> JsonObject:
    run_id = (
        text_at(facets, "airflow", "dagRun", "run_id")
        or text_at(facets, "airflowDagRun", "dagRun", "run_id")
        or text_at(facets, "parent", "root", "run", "runId")
        or text_at(facets, "parent", "run", "runId")
        or name_at(event, "run", "runId")
    )
    tried, failed = at(facets, "airflow", "taskInstance", "try_number"), _failed_tasks(facets)
    is_try = isinstance(tried, int) and not isinstance(tried, bool) and 0 <= tried < 2**31
    step = _step(facets, job, root) or (failed[0] if len(failed) == 1 else None)
    return without_none(id=bounded(run_id, "the run's id"), step=step, epoch=tried if is_try else None, status="failed")


def _step(facets: object, job: str, root: str) -> str | None:
    task = text_at(facets, "airflow", "task", "task_id")
    if task is None:
        task = job.removeprefix(f"{root}.") if job != root else None
    index = at(facets, "airflow", "taskInstance", "map_index")
    if task is not None and isinstance(index, int) and not isinstance(index, bool) and 0 <= index < 2**31:
        task = f"{task}[{index}]"
    return None if task is None else bounded(task, "the step's name")


def _failed_tasks(facets: object) -> list[str]:
    """Return the tasks that failed of a DAG run, which tells nothing else of what broke."""
    states = at(facets, "airflowState", "tasksState")
    found = [name for name, state in states.items() if state == "failed"] if isinstance(states, dict) else []
    return [name for name in found if 0 < len(name) <= NAME_CHARACTERS][:_DATASETS]


def _stack_line(error: object) -> str | None:
    """Return the line of a stack that names its cause: Python's last; a JVM's last `Caused by:`, or its first."""
    stack = text_at(error, "stackTrace")
    lines = [line.strip() for line in stack.splitlines() if line.strip()] if stack else []
    if not lines:
        return None
    if (text_at(error, "programmingLanguage") or "").upper() in _JVM or any(one.startswith("at ") for one in lines):
        causes = [line.removeprefix("Caused by:").strip() for line in lines if line.startswith("Caused by:")]
        return (causes[-1] if causes else lines[0])[:_LINE_CHARACTERS]
    return lines[-1][:_LINE_CHARACTERS]


def _reason(message: str | None, stack: str | None, kind: str, failed: list[str]) -> str:
    said = (message or "").strip()
    if stack is not None and stack not in said:
        said = f"{said}\n{stack}" if said else stack
    if failed:
        said = f"{said}\nfailed: {', '.join(failed)}"
    nothing = "the run was aborted" if kind == "ABORT" else "the run failed, and its event says nothing of why"
    return said[:REASON_CHARACTERS] or nothing


def _error(message: str | None, stack: str | None) -> JsonObject | None:
    named = _CLASS.match(stack) if stack is not None else None
    error = without_none(
        type=named["name"][:NAME_CHARACTERS] if named else None,
        message=message[:_LINE_CHARACTERS] if message else None,
    )
    return error or None


def _lineage(event: JsonObject, namespace: str, job: str, run_id: str) -> JsonObject:
    facets = at(event, "run", "facets")
    parents = [at(facets, "parent", "run", "runId"), at(facets, "parent", "root", "run", "runId")]
    named = dict.fromkeys(one for one in parents if isinstance(one, str) and 0 < len(one) <= NAME_CHARACTERS)
    log_url, producer = text_at(facets, "airflow", "taskInstance", "log_url"), text_at(event, "producer")
    return without_none(
        namespace=namespace,
        job=job,
        run_id=run_id,
        parents=[one for one in named if one != run_id],
        inputs=_datasets(event, "inputs"),
        outputs=_datasets(event, "outputs"),
        log_url=log_url[:_LINE_CHARACTERS] if log_url else None,
        producer=producer[:NAME_CHARACTERS] if producer else None,
    )


def _datasets(event: JsonObject, which: str) -> list[str] | None:
    listed = event.get(which)
    names = [text_at(one, "name") for one in listed[:_DATASETS]] if isinstance(listed, list) else []
    return [name[:NAME_CHARACTERS] for name in names if name] or None
