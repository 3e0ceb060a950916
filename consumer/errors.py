"""Everything of ours that can be raised, cut by what to do next.

::

    ShwError
    ├── RefusedByDatabase   bisect the batch; what is refused alone becomes a dead letter
    ├── TransientError      try again; nothing was decided
    │   ├── LostClaim       somebody else owns the heal now; stop without a trace
    │   ├── RevokedClaim    a person has decided; start no effect, and write what was learnt
    │   └── DeadlinePassed  the claim's time is over; start no effect
    └── ConfigError         do not start; the message says what to change
"""


class ShwError(Exception):
    """The root: nobody raises it, the command line catches it."""


class RefusedByDatabase(ShwError):
    """Postgres will not store something in this batch, however often it is sent."""


class TransientError(ShwError):
    """The outside world did not answer as it should; the same call may succeed later."""


class LostClaim(TransientError):
    """The claim is no longer under this process's name: its heal must have no further effect."""


class RevokedClaim(TransientError):
    """A person decided while the heal was under way: no further effect may start, and its end is settled."""


class DeadlinePassed(TransientError):
    """The time in which this process may act on the scope is over: no further effect may start."""


class ConfigError(ShwError):
    """What was configured cannot work; one line says what, where, and what to do."""
