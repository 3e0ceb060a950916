"""Detects dead owners of claims: those whose lease was not renewed while this process watched. Pure.

No clock is compared with another one's. The database's may jump, a host's may be wrong, and both together must not make
a living owner look dead, or two processes would heal one failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from consumer.model import OwnerId

LOOKS_APART: Final = 2.0
"""Most seconds between two readings for an owner to count as watched. After a longer gap the watch begins anew: what
kept this process from reading, the database being away for example, may have kept the owner from renewing."""


@dataclass(slots=True)
class OwnerWatch:
    """The renewal count of each owner, and since when it has not changed, by this process's monotonic clock."""

    lease: timedelta
    _seen: dict[OwnerId, tuple[str, float]] = field(default_factory=dict)
    _last_answer: float | None = None
    _sent_at: float = 0.0

    def look(self, renewals: Mapping[OwnerId, str], sent: float, answered: float) -> None:
        """Record one reading of all owners; `sent` and `answered` are monotonic seconds."""
        is_watching = self._last_answer is not None and answered - self._last_answer <= LOOKS_APART
        before = self._seen if is_watching else {}
        # An owner is watched from the answer of the reading that first had its count to the sending of the last one.
        self._seen = {
            owner: known if (known := before.get(owner)) is not None and known[0] == said else (said, answered)
            for owner, said in renewals.items()
        }
        self._last_answer = answered
        self._sent_at = sent

    def dead(self) -> dict[OwnerId, str]:
        """Return the owners that did not renew for a whole lease, each with its last renewal count."""
        lease = self.lease.total_seconds()
        return {owner: said for owner, (said, since) in self._seen.items() if self._sent_at - since >= lease}
