"""The book of events: what became of each, kept in the database, so that no event is applied a second time."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from consumer.model import AttemptId, OrgId
from consumer.model.billing_event import EventMark


class BillingBook(Protocol):
    """The marks of an organisation's account, whichever heal has made them."""

    async def known(self, org_id: OrgId, account: str, event_ids: Sequence[str]) -> Mapping[str, EventMark]:
        """Return the marks of some events."""
        ...

    async def note(self, org_id: OrgId, account: str, mark: EventMark) -> None:
        """Make the mark of an event durable; one that is done stays so."""
        ...

    async def of_attempt(self, org_id: OrgId, account: str, attempt_id: AttemptId) -> Sequence[EventMark]:
        """Return the marks that one attempt has made, in the order of their events."""
        ...


class NoBook:
    """The book of whoever only plans: nothing is known, and nothing is kept."""

    async def known(self, org_id: OrgId, account: str, event_ids: Sequence[str]) -> Mapping[str, EventMark]:  # noqa: ARG002
        """Return none."""
        return {}

    async def note(self, org_id: OrgId, account: str, mark: EventMark) -> None:
        """Raise: whoever only plans applies nothing."""
        raise NotImplementedError("an event is applied only where its mark can be kept")

    async def of_attempt(self, org_id: OrgId, account: str, attempt_id: AttemptId) -> Sequence[EventMark]:  # noqa: ARG002
        """Return none."""
        return ()
