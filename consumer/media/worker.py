"""Child process that validates media: what it does with one request.

It is isolated and holds nothing of ours, so that killing it ends a hostile file without harm to us. A request is the
length of its expectation, the expectation in JSON, and the file; an answer is a verdict in JSON.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    # In isolated mode the interpreter does not have our directory on its path.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    # Threads would each reserve address space, and share one budget of CPU time in any case.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"), "1"))

import av

from consumer.media.validation import validate
from consumer.media.verdict import MediaExpectation
from consumer.workers.child import run

LENGTH: Final = 4
"""Bytes of the length before the expectation."""


def answer(request: bytes) -> bytes:
    """Validate the file of a request."""
    begin = LENGTH + int.from_bytes(request[:LENGTH])
    expected = MediaExpectation.from_json(json.loads(request[LENGTH:begin]))
    return json.dumps(validate(request[begin:], expected).as_json(), allow_nan=False).encode()


if __name__ == "__main__":
    av.logging.set_level(None)
    # What a library prints would stand among the answers.
    sys.stdout = open(os.dup(1), "w")  # noqa: PTH123, SIM115 - a descriptor, for as long as the process lives
    os.dup2(2, 1)
    # A decoder that is taken over by a file writes none, and opens few.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    run(answer)
