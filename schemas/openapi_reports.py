"""The reporting of failures in the OpenAPI document."""

from schemas.openapi_parts import (
    ANY,
    SIGNED_IN,
    TEXT,
    UUID,
    Json,
    json_of,
    nullable,
    object_of,
    operation,
    query,
    takes,
)

_FORMATS = ("plain", "alertmanager", "airflow", "n8n")


def report_operation() -> Json:
    """Return the operation that takes failures."""
    org = query("orgId", UUID, "Whose failures they are.") | {"required": True}
    form = query("format", TEXT | {"enum": list(_FORMATS), "default": "plain"}, "What the body is.")
    return operation(
        "Publishes the failures that a body tells of to the failures topic; answers once the broker has them.",
        {202: json_of("FailuresReported")},
        (*SIGNED_IN, 404, 409),
        [org, form],
    ) | takes("FailureReport")


def report_schemas() -> Json:
    """Return what the route takes and answers."""
    plain = object_of(
        {"org_id": UUID, "context": nullable({"type": "object"}), "detected_at": TEXT},
        workflow_name=TEXT | {"minLength": 1, "maxLength": 512},
        failure_reason=TEXT | {"maxLength": 65536},
    )
    line = object_of(id=UUID, workflowName=TEXT)
    return {
        "FailureReport": {
            "anyOf": [plain, ANY | {"type": "object"}],
            "description": "`plain`: the data of `workflow.failure.v1`. Else what Alertmanager (webhook, version 4), "
            "Airflow's callback or n8n's error trigger sends.",
        },
        "FailuresReported": object_of(failures={"type": "array", "items": line}),
    }
