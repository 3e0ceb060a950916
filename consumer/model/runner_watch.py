"""Values of a watched runner: how far its list of failed runs was read, and what of it is told."""

import hashlib
from datetime import datetime

from consumer.model.identity import FailureId, OrgId
from consumer.model.message import Message
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Lead:
    """What a replica knows of the lead of a runner's watch."""

    epoch: int | None
    """Its fence, where this replica has the lead; None: another one has."""
    behind: float
    """Seconds since the last round of looks that was complete, whoever made it."""


@value(frozen=True, slots=True, kw_only=True)
class WatchPlace:
    """One watched workflow, with the fence of whoever has the lead."""

    runner: str
    owner: str
    epoch: int
    org_id: OrgId
    workflow_name: str


@value(frozen=True, slots=True, kw_only=True)
class WatchCursor:
    """How far the failed runs of a workflow were read."""

    since: datetime
    """All that ended before it was read; a look begins a little earlier, for what is listed late."""
    newest: datetime | None = None
    """The latest end that this look has seen so far: the next look's `since`."""
    page: str | None = None
    """Where this look goes on, in the engine's words; None: it has not begun."""


@value(frozen=True, slots=True, kw_only=True)
class SeenRun:
    """A run that was looked at once: told, or known to need no telling; it is not looked at again."""

    seen: bytes
    """Digest of the run and its end."""
    run: bytes
    """Digest of the run and its step, whatever its end."""
    failure_id: FailureId | None = None
    message: Message | None = None
    """What tells it; None: nothing does."""
    earlier: tuple[bytes, ...] = ()
    """Run keys of the earlier tries of its step: a failure of one of them, whoever told it, may not be healed yet."""


def watch_digest(*parts: str) -> bytes:
    """Return the SHA-256 of texts that do not run together."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()
