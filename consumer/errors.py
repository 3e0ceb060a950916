"""Exception hierarchy of the service, divided by what the caller does next.

::

    ShwError
    ├── RefusedByDatabase   bisect the batch; a row that is refused alone becomes a dead letter
    ├── TransientError      retry; nothing was decided
    │   ├── LostClaim       another process owns the claim now; stop without a further effect or write
    │   ├── RevokedClaim    a person has decided; start no effect, and write what was learnt
    │   ├── HealingPaused   a pause reaches the heal; start no effect, and wait for its end
    │   ├── DeadlinePassed  the claim's effect deadline has passed; start no effect
    │   ├── NoWorkerFree    every worker process is taken; come again later
    │   ├── NoWorkerStarts  this machine starts no worker process; back off
    │   └── OutOfResources  a fault of this process or its host; nothing was sent, and nobody else is to blame
    └── ConfigError         do not start; the message says what to change
        └── NoAnswer        a server that the configuration names is away, or its address is wrong

Beside it stands `WouldAct`, which ends a rehearsal where an effect would begin.
"""

import errno
from enum import StrEnum
from typing import Final


class ShwError(Exception):
    """Base class: never raised itself, caught by the command line."""


class RefusedByDatabase(ShwError):
    """PostgreSQL rejects something in this batch, and will reject it however often it is sent."""


class TransientError(ShwError):
    """A remote system did not answer as it should; the same call may succeed later."""


class LostClaim(TransientError):
    """The claim no longer belongs to this process (fenced off): its heal must have no further effect."""


class RevokedClaim(TransientError):
    """A person decided while the heal was under way: no further effect may start, and its outcome is still settled."""


class HealingPaused(TransientError):
    """A pause reaches this heal: no effect starts before its end; `gate` is what the failure waits for."""

    def __init__(self, words: str, gate: str) -> None:
        super().__init__(words)
        self.gate = gate


class WouldAct(Exception):
    """A rehearsal of a heal came to its effect, which is not made; `refused` says why it could not be made either."""

    def __init__(self, refused: str | None = None) -> None:
        super().__init__("a rehearsal makes no effect")
        self.refused = refused


class DeadlinePassed(TransientError):
    """The effect deadline of the claim has passed: this process may start no further effect on the scope."""


class NoWorkerFree(TransientError):
    """Every worker process is taken by others' work: nothing is wrong with this one, it comes again later."""


class NoWorkerStarts(TransientError):
    """No worker process can be started: a fault of this machine (memory, processes, files), of nobody's input."""


class OwnFault(StrEnum):
    """A fault of this process or host that ended a heal: it counts against nobody, and the heal is put off."""

    OPEN_FILES = "open_files"  # no descriptor was left (EMFILE, ENFILE): raise `ulimit -Hn`, or lower the slots
    BUFFERS = "buffers"  # the kernel had no buffers left for a socket (ENOBUFS)
    MEMORY = "memory"  # no memory was left: raise the limit of the container
    PROCESSES = "processes"  # no process or thread could be started: raise the limit of processes


class OutOfResources(TransientError):
    """This process or its host lacks something (files, memory, processes); nothing was sent, and nothing decided."""

    def __init__(self, fault: OwnFault) -> None:
        super().__init__(f"this process is out of {fault.replace('_', ' ')}")
        self.fault = fault


_BY_ERRNO: Final = {
    errno.EMFILE: OwnFault.OPEN_FILES,
    errno.ENFILE: OwnFault.OPEN_FILES,
    errno.ENOBUFS: OwnFault.BUFFERS,
    errno.ENOMEM: OwnFault.MEMORY,
    errno.EAGAIN: OwnFault.PROCESSES,  # of fork alone: a socket that would block is waited for
}
_NO_THREAD: Final = "can't start new thread"
_MOST_CAUSES: Final = 16


def own_fault(error: BaseException) -> OwnFault | None:
    """Return the fault of our own behind an error, which a library may have wrapped; None where there is none."""
    waiting: list[BaseException | None] = [error]
    for _ in range(_MOST_CAUSES):
        match waiting.pop() if waiting else None:
            case OutOfResources(fault=fault):
                return fault
            case MemoryError():
                return OwnFault.MEMORY
            case OSError(errno=number) if number in _BY_ERRNO:
                return _BY_ERRNO[number]
            case RuntimeError() as raised if str(raised) == _NO_THREAD:
                return OwnFault.PROCESSES
            case BaseExceptionGroup(exceptions=inner):
                waiting += inner
            case BaseException() as raised:
                # The HTTP client raises its errors "from None": what caused one is left in its arguments alone.
                waiting += [one for one in raised.args if isinstance(one, BaseException)]
                waiting += [raised.__cause__ or (None if raised.__suppress_context__ else raised.__context__)]
            case None:
                if not waiting:
                    break
    return OwnFault.PROCESSES if isinstance(error, NoWorkerStarts) else None


class ConfigError(ShwError):
    """The configuration cannot work; the message says in one line what is wrong, where, and what to do."""


class NoAnswer(ConfigError):
    """A server that the configuration names does not answer before anything has begun: it may be up in a minute."""
