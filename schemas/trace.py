"""W3C trace context, carried through and never trusted further than its syntax."""

import re
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,200})?"
)
_TRACESTATE = re.compile(r"[ -~\t]{1,512}")


class Trace(NamedTuple):
    """A valid `traceparent` and the `tracestate` that came with it, or neither."""

    parent: str | None = None
    state: str | None = None


NO_TRACE: Final = Trace()


def trace_of(parent: object, state: object) -> Trace:
    """Keep a valid pair. An invalid `traceparent` drops both, as W3C demands; an invalid `tracestate` only itself."""
    if not isinstance(parent, str):
        return NO_TRACE
    found = _TRACEPARENT.fullmatch(parent)
    if found is None or (found[1] == "00" and found[2] is not None):
        return NO_TRACE
    return Trace(parent, state if isinstance(state, str) and _TRACESTATE.fullmatch(state) else None)
