"""What records of other forms become: the failure that the service would take in."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from consumer.catalog.topics import DeclaredTopic
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.foreign.translate import as_event, as_recorded
from consumer.model import Failure, Record


def translated(original: Record, topics: Mapping[str, DeclaredTopic], rules: AdmissionRules) -> Failure:
    """The failure that a record tells of, which has to be one."""
    event = as_event(original, topics, rules.max_event_bytes)
    assert event is not None
    assert event.fault is None, event.fault
    decoded = decode(event, rules, datetime.now(UTC))
    assert isinstance(decoded, Failure), decoded
    return as_recorded(decoded, original)


def part(failure: Failure, name: str) -> dict[str, Any]:
    """An object of a failure's context."""
    found = failure.context[name]
    assert isinstance(found, dict)
    return found
