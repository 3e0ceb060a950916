"""Groups failures by the common part of their reasons. Pure, and bounded in memory even if every reason is new."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nlargest
from typing import Final

from consumer.diagnose.fingerprint import cause, masked
from consumer.model import JsonObject
from consumer.redact import redact_text

GROUPS: Final = 50_000
"""Maximum number of causes counted at once; beyond it the rarer half is dropped."""
NAMES: Final = 1_000_000
"""Maximum number of organisations and workflows counted as distinct, over all causes; beyond it those counts stop
rising."""


@dataclass(slots=True)
class _Group:
    first: datetime
    last: datetime
    count: int = 0
    organisations: set[int] = field(default_factory=set)
    workflows: set[int] = field(default_factory=set)
    failure_types: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCause:
    """Statistics of the failures with one masked reason."""

    fingerprint: str
    count: int
    organisations: int
    workflows: int
    failure_types: tuple[str, ...]
    first: datetime
    last: datetime
    mask: str

    def as_json(self) -> JsonObject:
        """Return it as the JSON line that a command prints."""
        return {
            "fingerprint": self.fingerprint,
            "count": self.count,
            "organisations": self.organisations,
            "workflows": self.workflows,
            "failure_types": list(self.failure_types),
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "reason": self.mask,
        }


class Causes:
    """Counter of failures by their masked reason."""

    def __init__(self, *, groups: int = GROUPS, names: int = NAMES) -> None:
        self._groups: dict[str, _Group] = {}
        self._max_groups = groups
        self._names_left = names
        self.total = 0
        self.dropped = 0
        """Failures of rare causes that were counted and then dropped."""

    def add(self, reason: str, *, org: object, workflow: str, failure_type: str | None, at: datetime) -> None:
        """Count one failure."""
        # Redact before masking, since a mask destroys a secret's shape; the `[redacted]` marker itself is masked as
        # well.
        mask = masked(redact_text(reason))
        group = self._groups.get(mask)
        if group is None:
            if len(self._groups) >= self._max_groups:
                self._drop_rare()
            group = self._groups[mask] = _Group(first=at, last=at)
        self.total += 1
        group.count += 1
        group.first, group.last = min(group.first, at), max(group.last, at)
        group.failure_types.add(failure_type or "")
        self._add_name(group.organisations, org)
        self._add_name(group.workflows, workflow)

    def most(self, number: int) -> Iterator[FailureCause]:
        """Yield the causes with the most failures, the most frequent first."""
        for mask, group in nlargest(number, self._groups.items(), key=lambda item: (item[1].count, item[1].last)):
            yield FailureCause(
                fingerprint=cause(mask),
                count=group.count,
                organisations=len(group.organisations),
                workflows=len(group.workflows),
                failure_types=tuple(sorted(group.failure_types - {""})),
                first=group.first,
                last=group.last,
                mask=mask,
            )

    def _add_name(self, known: set[int], name: object) -> None:
        if self._names_left > 0:
            before = len(known)
            known.add(hash(name))
            self._names_left -= len(known) - before

    def _drop_rare(self) -> None:
        kept = dict(nlargest(max(1, self._max_groups // 2), self._groups.items(), key=lambda item: item[1].count))
        for mask, group in self._groups.items():
            if mask not in kept:
                self.dropped += group.count
                self._names_left += len(group.organisations) + len(group.workflows)
        self._groups = kept
