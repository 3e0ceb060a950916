"""Child process that repairs documents: one request line in, one answer line out.

It is isolated and holds nothing of ours, so that killing it ends a hostile schema or document without harm to us.
"""

import gc
import json
import resource
import sys
from pathlib import Path
from typing import BinaryIO, Final, cast

if __name__ == "__main__":
    # In isolated mode the interpreter does not have our directory on its path.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RefusalCause, Repair, refused
from schemas.names import Grade

READY: Final = b"ready\n"
_GC_EVERY: Final = 500
_GC_ABOVE: Final = 256 * 1024


def answer(line: bytes) -> Repair:
    """Repair the document in a request line."""
    asked: dict[str, Json] = json.loads(line)
    most, guarded = Grade(str(asked["most"])), asked["guarded"]
    paths = tuple(str(path) for path in guarded) if isinstance(guarded, list) else ()
    if "text" in asked:
        return repair_text(str(asked["text"]), asked["schema"], most=most, guarded=paths)
    return repair_document(asked["document"], asked["schema"], most=most, guarded=paths)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends, or memory runs out."""
    answers.write(READY)
    answers.flush()
    # Documents have no reference cycles: searching for some would take a quarter of the time.
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
        if count % _GC_EVERY == 0 or len(line) > _GC_ABOVE:
            gc.collect()


def written(repair: Repair) -> bytes:
    """Serialise an answer as a line."""
    # ASCII-escaped throughout: a lone surrogate cannot be encoded in UTF-8.
    return json.dumps(repair.as_json(), allow_nan=False).encode() + b"\n"


def main() -> None:
    """Serve with the memory limit in bytes given by the first argument."""
    most = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    serve(cast("BinaryIO", sys.stdin.buffer), cast("BinaryIO", sys.stdout.buffer))


if __name__ == "__main__":
    main()
