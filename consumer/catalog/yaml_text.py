"""YAML as people write it: read into its nodes, which know their lines, and into plain values, within bounds."""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from consumer.errors import ConfigError

MOST_VALUES: Final = 1_000_000
"""Values of a document once its aliases are written out; a page of aliases of aliases has thousands of millions."""


_HINTS: Final = (
    ("'\\t'", "a tab is no indentation: write spaces"),
    ("alphabetic or numeric", 'a `*` or `&` by itself is written in quotes: "*"'),
    ("undefined alias", 'what begins with `*` is written in quotes: "*.example.com"'),
    ("unhashable key", "what begins with `{` is written in quotes; the catalog has no templates of its own"),
    ("mapping values are not allowed", "look at its indentation, and write a text with `: ` in quotes"),
    ("expected <block end>", "look at its indentation: it has to be that of its neighbours"),
    ("a single document", "`---` begins a second document: a catalog is one"),
    ("expected ',' or ']'", "a `[` or a quote before it is not closed"),
    ("expected ',' or '}'", "a `{` or a quote before it is not closed"),
    ("end of stream", "a quote or a bracket before it is not closed"),
)
"""What stands in the library's words, and what its writer most often has to change."""


def read_yaml(text: str, name: str) -> tuple[yaml.Node | None, Any]:
    """Return the document's node, None where there is none, and its value; `name` stands in the errors.

    Raises
    ------
    ConfigError
        With the line, and what is wrong there.

    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return None, {}
        if twice := [f"{name}:{line}: {key} is said twice" for line, key in _duplicate_keys(root)]:
            raise ConfigError("; ".join(twice))
        if _size(root) > MOST_VALUES:
            raise ConfigError(f"{name}: more than {MOST_VALUES:,} values once its aliases are written out")
        return root, _PlainValues("").construct_document(root)
    except yaml.YAMLError as error:
        raise ConfigError(_not_yaml(error, name)) from error
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply, or an alias stands within what it names") from None


def _not_yaml(error: yaml.YAMLError, name: str) -> str:
    """Say on which line it ends to be YAML and why, with what people most often meant by it."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem, context = getattr(error, "problem", None), getattr(error, "context", None)
    if mark is None or problem is None:
        return f"{name}: not YAML: {' '.join(str(error).split())}"
    hints = (hint for sign, hint in _HINTS if sign in problem)
    begun = getattr(error, "context_mark", None)
    since = f" (begun on line {begun.line + 1})" if begun is not None and begun.line != mark.line else ""
    why = ", ".join(part for part in (context, problem) if part)
    return f"{name}:{mark.line + 1}: not YAML: {why}{since}{next((f'; {hint}' for hint in hints), '')}"


class _PlainValues(yaml.SafeLoader):
    """Makes plain values, and says on which line one cannot be made."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 - as the library has it
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:  # the 30th of February, a number of more digits than Python reads
            shown = f"{node.value!s:.40}" if isinstance(node, yaml.ScalarNode) else "this"
            raise yaml.constructor.ConstructorError(
                None, None, f"{shown} is no value ({error}); for a text write it in quotes", node.start_mark
            ) from error


def _size(root: yaml.Node) -> int:
    """Return how many values there are with each alias written out; up to `MOST_VALUES` it is exact."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is None:
            known = sizes[id(node)] = 1 + sum(map(size, _below(node)))
        return known

    return size(root)


def _below(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _duplicate_keys(root: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield the line and name of duplicate keys, of which YAML would silently take the last."""
    seen: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue  # an alias
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        elif isinstance(node, yaml.MappingNode):
            said: set[str] = set()
            for key, below in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in said:
                        yield key.start_mark.line + 1, key.value
                    said.add(key.value)
                left.append(below)
