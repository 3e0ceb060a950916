"""Builds the event of a dependency's binding. Pure."""

from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from consumer.model import Message
from consumer.model.binding import Binding
from consumer.redact import redact_text
from consumer.results.events import Outlet
from consumer.results.standalone import standalone_message
from schemas.dependency_binding import BindingState, DependencyBinding
from schemas.events import dependency_binding_event

_IDS: Final = uuid5(NAMESPACE_URL, "urn:shw:dependency-binding")


def binding_message(binding: Binding, share: float, now: datetime, *, outlet: Outlet) -> Message:
    """Build the event of a binding as it stands now: its id is the same however often it is published.

    Its record's key is that of the binding, so that a reader of the topic sees its changes in order.
    """
    told = DependencyBinding(
        org_id=binding.org_id,
        dependency=binding.dependency,
        version=binding.version,
        state=binding.state,
        candidate=binding.candidate,
        share=share,
        lease_until=None if binding.state is BindingState.FIRST else binding.lease_until,
        ejections=binding.ejections,
        reason=redact_text(binding.reason),
        evidence=[{name: redact_text(str(said)) for name, said in one.items()} for one in binding.evidence],
        changed_at=now,
    )
    event = dependency_binding_event(told)
    key = f"{binding.org_id}:{binding.dependency}"
    message_id = uuid5(_IDS, f"{event.id}:{binding.changed_at.isoformat()}:{binding.lease_until.isoformat()}")
    return standalone_message(event, outlet, message_id=message_id, key=key)
