"""The page of causes: what is open or given up, as one case for each text of a reason, the most frequent first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumer.api.healing import PAGE
from consumer.api.stories import FeedQuery
from consumer.api.tokens import User
from consumer.console.frame import PageFrame
from consumer.diagnose.fingerprint import cause, masked
from schemas.names import Status

CAUSES: Final = "/causes"
UNHEALED: Final = tuple(one for one in Status if one is not Status.RESOLVED)
HEALED_AT_ONCE: Final = (Status.GIVEN_UP, Status.DEFERRED)
"""Where the story of a failure offers to heal all of its cause."""
LOOKED_AT: Final = 4
"""Pages of the feed that are grouped, the newest: a cause that matters is among them."""
_NAMES: Final = 5
"""Workflows of a cause that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseCase:
    """Failures whose reasons are the same but for what varies."""

    newest: Mapping[str, Any]
    """Of those that can be healed at once; the newest of all where none can."""
    failures: int
    first_at: str | None
    last_at: str | None
    workflows: Sequence[str]
    more_workflows: int
    by_status: Mapping[str, int]


def cases_of(lines: Sequence[Mapping[str, Any]]) -> list[CauseCase]:
    """Group lines of the feed, newest first, by cause: the most frequent case first. Pure."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        groups.setdefault(cause(masked(line["failureReason"])), []).append(line)
    cases = []
    for group in groups.values():
        workflows = list(dict.fromkeys(one["workflowName"] for one in group))
        statuses = [one["status"] for one in group]
        cases.append(
            CauseCase(
                newest=next((one for one in group if one["status"] in HEALED_AT_ONCE), group[0]),
                failures=len(group),
                first_at=group[-1]["detectedAt"],
                last_at=group[0]["detectedAt"],
                workflows=workflows[:_NAMES],
                more_workflows=len(workflows[_NAMES:]),
                by_status={one: statuses.count(one) for one in UNHEALED if one in statuses},
            )
        )
    return sorted(cases, key=lambda case: -case.failures)


def cause_routes(frame: PageFrame) -> list[Route]:
    """Return the page of causes."""

    async def listing(request: Request, user: User) -> Response:
        lines: list[Mapping[str, Any]] = []
        cursor = None
        for _ in range(LOOKED_AT):
            page: Any = await frame.parts.stories.feed(
                user, FeedQuery.model_validate({"status": UNHEALED, "limit": PAGE, "cursor": cursor})
            )
            lines += page["failures"]
            cursor = page["next"]
            if cursor is None:
                break
        return frame.page(
            request, "causes.html", cases=cases_of(lines), looked_at=len(lines), is_part=cursor is not None
        )

    return [Route(CAUSES, frame.signed(listing))]
