"""Causes: what is not healed, as one case for each text of a reason, the most frequent first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consumer.api.healing import PAGE, HealingEndpoints
from consumer.api.shown_story import shown_line
from consumer.api.tokens import User
from consumer.diagnose.fingerprint import cause, masked
from consumer.model import FailureId, OrgId
from consumer.model.incident import Incident
from consumer.redact import redact_text
from consumer.store import reports
from consumer.store.feed import FeedFilter, FeedLine, feed_page
from consumer.store.incidents import list_incidents, reasons_of
from consumer.store.reports import PageEnd
from schemas.names import Status

UNHEALED: Final = tuple(one for one in Status if one is not Status.RESOLVED)
HEALED_AT_ONCE: Final = (Status.GIVEN_UP, Status.DEFERRED)
"""What a heal of all of one cause is of."""
LOOKED_AT: Final = 4
"""Pages of the feed that are grouped, the newest: a cause that matters is among them."""
NAMED: Final = 5
"""Workflows of a cause that are named."""
OPEN_INCIDENTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseCase:
    """Failures of one organisation whose reasons are the same but for what varies, the newest first."""

    org_id: OrgId
    fingerprint: str
    lines: Sequence[FeedLine]

    @property
    def newest(self) -> FeedLine:
        """Of those that can be healed at once; the newest of all where none can."""
        return next((one for one in self.lines if one.status in HEALED_AT_ONCE), self.lines[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCauses:
    """The cases of what was looked at."""

    cases: Sequence[CauseCase]
    looked_at: int
    is_part: bool
    """Whether there are older failures, which were not looked at."""
    incidents: Mapping[tuple[OrgId, str], Incident]
    """The open incidents of the user's organisations, by organisation and cause."""


def cases_of(lines: Sequence[FeedLine], fingerprints: Mapping[FailureId, str]) -> list[CauseCase]:
    """Group lines of the feed, newest first, by cause: the most frequent case first. Pure."""
    groups: dict[tuple[OrgId, str], list[FeedLine]] = {}
    for line in lines:
        if line.id in fingerprints:
            groups.setdefault((line.org_id, fingerprints[line.id]), []).append(line)
    cases = [
        CauseCase(org_id=org_id, fingerprint=fingerprint, lines=group)
        for (org_id, fingerprint), group in groups.items()
    ]
    return sorted(cases, key=lambda case: -len(case.lines))


async def causes_of(healing: HealingEndpoints, user: User, org_id: OrgId | None) -> FoundCauses:
    """Return the cases of the user's newest failures that are not healed."""
    lines: list[FeedLine] = []
    after: PageEnd | None = None
    async with healing.as_user(user) as connection:
        own = await reports.own_organisations(connection, org_id)
        for _ in range(LOOKED_AT):
            await reports.become_user(connection)
            page, after = await feed_page(connection, FeedFilter(statuses=UNHEALED, org_id=org_id), after, PAGE)
            lines += page
            if after is None:
                break
        reasons = await reasons_of(connection, [line.id for line in lines])
        incidents = await list_incidents(connection, within=own, is_whole=False, limit=OPEN_INCIDENTS) if own else []
    ids = list(reasons)
    found = await healing.rendering.each(ids, lambda one: cause(masked(reasons[one])), lambda one: len(reasons[one]))
    return FoundCauses(
        cases=cases_of(lines, dict(zip(ids, found, strict=True))),
        looked_at=len(lines),
        is_part=after is not None,
        incidents={(one.org_id, one.fingerprint): one for one in incidents},
    )


def shown_cause(case: CauseCase, incident: Incident | None) -> dict[str, object]:
    """Render a case."""
    workflows = list(dict.fromkeys(redact_text(line.workflow_name) for line in case.lines))
    statuses = [line.status for line in case.lines]
    newest = shown_line(case.newest)
    return {
        "orgId": str(case.org_id),
        "fingerprint": case.fingerprint,
        "failures": len(case.lines),
        "byStatus": {status: statuses.count(status) for status in UNHEALED if status in statuses},
        "newestId": newest["id"],
        "failureReason": newest["failureReason"],
        "failureType": newest["failureType"],
        "firstAt": case.lines[-1].detected_at,
        "lastAt": case.lines[0].detected_at,
        "workflows": workflows[:NAMED],
        "moreWorkflows": len(workflows[NAMED:]),
        "incidentId": str(incident.id) if incident is not None else None,
    }
