"""Renders a change request: its document, the values of its templates, its calls and its look. Pure."""

from dataclasses import replace

from consumer.catalog import ChangeCall, ChangeRequest, MergedLook
from consumer.catalog.templates import read_template
from consumer.model import Failure, JsonObject
from consumer.model.call import OutboundRequest
from consumer.model.rewrite import Rewrite
from consumer.runners.contract import RunRef
from consumer.runners.places import run_values
from consumer.runners.templates import ABSENT, Values, header_value, render_call
from consumer.workflows.change_request import ChangeEvidence, change_request, source_of, unified_diff
from consumer.workflows.definition import Definition
from consumer.workflows.patch import apply_patch, parse_patch


def document_of(path: str, base: Definition, rewrite: Rewrite) -> JsonObject:
    """Return the change request of a patch on the definition that it is based on.

    Raises
    ------
    ValueError
        The path leads out of its repository, or the patch does not apply.

    """
    patch = parse_patch([*rewrite.patch])
    after = apply_patch(base, patch)
    evidence = ChangeEvidence(
        workflow=rewrite.workflow_name,
        failure=str(rewrite.failure_id),
        hypothesis=rewrite.hypothesis,
        base_digest=rewrite.base_digest,
        digest=rewrite.digest,
        good_runs=rewrite.good_runs,
        objections=(rewrite.objections,) if rewrite.objections else (),
    )
    return change_request(path, base, after, patch, evidence) | {"source": source_of(after)}


def path_of(declared: ChangeRequest, failure: Failure) -> str:
    """Return the file of a failure's workflow within its repository."""
    values = {"org_id": str(failure.org_id), "workflow_name": failure.workflow_name}
    parts = read_template(declared.path).parts
    return "".join(part if isinstance(part, str) else values[part.name] for part in parts)


def values_of(
    failure: Failure, run: RunRef | None, *, key: str, document: JsonObject, request_id: str | None
) -> Values:
    """Return the values of its templates."""
    known: Values = (
        {"org_id": str(failure.org_id), "workflow_name": failure.workflow_name} if run is None else run_values(run)
    )
    named = {"title", "description", "path", "diff", "patch", "source", "digest"}
    return {
        **known,
        **{name: document[name] for name in named if name in document},
        "base": document.get("base_digest", ABSENT),
        "key": key,
        "request.id": ABSENT if request_id is None else request_id,
    }


def call_of(call: ChangeCall, failure: Failure, values: Values) -> OutboundRequest:
    """Render one call; raises UnfitValue."""
    request = render_call(call, call.method, values, org_id=failure.org_id)
    if call.key_header is not None:
        key = header_value(call.key_header, str(values["key"]))
        request = replace(request, headers=(*request.headers, (call.key_header, key)))
    return replace(request, effect=True)


def look_of(look: MergedLook, failure: Failure, values: Values) -> OutboundRequest:
    """Render the look; raises UnfitValue."""
    return render_call(look, look.method, values, org_id=failure.org_id)


def file_of(document: JsonObject) -> str:
    """Return the file of a change request: what speaks for it, and the diff as `git apply` takes it."""
    return f"{document['title']}\n\n{document['description']}\n\n{document['diff']}"


def planned_requests(declared: ChangeRequest, failure: Failure, run: RunRef | None) -> list[OutboundRequest]:
    """Render its calls and its look before there is a patch, to see whether they may be made; raises as they do."""
    unified_diff(path_of(declared, failure), "", "x\n")
    document: JsonObject = dict.fromkeys(("title", "description", "diff", "source", "digest", "base_digest"), "x")
    document |= {"patch": [], "path": path_of(declared, failure)}
    values = values_of(failure, run, key="shw", document=document, request_id="1")
    calls = [call_of(call, failure, values) for call in declared.calls]
    return calls if declared.look is None else [*calls, look_of(declared.look, failure, values)]
