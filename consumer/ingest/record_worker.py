"""Child process that splits, decodes and redacts one record or row at a time; `big_records.py` is the parent's side."""

import io
import pickle
import sys
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

if __name__ == "__main__":
    # In isolated mode the interpreter does not have our directory on its path.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from consumer.diagnose.diagnosis import diagnose
from consumer.ingest.decode import AdmissionRules, decode, redact_stored
from consumer.ingest.event_batches import events_in
from consumer.ingest.foreign.translate import DeclaredTopics
from consumer.model import DeadLetter, Failure
from consumer.redact.pointers import DeclaredPlaces
from consumer.workers.child import run


@dataclass(slots=True)
class _Anybody:
    """Stands for the catalog, which the parent asks: remembers the source as it came."""

    declared_places: DeclaredPlaces = ()
    source: str = ""
    topics: DeclaredTopics = field(default_factory=dict)
    """None: the parent has translated the record."""

    def may_speak(self, source: str, org_id: UUID) -> bool:  # noqa: ARG002 - the catalog's
        self.source = source
        return True

    def runner_of(self, workflow_name: str) -> str | None:  # noqa: ARG002 - the catalog's
        return None


def answer(request: bytes) -> bytes:
    """Answer the parent's request: a row to be redacted, a batch to be split, or a record to be decoded."""
    asked = pickle.loads(request)  # noqa: S301 - from our own parent
    if isinstance(asked, bytes):
        return _dumped(events_in(asked))
    if isinstance(asked[0], Failure):
        return _dumped(redact_stored(*asked))
    record, max_event_bytes, now, declared = asked
    anybody = _Anybody(declared)
    decoded = decode(record, AdmissionRules(catalog=anybody, max_event_bytes=max_event_bytes), now)
    if isinstance(decoded, DeadLetter):
        return _dumped((decoded.reason, decoded.message))
    return _dumped((decoded, anybody.source, diagnose(decoded.failure_reason, decoded.context)))


def _dumped(value: object) -> bytes:
    """Write without a memo, which costs the reader as much as the values: nothing here holds itself."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out)
    pickler.fast = True
    pickler.dump(value)
    return out.getvalue()


if __name__ == "__main__":
    run(answer)
