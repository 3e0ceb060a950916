"""Child process that repairs documents: what it does with one request.

It is isolated and holds nothing of ours, so that killing it ends a hostile schema or document without harm to us.
"""

import json
import sys
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    # In isolated mode the interpreter does not have our directory on its path.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, Repair
from consumer.workers.child import run
from schemas.names import Grade

EDITS_A_LINE: Final = 500


def answer(request: bytes) -> bytes:
    """Repair the document of a request; the answer's first line has all but the edits, and these follow."""
    repair = _repaired(json.loads(request))
    edits = [edit.as_json() for edit in repair.edits]
    lines = [edits[begin : begin + EDITS_A_LINE] for begin in range(0, len(edits), EDITS_A_LINE)]
    # ASCII-escaped throughout: a lone surrogate cannot be encoded in UTF-8.
    return "\n".join(json.dumps(line, allow_nan=False) for line in (repair.without_edits(), *lines)).encode()


def _repaired(asked: dict[str, Json]) -> Repair:
    most, guarded = Grade(str(asked["most"])), asked["guarded"]
    paths = tuple(str(path) for path in guarded) if isinstance(guarded, list) else ()
    if "text" in asked:
        return repair_text(str(asked["text"]), asked["schema"], most=most, guarded=paths)
    return repair_document(asked["document"], asked["schema"], most=most, guarded=paths)


if __name__ == "__main__":
    run(answer)
