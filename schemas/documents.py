"""The contract as documents: JSON Schema files, an AsyncAPI and an OpenAPI document, generated and checked in."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from schemas import examples, refused_examples
from schemas.asyncapi import Channel, MessageKind, asyncapi_document
from schemas.bulk import BULK_PROGRESS_TYPE, BulkProgress
from schemas.context import Context
from schemas.dead_letter import DeadLetterHeaders
from schemas.definition_change import DEFINITION_CHANGE_TYPE, DefinitionChanged
from schemas.dependency_binding import DEPENDENCY_BINDING_TYPE, DependencyBinding
from schemas.envelope import Envelope
from schemas.failure import FAILURE_TYPE, WorkflowFailure
from schemas.failure_refused import FAILURE_REFUSED_TYPE, FailureRefused
from schemas.heal_result import (
    BUDGET_WARNING_TYPE,
    FAILURE_STATUS_TYPE,
    HEAL_RESULT_TYPE,
    PAUSE_TYPE,
    BudgetWarning,
    FailureStatus,
    HealResult,
    PauseStatus,
)
from schemas.openapi import openapi_document
from schemas.supervision import COMMAND_RESULT_TYPE, COMMAND_TYPE, HEARTBEAT_TYPE, Command, CommandResult, Heartbeat
from schemas.typescript import declarations
from schemas.workflow import WorkflowDefinition

GENERATED: Final = Path(__file__).parent / "generated"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DEAD_LETTER: Final = "dead_letter_headers"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Generated:
    name: str
    model: Any
    mode: Literal["validation", "serialization"]


_DOCUMENTS: Final = (
    _Generated(name=FAILURE_TYPE, model=WorkflowFailure, mode="validation"),
    _Generated(name="context", model=Context, mode="validation"),
    _Generated(name="workflow_definition", model=WorkflowDefinition, mode="validation"),
    _Generated(name=HEAL_RESULT_TYPE, model=HealResult, mode="serialization"),
    _Generated(name=FAILURE_STATUS_TYPE, model=FailureStatus, mode="serialization"),
    _Generated(name=BUDGET_WARNING_TYPE, model=BudgetWarning, mode="serialization"),
    _Generated(name=PAUSE_TYPE, model=PauseStatus, mode="serialization"),
    _Generated(name=COMMAND_TYPE, model=Command, mode="validation"),
    _Generated(name=COMMAND_RESULT_TYPE, model=CommandResult, mode="serialization"),
    _Generated(name=BULK_PROGRESS_TYPE, model=BulkProgress, mode="serialization"),
    _Generated(name=DEPENDENCY_BINDING_TYPE, model=DependencyBinding, mode="serialization"),
    _Generated(name=DEFINITION_CHANGE_TYPE, model=DefinitionChanged, mode="serialization"),
    _Generated(name=FAILURE_REFUSED_TYPE, model=FailureRefused, mode="serialization"),
    _Generated(name=HEARTBEAT_TYPE, model=Heartbeat, mode="validation"),
    _Generated(name=_DEAD_LETTER, model=DeadLetterHeaders, mode="validation"),
)


def write(directory: Path = GENERATED) -> None:
    """Write every document; files that are no longer generated are removed."""
    directory.mkdir(parents=True, exist_ok=True)
    documents = _texts()
    for stale in set(_names_in(directory)) - set(documents):
        (directory / stale).unlink()
    for name, text in documents.items():
        (directory / name).write_text(text, encoding="utf-8")


def differences(directory: Path = GENERATED) -> list[str]:
    """Say, one line for each file, where the directory is not what the models say now; empty when it is."""
    documents = _texts()
    present = _names_in(directory)
    stale = [
        f"{name}: no longer generated; `shw schemas --write` removes it" for name in present if name not in documents
    ]
    missing = [f"{name}: missing; run `shw schemas --write` to write it" for name in documents if name not in present]
    changed = [
        f"{name}: differs from the models; run `shw schemas --write` to write it anew"
        for name, text in documents.items()
        if name in present and (directory / name).read_text(encoding="utf-8") != text
    ]
    return sorted([*stale, *missing, *changed])


def _names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.suffix in (".json", ".ts"))


def _texts() -> dict[str, str]:
    documents = {f"{each.name}.schema.json": _json_schema(each) for each in _DOCUMENTS}
    documents["asyncapi.json"] = _asyncapi()
    documents["openapi.json"] = openapi_document()
    texts = {name: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for name, document in documents.items()}
    return {**texts, "contract.ts": _typescript()}


def _json_schema(document: _Generated) -> dict[str, Any]:
    schema = TypeAdapter(document.model).json_schema(mode=document.mode)
    return {"$schema": DIALECT, "$id": f"urn:shw:schema:{document.name}", **schema}


def _schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of each document by its name, and the definitions that they refer to."""
    adapters = [(each.name, each.mode, TypeAdapter(each.model)) for each in _DOCUMENTS]
    roots, shared = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
    return {name: schema for (name, _mode), schema in roots.items()}, shared["$defs"]


def _typescript() -> str:
    schemas, definitions = _schemas()
    parts = {"Context": schemas["context"], "WorkflowDefinition": schemas["workflow_definition"]}
    return declarations(
        definitions | parts, {name: one for name, one in schemas.items() if name.startswith("workflow.")}
    )


def _asyncapi() -> dict[str, Any]:
    schemas, definitions = _schemas()
    named = {"Context": schemas["context"], "WorkflowDefinition": schemas["workflow_definition"]}
    return asyncapi_document(_channels(schemas), definitions | named)


def _channels(schemas: dict[str, Any]) -> tuple[Channel, ...]:
    """Tie the topics to their messages; the order is the one of the document."""
    return (
        Channel(
            name="failures",
            topic="workflow.failures",
            action="receive",
            key="The run, or whatever orders failures that belong together.",
            description="Failures of workflows. CloudEvents structured, binary or in a batch, or the bare data object.",
            messages=(_message(FAILURE_TYPE, schemas, (examples.failure(),)),),
        ),
        _results_channel(schemas),
        Channel(
            name="deadLetters",
            topic="workflow.failures.dlq",
            action="send",
            key="The refused record's own key.",
            description="Refused records, raw. They may hold secrets: a restricted, short-lived topic.",
            messages=(MessageKind.of_raw("dead_letter", schemas[_DEAD_LETTER], refused_examples.dead_letter_record()),),
        ),
        Channel(
            name="healCommands",
            topic="maos.heal-commands",
            action="receive",
            key="The failure's id, where there is one: commands of one key are carried out in their order.",
            description="What a supervisor asks for. The value is a JWS in compact form whose claim `command` is the "
            "data of this message; the event itself only where unsigned commands count.",
            messages=(_message(COMMAND_TYPE, schemas, examples.commands()),),
        ),
        Channel(
            name="heartbeats",
            topic="workflow.heartbeats",
            action="receive",
            key="The run's id.",
            description="Signs of life of runs.",
            messages=(_message(HEARTBEAT_TYPE, schemas, (examples.heartbeat(),)),),
        ),
    )


def _results_channel(schemas: dict[str, Any]) -> Channel:
    return Channel(
        name="healResults",
        topic="workflow.heal-results",
        action="send",
        key="The failure's id (a command result without a failure: the command's; a warning: its organisation's; a "
        "refusal: its source).",
        description="What came of each failure, at least once, with stable ids, in order of `step` per failure.",
        messages=(
            _message(HEAL_RESULT_TYPE, schemas, (examples.heal_result(),)),
            _message(FAILURE_STATUS_TYPE, schemas, (examples.failure_status(),)),
            _message(BUDGET_WARNING_TYPE, schemas, (examples.budget_warning(),)),
            _message(PAUSE_TYPE, schemas, (examples.pause(),)),
            _message(COMMAND_RESULT_TYPE, schemas, (examples.command_result(),)),
            _message(BULK_PROGRESS_TYPE, schemas, (examples.bulk_progress(),)),
            _message(DEPENDENCY_BINDING_TYPE, schemas, (examples.dependency_binding(),)),
            _message(DEFINITION_CHANGE_TYPE, schemas, (examples.definition_change(),)),
            _message(FAILURE_REFUSED_TYPE, schemas, (refused_examples.failure_refused(),)),
        ),
    )


def _message(event_type: str, schemas: dict[str, Any], events: tuple[Envelope, ...]) -> MessageKind:
    return MessageKind.of_events(event_type, schemas[event_type], events)
