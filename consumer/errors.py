"""Exception hierarchy of the service, divided by what the caller does next.

::

    ShwError
    ├── RefusedByDatabase   bisect the batch; a row that is refused alone becomes a dead letter
    ├── TransientError      retry; nothing was decided
    │   ├── LostClaim       another process owns the claim now; stop without a further effect or write
    │   ├── RevokedClaim    a person has decided; start no effect, and write what was learnt
    │   ├── DeadlinePassed  the claim's effect deadline has passed; start no effect
    │   ├── NoWorkerFree    every worker process is taken; come again later
    │   └── NoWorkerStarts  this machine starts no worker process; back off
    └── ConfigError         do not start; the message says what to change
"""


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


class DeadlinePassed(TransientError):
    """The effect deadline of the claim has passed: this process may start no further effect on the scope."""


class NoWorkerFree(TransientError):
    """Every worker process is taken by others' work: nothing is wrong with this one, it comes again later."""


class NoWorkerStarts(TransientError):
    """No worker process can be started: a fault of this machine (memory, processes, files), of nobody's input."""


class ConfigError(ShwError):
    """The configuration cannot work; the message says in one line what is wrong, where, and what to do."""
