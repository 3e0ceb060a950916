"""A stream of failures of every kind, and how each of them may end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from tests.support.pipeline import NEVER_LEFT, call, event
from tests.support.worlds.http_world import Reply, World, json_reply

OK: Final = json_reply({"done": True})
CLIENT_WAITS: Final = 0.4
"""Seconds that a call may take."""
SLOW: Final = json_reply({"done": True}, after=0.25)
"""Slow enough to be caught under way."""
LATE: Final = json_reply({"done": True}, after=0.8)
"""Slower than the client's patience: it acts, and nobody hears of it."""
EARLY: Final = json_reply({"error": "too early"}, 425)
"""It did nothing, and is not ill."""
CATALOG: Final = {
    "attempts": "20",
    "backoff": "PT0.05S",
    "auto_retry": f"{{tries: 2, timeout: PT{CLIENT_WAITS}S, base: PT0.01S}}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way in which a call may go."""

    method: str = "POST"
    keyed: bool = False
    replies: tuple[Reply, ...] = (SLOW,)
    twins: bool = False
    """Two failures of one call: they share a scope."""
    ends: frozenset[str] = frozenset({"resolved"})


UNSAFE_ENDS: Final = frozenset({"resolved", "needs_person"})
KINDS: Final[Mapping[str, Kind]] = {
    "get": Kind(method="GET"),
    "keyed": Kind(keyed=True),
    "unsafe": Kind(ends=UNSAFE_ENDS),
    "late-keyed": Kind(keyed=True, replies=(LATE, OK)),
    # All tries of the first attempt in vain: it is due again, whatever the others do.
    "early-keyed": Kind(keyed=True, replies=(EARLY, EARLY, OK)),
    "late-unsafe": Kind(replies=(LATE,), ends=frozenset({"needs_person"})),
    "twin-keyed": Kind(keyed=True, twins=True),
    # While a person has to decide on the one, the other waits for its scope.
    "twin-unsafe": Kind(twins=True, ends=UNSAFE_ENDS | {"pending"}),
}


REFUSED: Final = Kind(ends=frozenset({"given_up"}))
"""No strategy is installed for it."""


def kind_of(name: str) -> Kind:
    return KINDS.get(name.partition("/")[0], REFUSED)


def failures_of(world: World, org: UUID, n: int) -> dict[str, dict[str, Any]]:
    """Give one failure of each kind (of twins two), by name, and script the world for them."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind in KINDS.items():
        path = f"/{name}/{n}"
        world.on(path, *kind.replies)
        more = {"idempotency_key": f"key-{path}"} if kind.keyed else {}
        context = call(world.url(path), kind.method, error=NEVER_LEFT, **more)
        for which in ("a", "b") if kind.twins else ("a",):
            called = f"{name}/{n}/{which}"
            found[called] = event(org, called, workflow_name=called, context=context)
    return found
