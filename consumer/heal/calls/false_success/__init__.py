"""Detection of a 2xx that says itself that it failed: in its headers, its media type, its body, or a part of it. Pure.

`answer.py` asks all of them in their order, `asked.py` holds what the call asked for and what a sign is; `headers.py`
reads headers and the statuses of a part, `media.py` compares what was asked for with what came, `stream.py` reads
events, lines, frames and parts, `plain_text.py` texts, `markup.py` HTML (by the titles of `page_titles.py`) and XML,
`json_body.py` JSON: each object (`json_object.py`) by `envelope.py`, `lone_messages.py` and the tables of
`members.py`; `part_statuses.py` counts the failed parts; `sentences.py` knows what is said of a failure.
Invariant: what may be an honest answer, a resource that has failed but was asked for, is no sign.
"""

from consumer.heal.calls.false_success.answer import false_success
from consumer.heal.calls.false_success.asked import Asked, Sign

__all__ = ["Asked", "Sign", "false_success"]
