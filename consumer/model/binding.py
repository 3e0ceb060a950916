"""Binding of a dependency to what stands in for it, for one organisation."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeAlias
from uuid import UUID

from consumer.model.digest import digest
from consumer.model.identity import JsonObject, OrgId, Scope
from schemas.dependency_binding import BindingState
from schemas.value import value

REPLACED: Final = frozenset({BindingState.CANARY, BindingState.WHOLE})
"""States in which nothing but a probe is sent to the first."""


@value(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where the calls of one organisation to one dependency go. In `first` it remembers, and binds nothing."""

    org_id: OrgId
    dependency: str
    workflow_name: str
    """The workflow under whose entry the first is probed: that of the failure which bound it last."""
    state: BindingState
    candidate: str | None
    changed_at: datetime
    lease_until: datetime
    """Until when it holds unless a probe renews it."""
    ejected_until: datetime
    """Before this nothing goes back to the first."""
    ejections: int = 0
    """How often in a row the first was replaced: each makes the next one longer."""
    answered: int = 0
    """Calls in a row that the candidate on trial has answered well."""
    failed: int = 0
    """Calls in a row in which the candidate has failed its contract."""
    well_since: datetime | None = None
    """Since when every probe has found the first well; in `first`: when it was last seen to be."""
    idle_until: datetime | None = None
    """In `first`: before this it is not asked again whether to replace it, because it was well or nothing could."""
    shunned: Mapping[str, datetime] = field(default_factory=dict)
    """Candidates that failed their contract, and until when they are left out."""
    version: int = 1
    reason: str = ""
    evidence: tuple[JsonObject, ...] = ()
    """What proved the first ill."""

    def holds(self, now: datetime) -> bool:
        """Return whether something stands in for the first."""
        return self.state is not BindingState.FIRST and now < self.lease_until

    def replaces(self, now: datetime) -> bool:
        """Return whether nothing but a probe may be sent to the first."""
        return self.state in REPLACED and now < self.lease_until


BindingKey: TypeAlias = tuple[UUID, str]
Bindings: TypeAlias = Mapping[BindingKey, Binding]
"""By organisation and dependency."""
NO_BINDINGS: Final[Bindings] = MappingProxyType({})


def binding_scope(org_id: UUID, dependency: str) -> Scope:
    """Return the scope of whoever finds out whether a dependency is ill, and of a candidate's trial: one at a time."""
    return Scope(f"{org_id}:dependency:{dependency}")


def drawn_share(binding: Binding, drawn_by: UUID) -> float:
    """Return a number in [0, 1) that is the same for one failure as long as the binding's ejection lasts."""
    return int(digest([str(drawn_by), binding.dependency, binding.ejections])[-8:], 16) / 2**32
