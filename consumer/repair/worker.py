"""The child in which documents are repaired: a line with a question in, a line with the answer out.

It is isolated and holds nothing of ours, so that a hostile schema or document can be ended with it.
"""

import gc
import json
import resource
import sys
from pathlib import Path
from typing import BinaryIO, Final, cast

if __name__ == "__main__":
    # Isolated, the interpreter does not know where we are.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RefusalCause, Repair, refused
from schemas.names import Grade

READY: Final = b"ready\n"
_COLLECT: Final = 500
_LARGE: Final = 256 * 1024


def answer(line: bytes) -> Repair:
    """Repair what a line asks for."""
    asked: dict[str, Json] = json.loads(line)
    most, guarded = Grade(str(asked["most"])), asked["guarded"]
    paths = tuple(str(path) for path in guarded) if isinstance(guarded, list) else ()
    if "text" in asked:
        return repair_text(str(asked["text"]), asked["schema"], most=most, guarded=paths)
    return repair_document(asked["document"], asked["schema"], most=most, guarded=paths)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer lines until there are no more, or no memory."""
    answers.write(READY)
    answers.flush()
    # Documents have no cycles: looking for some would take a quarter of the time.
    gc.freeze()
    gc.disable()
    for count, line in enumerate(questions, 1):
        try:
            out = written(answer(line))
        except RecursionError:
            out = written(refused(RefusalCause.TOO_DEEP, "the document or its schema is nested too deeply"))
        except MemoryError:
            answers.write(written(refused(RefusalCause.TOO_LARGE, "takes more memory than a repair may have")))
            return
        answers.write(out)
        answers.flush()
        if count % _COLLECT == 0 or len(line) > _LARGE:
            gc.collect()


def written(repair: Repair) -> bytes:
    """Write an answer as a line."""
    # Escaped throughout: half a surrogate pair is no UTF-8.
    return json.dumps(repair.as_json(), allow_nan=False).encode() + b"\n"


def main() -> None:
    """Serve with no more memory than the first argument says."""
    most = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    serve(cast("BinaryIO", sys.stdin.buffer), cast("BinaryIO", sys.stdout.buffer))


if __name__ == "__main__":
    main()
