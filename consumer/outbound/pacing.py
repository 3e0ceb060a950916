"""Calls at a pace: one at a time, and no more than so many a minute, whoever makes them."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.model.call import CallResult, OutboundRequest
from consumer.outbound.tokens import EngineCalls

_MINUTE: Final = 60.0


class PacedCalls:
    """The way to an engine for what is in no hurry: a call waits for the end of the one before, and for its turn."""

    def __init__(self, calls: EngineCalls, a_minute: int) -> None:
        self._calls = calls
        self._apart = _MINUTE / a_minute
        self._alone = asyncio.Lock()
        self._next = 0.0

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Return why the catalog does not allow a call, or None."""
        return self._calls.refusal(request, policy)

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        """Make a call when it is its turn; `within` counts from then."""
        async with self._alone:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._apart
            return await self._calls.send(request, policy, within=within, max_bytes=max_bytes)
