"""TypeScript declarations of the contract, from the models' JSON Schemas: for a platform that is written in it."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

_HEAD: Final = """\
// The healer's contract: events and commands. Generated from its models by `shw schemas --write`; do not edit.
// A reader treats an unknown value of an enumeration as "something else": new ones are compatible changes.
"""
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][\w$]*")
_REF: Final = re.compile(r"#/(?:\$defs|components/schemas)/(.+)")
_SIMPLE: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def declarations(definitions: Mapping[str, Json], events: Mapping[str, Json]) -> str:
    """Return the declarations of all definitions, and of each event by its CloudEvents type.

    `events` have the schema of each type's data, which may be a reference to one of the definitions.
    """
    parts = [_HEAD, *(_declare(name, schema) for name, schema in sorted(definitions.items()))]
    names = {kind: type_name(kind) for kind in events}
    parts += [f"export type {names[kind]}Data = {type_of(schema)};\n" for kind, schema in events.items()]
    parts += [_event(kind, name) for kind, name in names.items()]
    union = "".join(f"\n  | {name}" for name in names.values())
    parts.append(f"export type ContractEvent ={union};\n")
    return "\n".join(parts)


def type_name(text: str) -> str:
    """Return a type's name: `workflow.heal_result.v1` is WorkflowHealResultV1."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text) if word)


def type_of(schema: Json | bool) -> str:
    """Return the type of what a schema accepts; what TypeScript cannot say is wider."""
    if isinstance(schema, bool) or not schema:
        return "unknown"
    if (found := _REF.fullmatch(schema.get("$ref", ""))) is not None:
        return type_name(found[1])
    for branches in ("anyOf", "oneOf"):
        if branches in schema:
            return " | ".join(dict.fromkeys(map(type_of, schema[branches])))
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return " | ".join(map(json.dumps, values)) if values is not None else _type_by_kind(schema)


def _type_by_kind(schema: Json) -> str:
    match schema.get("type"):
        case "array":
            inner = type_of(schema.get("items", True))
            return f"({inner})[]" if " " in inner else f"{inner}[]"
        case "object" if schema.get("properties"):
            return _members(schema, "  ")
        case "object":
            return f"Record<string, {type_of(schema.get('additionalProperties', True))}>"
        case kind:
            return _SIMPLE.get(kind, "unknown") if isinstance(kind, str) else "unknown"


def _declare(name: str, schema: Json) -> str:
    said = _comment(schema.get("description"), "")
    if schema.get("type") == "object" and schema.get("properties"):
        return f"{said}export interface {type_name(name)} {_members(schema, '')}\n"
    return f"{said}export type {type_name(name)} = {type_of(schema)};\n"


def _members(schema: Json, indent: str) -> str:
    required = frozenset(schema.get("required", ()))
    lines = []
    for name, member in schema["properties"].items():
        key = name if _IDENTIFIER.fullmatch(name) else json.dumps(name)
        # A constant tells the branches of a union apart, and has to be there.
        optional = "" if name in required or (isinstance(member, dict) and "const" in member) else "?"
        comment = _comment(member.get("description") if isinstance(member, dict) else None, f"{indent}  ")
        lines.append(f"{comment}{indent}  {key}{optional}: {type_of(member)};\n")
    return "{\n" + "".join(lines) + f"{indent}}}"


def _event(kind: str, name: str) -> str:
    return (
        f"export interface {name} {{\n"
        '  specversion: "1.0";\n  id: string;\n  source: string;\n'
        f"  type: {json.dumps(kind)};\n"
        "  subject?: string;\n  time?: string;\n  datacontenttype?: string;\n"
        "  traceparent?: string;\n  tracestate?: string;\n"
        f"  data: {name}Data;\n}}\n"
    )


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    return f"{indent}/** {' '.join(text.replace('*/', '* /').split())} */\n"
