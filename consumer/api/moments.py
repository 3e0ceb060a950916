"""The moments of what is watched: each with an id, and with what has changed since the one before. Pure."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from consumer.model import FailureId
from consumer.store.feed import COUNTED
from consumer.store.live import SeenFailure, SeenState
from schemas.names import Status, StreamEvent

KEPT: Final = 64
"""Moments that are kept of a topic: a minute of one that moves each second."""
_TOLD: Final = 50
"""Failures that one event names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMoment:
    """What was seen at once; `moved` and `snapshot` are its two events, as they go over the wire."""

    id: str
    moved: bytes
    snapshot: bytes


@dataclass(slots=True, kw_only=True)
class Moments:
    """The last moments of one topic, the newest last."""

    _kept: deque[LiveMoment] = field(default_factory=lambda: deque(maxlen=KEPT))
    _seen: Mapping[FailureId, SeenFailure] = field(default_factory=dict)

    def add(self, states: Iterable[SeenState]) -> bool:
        """Add what is seen now of all that the topic is about; return whether anything differs from before."""
        counts: dict[Status, int] = {}
        failures: dict[FailureId, SeenFailure] = {}
        for state in states:
            failures.update(state.failures)
            for status, count in state.counts.items():
                counts[status] = counts.get(status, 0) + count
        moment_id = _digest(counts, failures)
        if self._kept and self._kept[-1].id == moment_id:
            return False
        changed = [one for one, seen in failures.items() if self._seen.get(one) != seen] if self._kept else []
        lines = [
            {"id": str(one), "status": failures[one].status, "healing": failures[one].healing}
            for one in changed[:_TOLD]
        ]
        told = {
            "counts": _shown_counts(counts) if counts else None,
            "changed": lines,
            "moreChanged": len(changed) > _TOLD,
        }
        self._kept.append(
            LiveMoment(
                id=moment_id,
                moved=_event(StreamEvent.MOVED, moment_id, told),
                snapshot=_event(StreamEvent.SNAPSHOT, moment_id, told | {"changed": [], "moreChanged": False}),
            )
        )
        self._seen = failures
        return True

    def since(self, last: str | None) -> tuple[str | None, list[bytes]]:
        """Return the newest moment's id, and the events that somebody has to be told who knows of moment `last`.

        Who knows of none, or of one that is kept no more, gets one `snapshot`: read anew.
        """
        if not self._kept:
            return last, []
        newest = self._kept[-1]
        if newest.id == last:
            return last, []
        later: list[bytes] = []
        for moment in reversed(self._kept):
            if moment.id == last:
                return newest.id, later[::-1]
            later.append(moment.moved)
        return newest.id, [newest.snapshot]


def _digest(counts: Mapping[Status, int], failures: Mapping[FailureId, SeenFailure]) -> str:
    lines = sorted(f"{one} {seen.status} {seen.step} {seen.healing} {seen.more}" for one, seen in failures.items())
    return sha256(
        "\n".join([*(f"{status} {count}" for status, count in sorted(counts.items())), *lines]).encode()
    ).hexdigest()[:16]


def _shown_counts(counts: Mapping[Status, int]) -> dict[str, object]:
    return {
        "byStatus": {status: min(count, COUNTED) for status, count in counts.items()},
        "more": [status for status, count in counts.items() if count > COUNTED],
        "most": COUNTED,
    }


def _event(kind: StreamEvent, moment_id: str, told: Mapping[str, object]) -> bytes:
    data = json.dumps(told, separators=(",", ":"))
    return f"event: {kind}\nid: {moment_id}\ndata: {data}\n\n".encode()
