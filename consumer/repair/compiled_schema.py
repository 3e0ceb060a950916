"""Schema compiler for the search: references resolved, `allOf` merged, alternatives separated. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from consumer.repair.key_names import plain, variants
from consumer.repair.leaf_rules import Leaf, compiled
from consumer.repair.validator import UnusableSchema
from schemas.json_value import steps_of

Schema: TypeAlias = "Mapping[str, Any] | bool"

ALL_TYPES: Final = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_MAX_SHAPES: Final = 20_000
_MAX_PARTS: Final = 300
_MAX_BRANCHES: Final = 64
_OPAQUE: Final = (
    "not", "contains", "propertyNames", "dependentSchemas", "unevaluatedItems", "$dynamicRef", "$recursiveRef",
)  # fmt: skip
_OLD_DRAFTS: Final = ("draft-03", "draft-04", "draft-06", "draft-07")


class StepLimitExceeded(Exception):
    """Step limit of a repair exceeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaAlternatives:
    """Alternatives of a schema, of which a value matches at least one (`anyOf`), or exactly one (`oneOf`)."""

    branches: tuple[Schema, ...]
    rule: Mapping[str, Any] | None
    """Additional rule for the result: `oneOf` as a whole."""


@dataclass(slots=True, eq=False)
class CompiledSchema:
    """All constraints on a value at one place."""

    number: int
    parts: tuple[Mapping[str, Any], ...]
    choices: tuple[SchemaAlternatives, ...]
    never: bool
    leaf: Leaf
    declared: dict[str, list[Schema]] = field(default_factory=dict)
    required: dict[str, None] = field(default_factory=dict)
    opaque: tuple[Mapping[str, Any], ...] = ()
    children: dict[object, "CompiledSchema"] = field(default_factory=dict)
    branches: tuple["CompiledSchema", ...] | None = None
    slipped: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Cache: for each key met so far, the declared names that it may be misspelt from."""
    by_plain_name: dict[str, list[str]] = field(default_factory=dict)

    @property
    def types(self) -> frozenset[str]:
        """The types that the value may have."""
        return self.leaf.types


class SchemaCompiler:
    """Compiles the places of one schema, each once."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        named = root.get("$schema") if isinstance(root, Mapping) else None
        # Before draft 2019-09, keywords beside a `$ref` are ignored.
        self._ignores_ref_siblings = isinstance(named, str) and any(draft in named for draft in _OLD_DRAFTS)
        self._compiled: dict[tuple[int, ...], CompiledSchema] = {}
        self._keep_alive: list[object] = []
        self._anchors: dict[str, Schema] | None = None
        self._patterns: dict[str, re.Pattern[str]] = {}
        self.root = self._compile((root,))

    def child(self, shape: CompiledSchema, key: str) -> CompiledSchema:
        """Return the compiled schema of the member of this name."""
        found = shape.children.get(key)
        if found is None:
            schemas = tuple(self._member_schemas(shape, key))
            found = self._compile(schemas)
            if key in shape.declared or len(shape.children) < 1000:  # noqa: PLR2004 - a stranger's keys are not kept
                shape.children[key] = found
        return found

    def item(self, shape: CompiledSchema, index: int) -> CompiledSchema:
        """Return the compiled schema of the item at this index."""
        longest = max((len(_prefix(part)) for part in shape.parts), default=0)
        place = min(index, longest)
        found = shape.children.get(place)
        if found is None:
            found = self._compile(tuple(schema for part in shape.parts for schema in _item_schemas(part, place)))
            shape.children[place] = found
        return found

    def alternatives(self, shape: CompiledSchema) -> tuple[CompiledSchema, ...]:
        """Return one compiled schema for each branch of the first alternatives."""
        if shape.branches is None:
            first, rest = shape.choices[0], shape.choices[1:]
            if len(first.branches) > _MAX_BRANCHES * 4:
                raise StepLimitExceeded
            shape.branches = tuple(
                self._compile(branch_of, shape.parts, rest) for branch_of in ((b,) for b in first.branches)
            )
        return shape.branches

    def is_closed_to(self, shape: CompiledSchema, key: str) -> bool:
        """Return whether a member of this name is forbidden, whatever its value."""
        return key not in shape.declared and self.child(shape, key).never

    def matches_a_pattern(self, shape: CompiledSchema, key: str) -> bool:
        """Return whether a name matches one of the `patternProperties`."""
        return any(
            self._pattern(pattern).search(key) for part in shape.parts for pattern in part.get("patternProperties", ())
        )

    def nearly_matches_a_pattern(self, shape: CompiledSchema, key: str) -> bool:
        """Return whether a name is a slip, or a change of case, from matching one of the `patternProperties`."""
        patterns = [self._pattern(text) for part in shape.parts for text in part.get("patternProperties", ())]
        return bool(patterns) and any(pattern.search(name) for name in variants(key) for pattern in patterns)

    def _pattern(self, text: str) -> re.Pattern[str]:
        found = self._patterns.get(text)
        if found is None:
            found = self._patterns[text] = compiled(text)
        return found

    def _member_schemas(self, shape: CompiledSchema, key: str) -> Iterator[Schema]:
        anywhere = False
        for part in shape.parts:
            known = False
            properties = part.get("properties")
            if isinstance(properties, Mapping) and key in properties:
                known = True
                yield properties[key]
            for pattern, schema in part.get("patternProperties", {}).items():
                if self._pattern(pattern).search(key):
                    known = True
                    yield schema
            if not known and "additionalProperties" in part:
                known = part["additionalProperties"] is not False
                yield part["additionalProperties"]
            anywhere = anywhere or known
        if not anywhere:
            yield from (part["unevaluatedProperties"] for part in shape.parts if "unevaluatedProperties" in part)

    def _compile(
        self,
        schemas: Sequence[Schema],
        parts: tuple[Mapping[str, Any], ...] = (),
        choices: tuple[SchemaAlternatives, ...] = (),
    ) -> CompiledSchema:
        key = (*map(id, schemas), 0, *map(id, parts), 0, *map(id, choices))
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _MAX_SHAPES:
                raise StepLimitExceeded
            self._keep_alive.append((schemas, parts, choices))
            found = self._compiled[key] = self._build(*self._flatten(schemas, parts, choices))
        return found

    def _flatten(
        self, schemas: Sequence[Schema], parts: tuple[Mapping[str, Any], ...], choices: tuple[SchemaAlternatives, ...]
    ) -> tuple[tuple[Mapping[str, Any], ...], tuple[SchemaAlternatives, ...], bool]:
        waiting = list(reversed(schemas))
        flat = {id(part): part for part in parts}
        chosen = list(choices)
        never = False
        while waiting:
            schema = waiting.pop()
            if not isinstance(schema, Mapping):
                never = never or schema is False
                continue
            if id(schema) in flat:
                continue
            if _leads_within(schema):
                waiting.append(self._resolve(schema["$ref"]))
                if self._ignores_ref_siblings:
                    flat[id(schema)] = {}
                    self._keep_alive.append(schema)
                    continue
            flat[id(schema)] = schema
            waiting += reversed(schema.get("allOf", ()))
            chosen += _choices(schema)
            if len(flat) > _MAX_PARTS:
                raise StepLimitExceeded
        return tuple(flat.values()), tuple(chosen), never

    def _build(
        self, parts: tuple[Mapping[str, Any], ...], choices: tuple[SchemaAlternatives, ...], never: bool
    ) -> CompiledSchema:
        shape = CompiledSchema(number=len(self._compiled), parts=parts, choices=choices, never=never, leaf=Leaf(parts))
        shape.opaque = tuple(
            {name: part[name] for name in (*_OPAQUE, "minContains", "maxContains", "$ref") if name in part}
            for part in parts
            if any(name in part for name in _OPAQUE) or ("$ref" in part and not _leads_within(part))
        )
        for part in parts:
            for name, schema in part.get("properties", {}).items():
                shape.declared.setdefault(name, []).append(schema)
            shape.required |= dict.fromkeys(part.get("required", ()))
        for name in shape.declared:
            shape.by_plain_name.setdefault(plain(name), []).append(name)
        return shape

    def _resolve(self, reference: object) -> Schema:
        if not isinstance(reference, str):
            raise UnusableSchema("a reference in it is no text")
        if reference[1:2] not in {"", "/"}:
            return self._anchor(reference[1:])
        node: Any = self._root
        for step in steps_of(unquote(reference[1:])):
            try:
                node = node[int(step)] if isinstance(node, list) else node[step]
            except (LookupError, ValueError, TypeError):
                raise UnusableSchema("a reference in it leads nowhere") from None
        if not isinstance(node, Mapping | bool):
            raise UnusableSchema("a reference in it leads to what is no schema")
        return node

    def _anchor(self, name: str) -> Schema:
        if self._anchors is None:
            self._anchors = dict(_anchors(self._root))
        if name not in self._anchors:
            raise UnusableSchema("a reference in it leads nowhere")
        return self._anchors[name]


def _leads_within(part: Mapping[str, Any]) -> bool:
    reference = part.get("$ref")
    return isinstance(reference, str) and reference.startswith("#")


def _anchors(node: object) -> Iterator[tuple[str, Schema]]:
    if isinstance(node, Mapping):
        for name in ("$anchor", "$dynamicAnchor"):
            if isinstance(node.get(name), str):
                yield node[name], node
        if isinstance(node.get("$id"), str) and node["$id"].startswith("#"):
            yield node["$id"][1:], node
    for value in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _anchors(value)


def _choices(schema: Mapping[str, Any]) -> Iterator[SchemaAlternatives]:
    if "anyOf" in schema:
        yield SchemaAlternatives(branches=tuple(schema["anyOf"]), rule=None)
    if "oneOf" in schema:
        yield SchemaAlternatives(branches=tuple(schema["oneOf"]), rule={"oneOf": schema["oneOf"]})
    if "if" in schema and ("then" in schema or "else" in schema):
        condition = schema["if"]
        kept = {"allOf": [condition, schema.get("then", True)]}
        yield SchemaAlternatives(branches=(kept, {"allOf": [{"not": condition}, schema.get("else", True)]}), rule=None)


def _prefix(part: Mapping[str, Any]) -> Sequence[Schema]:
    items = part.get("prefixItems", part.get("items"))
    return items if isinstance(items, list) else ()


def _item_schemas(part: Mapping[str, Any], place: int) -> Iterator[Schema]:
    prefix = _prefix(part)
    if place < len(prefix):
        yield prefix[place]
        return
    rest = part.get("additionalItems") if isinstance(part.get("items"), list) else part.get("items")
    if rest is not None:
        yield rest
