"""Literals: where code, hosts, ids, instructions or amounts stand, a new literal is a declared one."""

from collections.abc import Sequence
from typing import Final

from consumer.workflows.catalogue import Place
from consumer.workflows.checks.change import DefinitionChange, DefinitionLeaf
from consumer.workflows.references import literal_pieces
from schemas.json_value import same

Found = Sequence[tuple[str, str]]
_FREE: Final = frozenset({Place.DATA})


def literals(change: DefinitionChange) -> Found:
    """The catalogue lists it, or it stood in this parameter of this action before."""
    found = []
    for leaf in change.new_leaves:
        spec = change.parameter(leaf)
        if leaf.is_name or spec.place in _FREE or not _has_literal(leaf):
            continue
        if not change.was_known(leaf) and not any(same(leaf.found, each) for each in spec.values):
            found.append((leaf.where, f"a new literal where {spec.place} stands"))
    if change.after.on_failure not in {change.before.on_failure, None} and not _is_declared_workflow(change):
        found.append(("/onFailure", "the catalogue declares no such workflow"))
    return found


def _has_literal(leaf: DefinitionLeaf) -> bool:
    return bool(literal_pieces(leaf.found)) if isinstance(leaf.found, str) else not isinstance(leaf.found, bool)


def _is_declared_workflow(change: DefinitionChange) -> bool:
    return (change.after.on_failure or "") in change.limits.actions
