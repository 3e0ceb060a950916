"""The wait that an answer asks for: by its headers, else by its body, which the diagnosis's own reader reads. Pure."""

from datetime import datetime, timedelta
from typing import Final

from consumer.diagnose.retry_hint import told_to_wait
from consumer.heal.calls.body import content_of
from consumer.model.call import Answer, requested_wait
from consumer.model.http_status import passing
from consumer.model.retry_after import bounded_seconds

_MAX_READ: Final = 12_000


def asked_wait(answer: Answer, now: datetime) -> timedelta | None:
    """Return the wait, counted from now; None where the answer asks for none, or is not one that may pass."""
    wait = requested_wait(answer, now)
    if wait is not None or passing(answer.status, answer.named_headers) is None:
        return wait
    content = content_of(answer)
    if content.kind not in ("json", "text") or content.looks_like_a_page:
        return None
    text = answer.body[:_MAX_READ].decode("utf-8", "replace")
    told = told_to_wait(text, {"error": {"body": content.value}} if content.kind == "json" else {})
    return bounded_seconds((told - now).total_seconds()) if isinstance(told, datetime) else told
