"""References of a schema within itself, each written as a pointer from its root: `$id`, `$anchor`, `$dynamicRef`. Pure.

What refers to another document is refused with its name: nothing is ever fetched.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from consumer.repair.keywords import SPECIFICATIONS
from consumer.repair.validator import UnusableSchema
from schemas.json_value import pointer, steps_of

_MAX_DEPTH: Final = 120
_OLD_DRAFTS: Final = ("draft-03", "draft-04", "draft-06", "draft-07")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
NO_SCHEMAS: Final = frozenset({"const", "enum", "default", "examples", "example"})
"""Keywords whose values are documents."""
NAMED_SCHEMAS: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
"""Keywords whose values are schemas by name."""
_SUBSCHEMAS: Final = NAMED_SCHEMAS | {
    "allOf", "anyOf", "oneOf", "prefixItems", "items", "additionalItems", "additionalProperties", "contains",
    "contentSchema", "if", "then", "else", "not", "propertyNames", "unevaluatedItems", "unevaluatedProperties",
}  # fmt: skip


def _needs_writing(schema: object) -> bool:
    """Return whether a schema has an id, or a reference other than a pointer from its root."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, Mapping):
            found = node.get("$ref")
            if isinstance(found, str) and found != "#" and not found.startswith("#/"):
                return True
            if any(isinstance(node.get(name), str) for name in ("$id", "id", "$dynamicRef", "$recursiveRef")):
                return True
            waiting += node.values()
    return False


def with_local_references(schema: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a schema whose references are pointers from its root; raises UnusableSchema where one leads outside."""
    return _Resources(schema).rewritten() if _needs_writing(schema) else schema


class _Resources:
    """The resources of one schema document, by their addresses, and where in it each of their parts stands."""

    def __init__(self, root: Any) -> None:  # noqa: ANN401 - JSON is anything
        self._root = root
        named = root.get("$schema") if isinstance(root, Mapping) else None
        self._id = "id" if isinstance(named, str) and ("draft-03" in named or "draft-04" in named) else "$id"
        self._ignores_siblings = isinstance(named, str) and any(draft in named for draft in _OLD_DRAFTS)
        self._places: dict[str, tuple[str, ...]] = {"": ()}
        """Where each resource stands."""
        self._anchors: dict[tuple[str, str], tuple[str, ...]] = {}
        self._dynamic: dict[str, dict[str, tuple[str, ...]]] = {}
        """By the name of a dynamic anchor: the resources that have it, each with its place."""
        self._recursive: list[str] = []
        self._is_fixed = True
        """Whether each dynamic reference can lead to one place only, so that all can be written as pointers."""
        self._index(root, "", (), is_schema=True)

    def _index(self, node: Any, base: str, path: tuple[str, ...], *, is_schema: bool) -> None:  # noqa: ANN401
        if len(path) > 2 * _MAX_DEPTH:
            raise UnusableSchema("nested too deeply")
        if isinstance(node, list):
            for at, item in enumerate(node):
                self._index(item, base, (*path, str(at)), is_schema=is_schema)
        if not isinstance(node, Mapping):
            return
        if is_schema:
            base = self._base(node, base)
            self._name(node, base, path)
        for name, value in node.items():
            if name in NO_SCHEMAS and is_schema:
                continue
            below = is_schema and name in _SUBSCHEMAS
            if below and name in NAMED_SCHEMAS and isinstance(value, Mapping):
                for key, inner in value.items():
                    self._index(inner, base, (*path, name, key), is_schema=True)
            else:
                self._index(value, base, (*path, name), is_schema=below)

    def _base(self, node: Mapping[str, Any], base: str) -> str:
        named = node.get(self._id)
        if not isinstance(named, str) or (self._ignores_siblings and "$ref" in node):
            return base
        address = named.partition("#")[0]
        return _joined(base, address) if address else base

    def _name(self, node: Mapping[str, Any], base: str, path: tuple[str, ...]) -> None:
        own = node.get(self._id)
        if isinstance(own, str) and not (self._ignores_siblings and "$ref" in node):
            address, _, fragment = own.partition("#")
            if address:
                self._places.setdefault(base, path)
            elif fragment:  # before 2019-09 an id that is a fragment is an anchor
                self._anchors.setdefault((base, fragment), path)
        for word in ("$anchor", "$dynamicAnchor"):
            if isinstance(node.get(word), str):
                self._anchors.setdefault((base, node[word]), path)
        if isinstance(node.get("$dynamicAnchor"), str):
            self._dynamic.setdefault(node["$dynamicAnchor"], {}).setdefault(base, path)
        if node.get("$recursiveAnchor") is True:
            self._recursive.append(base)

    # ---- writing references as pointers

    def rewritten(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Return the schema with pointers for references; the schema itself where a reference depends on the caller."""
        base = self._base(self._root, "") if isinstance(self._root, Mapping) else ""
        self._places.setdefault(base, ())
        written = self._written(self._root, "", is_schema=True)
        return written if self._is_fixed else self._root

    def _written(self, node: Any, base: str, *, is_schema: bool) -> Any:  # noqa: ANN401 - JSON is anything
        if isinstance(node, list):
            return [self._written(item, base, is_schema=is_schema) for item in node]
        if not isinstance(node, Mapping):
            return node
        if is_schema:
            base = self._base(node, base)
        made, extra = self._written_references(node, base)
        for name, value in node.items():
            if name in _REFERENCES and isinstance(value, str):
                continue
            if is_schema and name in {self._id, "$anchor", "$dynamicAnchor", "$recursiveAnchor"}:
                continue
            if name in NO_SCHEMAS and is_schema:
                made[name] = value
            elif is_schema and name in NAMED_SCHEMAS and isinstance(value, Mapping):
                made[name] = {key: self._written(inner, base, is_schema=True) for key, inner in value.items()}
            else:
                made[name] = self._written(value, base, is_schema=is_schema and name in _SUBSCHEMAS)
        if extra:
            made["allOf"] = [*made.get("allOf", ()), *extra]
        return made

    def _written_references(self, node: Mapping[str, Any], base: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """Return the references of one schema as pointers: the first as its `$ref`, and others to be put beside it."""
        found = [name for name in _REFERENCES if isinstance(node.get(name), str)]
        targets = [{"$ref": self._target(name, node[name], base)} for name in found]
        return (dict(targets[0]), targets[1:]) if targets else ({}, [])

    def _target(self, word: str, reference: str, base: str) -> str:
        address, _, fragment = reference.partition("#")
        where = _joined(base, address) if address else base
        if where not in self._places:
            if where.rstrip("#") in SPECIFICATIONS:
                return reference
            raise UnusableSchema(f"refers to {reference[:120]}, outside itself: nothing is fetched")
        if word == "$recursiveRef":
            return self._of_recursive(where)
        place = self._place(where, unquote(fragment))
        if word == "$dynamicRef" and fragment in self._dynamic and self._dynamic[fragment].get(where) == place:
            place = self._of_dynamic(fragment, place)
        return "#" + pointer(place).replace("%", "%25")

    def _place(self, where: str, fragment: str) -> tuple[str, ...]:
        if not fragment:
            return self._places[where]
        if fragment.startswith("/"):
            return (*self._places[where], *steps_of(fragment))
        if (where, fragment) not in self._anchors:
            raise UnusableSchema("a reference in it leads nowhere")
        return self._anchors[where, fragment]

    def _of_dynamic(self, name: str, place: tuple[str, ...]) -> tuple[str, ...]:
        """Return where a dynamic reference leads: the outermost resource wins, and the root is the outermost of all."""
        holders = self._dynamic[name]
        root = self._base(self._root, "")
        if root in holders:
            return holders[root]
        self._is_fixed = self._is_fixed and len(holders) == 1
        return place

    def _of_recursive(self, where: str) -> str:
        root = self._base(self._root, "")
        if where in self._recursive:
            if root in self._recursive:
                where = root
            elif len(set(self._recursive)) > 1:
                self._is_fixed = False
        return "#" + pointer(self._places[where]).replace("%", "%25")


def _joined(base: str, address: str) -> str:
    return address if urlsplit(address).scheme or not base else urljoin(base, address)
