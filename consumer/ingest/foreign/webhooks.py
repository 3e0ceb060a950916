"""Bodies that are posted: our own event's data, Alertmanager's webhook, Airflow's callback, n8n's error trigger. Pure.

Each becomes failures of the organisation that the caller names. An id of its own tells a second delivery: the caller's
idempotency key, else what the body names (an alert's fingerprint and start, a run's try); only the plain form has none.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from consumer.ingest.foreign.told import (
    REASON_CHARACTERS,
    ToldFailure,
    at,
    bounded,
    name_at,
    refuse,
    text_at,
    without_none,
)
from consumer.model import Json, JsonObject

MOST_ALERTS: Final = 100
_LINE_CHARACTERS: Final = 2000
_MOST_LABELS: Final = 50


class WebhookFormat(StrEnum):
    """What a posted body is."""

    PLAIN = "plain"  # the data of `workflow.failure.v1`, without its organisation
    ALERTMANAGER = "alertmanager"  # version 4: each firing alert is a failure
    AIRFLOW = "airflow"  # what an `on_failure_callback` knows of its task
    N8N = "n8n"  # what n8n gives to an error workflow


def told_by_webhook(body: Any, form: WebhookFormat, org_id: UUID, key: str) -> tuple[ToldFailure, ...]:  # noqa: ANN401 - JSON is anything
    """Return the failures that a body tells of; EnvelopeError `wrong_shape` or `too_large` names the field.

    `key` is the caller's idempotency key; empty: the body's own identity counts.
    """
    if not isinstance(body, dict):
        refuse("the body is JSON but no object")
    read: Mapping[WebhookFormat, Callable[[JsonObject, UUID, str], tuple[ToldFailure, ...]]] = {
        WebhookFormat.PLAIN: _plain,
        WebhookFormat.ALERTMANAGER: _alerts,
        WebhookFormat.AIRFLOW: _callback,
        WebhookFormat.N8N: _execution,
    }
    return read[form](body, org_id, key)


def _source(form: WebhookFormat) -> str:
    return f"urn:shw-api:{form}"


def _plain(body: JsonObject, org_id: UUID, key: str) -> tuple[ToldFailure, ...]:
    known = {"workflow_name", "failure_reason", "context", "detected_at"}
    if strange := body.keys() - known - {"org_id"}:
        refuse(f"{min(strange)[:100]!r} is no field of a failure: send {', '.join(sorted(known))}")
    if body.get("org_id", str(org_id)) != str(org_id):
        refuse("org_id is not the organisation of the query: leave it out")
    context, reason = body.get("context"), body.get("failure_reason")
    if context is not None and not isinstance(context, dict):
        refuse("context is no object")
    if not isinstance(reason, str):
        refuse("failure_reason is missing, or no text")
    return (
        ToldFailure(
            event_id=key,
            source=_source(WebhookFormat.PLAIN),
            org_id=org_id,
            workflow_name=name_at(body, "workflow_name"),
            failure_reason=reason,
            context=context or {},
            detected_at=text_at(body, "detected_at"),
        ),
    )


def _alerts(body: JsonObject, org_id: UUID, key: str) -> tuple[ToldFailure, ...]:
    alerts = body.get("alerts")
    if body.get("version") != "4" or not isinstance(alerts, list):
        refuse("version is not 4, or alerts is no list: send Alertmanager's webhook")
    if len(alerts) > MOST_ALERTS:
        refuse(f"alerts has {len(alerts)} items, the limit is {MOST_ALERTS}: set `max_alerts` in the receiver")
    firing = [one for one in alerts if at(one, "status") == "firing"]
    return tuple(_alert(one, org_id, f"{key}:{place}" if key else "") for place, one in enumerate(firing))


def _alert(alert: Json, org_id: UUID, key: str) -> ToldFailure:
    name, since = name_at(alert, "labels", "alertname"), name_at(alert, "startsAt")
    notes = at(alert, "annotations")
    said = [text for field in ("summary", "description") if (text := text_at(notes, field))]
    workflow = bounded(text_at(alert, "labels", "workflow") or name, "labels.workflow")
    return ToldFailure(
        event_id=key or f"{name_at(alert, 'fingerprint')}:{since}",
        source=_source(WebhookFormat.ALERTMANAGER),
        org_id=org_id,
        workflow_name=workflow,
        failure_reason="\n".join([name, *said])[:REASON_CHARACTERS],
        context={
            "alert": without_none(
                name=name, labels=_texts(at(alert, "labels")), generator_url=text_at(alert, "generatorURL")
            )
        },
        detected_at=since,
    )


def _callback(body: JsonObject, org_id: UUID, key: str) -> tuple[ToldFailure, ...]:
    dag, run, task = (name_at(body, field) for field in ("dag_id", "run_id", "task_id"))
    tried, index = _count(body, "try_number"), _count(body, "map_index")
    step = f"{task}[{index}]" if index is not None else task
    said = (text_at(body, "exception") or "the task failed, and its callback says nothing of why")[:REASON_CHARACTERS]
    return (
        ToldFailure(
            event_id=key or f"{dag}:{run}:{step}:{tried}",
            source=_source(WebhookFormat.AIRFLOW),
            org_id=org_id,
            workflow_name=dag,
            failure_reason=said,
            context=without_none(
                run=without_none(id=run, step=bounded(step, "task_id"), epoch=tried, status="failed"),
                error=without_none(type=text_at(body, "exception_type"), message=said[:_LINE_CHARACTERS]),
                log_url=text_at(body, "log_url"),
            ),
            detected_at=text_at(body, "detected_at"),
        ),
    )


def _execution(body: JsonObject, org_id: UUID, key: str) -> tuple[ToldFailure, ...]:
    name = name_at(body, "workflow", "name")
    error = at(body, "execution", "error") or at(body, "trigger", "error")
    run, step = _name_or_number(body, "execution", "id"), text_at(body, "execution", "lastNodeExecuted")
    said = text_at(error, "message") or "the execution failed, and its error says nothing of why"
    # A retry is another execution: each is tried once.
    where = without_none(id=run, step=step and bounded(step, "execution.lastNodeExecuted"), epoch=0, status="failed")
    return (
        ToldFailure(
            event_id=key or (f"{name_at(body, 'workflow', 'id')}:{run}" if run else ""),
            source=_source(WebhookFormat.N8N),
            org_id=org_id,
            workflow_name=name,
            failure_reason=said[:REASON_CHARACTERS],
            context=without_none(
                run=where if run else None,
                error=without_none(type=text_at(error, "name"), message=said[:_LINE_CHARACTERS]),
                execution_url=text_at(body, "execution", "url"),
            ),
        ),
    )


def _count(body: JsonObject, field: str) -> int | None:
    found = body.get(field)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**31 else None


def _name_or_number(body: JsonObject, *steps: str) -> str | None:
    found = at(body, *steps)
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63:
        return str(found)
    return bounded(found, ".".join(steps)) if isinstance(found, str) and found else None


def _texts(labels: object) -> JsonObject:
    if not isinstance(labels, dict):
        return {}
    texts = [(name[:200], said[:_LINE_CHARACTERS]) for name, said in labels.items() if isinstance(said, str)]
    return dict(texts[:_MOST_LABELS])
