"""What is wrong with bytes from outside."""

from schemas.names import PoisonReason


class EnvelopeError(ValueError):
    """A record that is not this contract; `kind` is the reason its dead letter carries.

    The message says what was wrong, where, and what to send instead. It never quotes a value: values may be secrets.
    """

    def __init__(self, kind: PoisonReason, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
