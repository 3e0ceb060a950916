"""The child's side of a worker process: one request in, one answer out, each within a budget of CPU time.

The kernel's profiling timer counts the CPU time of the process, and its signal ends it, whatever the interpreter is
doing; a machine that is busy with other work ends nothing. Imports the standard library alone.
"""

import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO, Final, cast

READY: Final = b"ready\n"
LENGTH: Final = 8
"""Bytes of the length before each request and answer."""
ANSWERED, TOO_DEEP, OUT_OF_MEMORY, CRASHED = b"a", b"d", b"m", b"c"
"""The first byte of an answer."""
_NICE: Final = 5
"""The service's event loop goes before its workers."""
_COLLECT_EVERY: Final = 500
_COLLECT_ABOVE: Final = 256 * 1024


def serve(answer: Callable[[bytes], bytes], requests: BinaryIO, answers: BinaryIO, budget: float) -> None:
    """Answer requests until the input ends, or memory runs out."""
    answers.write(READY)
    answers.flush()
    # Documents have no reference cycles: searching for some would take a quarter of the time.
    gc.collect()
    gc.freeze()
    gc.disable()
    count = 0
    while asked := _read(requests):
        signal.setitimer(signal.ITIMER_PROF, budget)
        out = _answered(answer, asked)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(len(out).to_bytes(LENGTH) + out)
        answers.flush()
        if out[:1] == OUT_OF_MEMORY:
            return
        count += 1
        if count % _COLLECT_EVERY == 0 or len(asked) > _COLLECT_ABOVE:
            del asked, out
            gc.collect()


def _answered(answer: Callable[[bytes], bytes], asked: bytes) -> bytes:
    try:
        return ANSWERED + answer(asked)
    except RecursionError:
        return TOO_DEEP
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - a bug of ours on one input is told, and ends nobody else's work
        return CRASHED + type(error).__name__.encode()


def _read(requests: BinaryIO) -> bytes:
    head = requests.read(LENGTH)
    return requests.read(int.from_bytes(head)) if len(head) == LENGTH else b""


def run(answer: Callable[[bytes], bytes]) -> None:
    """Serve standard input and output, with the limits of the command line: bytes of memory, seconds of CPU time."""
    memory, budget = int(sys.argv[1]), float(sys.argv[2])
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group: the parent decides
    serve(answer, cast("BinaryIO", sys.stdin.buffer), cast("BinaryIO", sys.stdout.buffer), budget)
