"""The TypeScript declarations say what the schemas say."""

import re

import pytest

from schemas.documents import GENERATED
from schemas.names import CommandName, CommandOutcome
from schemas.typescript import type_name, type_of

TEXT = (GENERATED / "contract.ts").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "string"),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}, "number | null"),
        ({"enum": ["a", "b"]}, '"a" | "b"'),
        ({"const": "heal", "type": "string"}, '"heal"'),
        ({"$ref": "#/components/schemas/CommandResult"}, "CommandResult"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "Record<string, number>"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"type": "object", "properties": {"a-b": True}, "required": ["a-b"]}, '{\n    "a-b": unknown;\n  }'),
        (True, "unknown"),
        ({}, "unknown"),
    ],
    ids=repr,
)
def test_a_schema_becomes_its_type(schema: dict[str, object] | bool, expected: str) -> None:
    assert type_of(schema) == expected


def test_every_name_that_is_used_is_declared_once() -> None:
    declared = re.findall(r"^export (?:interface|type) (\w+)", TEXT, re.MULTILINE)
    assert len(declared) == len(set(declared))
    code = re.sub(r"/\*\*.*?\*/|//.*|\"[^\"\n]*\"", "", TEXT)
    used = set(re.findall(r"\b([A-Z]\w+)\b", code)) - {"Record"}
    assert used - set(declared) == set()
    assert code.count("{") == code.count("}")


def test_every_event_and_command_is_there_with_what_tells_it_from_others() -> None:
    for kind in (path.name.removesuffix(".schema.json") for path in GENERATED.glob("workflow.*.schema.json")):
        assert f"export interface {type_name(kind)} {{" in TEXT
        assert f'  type: "{kind}";' in TEXT
    for name in CommandName:
        assert f'  command: "{name}";' in TEXT
    outcomes = " | ".join(f'"{one}"' for one in CommandOutcome)
    assert f"export type CommandOutcome = {outcomes};" in TEXT
