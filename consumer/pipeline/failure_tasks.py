"""Tasks that do something about single failures before their heal: one at most for each, and none ends its group."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from consumer.errors import RefusedByDatabase, TransientError
from consumer.model import FailureId


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureTasks:
    """The tasks of one kind in a group that other tasks share."""

    group: asyncio.TaskGroup
    put_off: Callable[[FailureId, Exception], None]
    """Tells that the database did not take what a task did: its failure is due again."""
    _running: dict[FailureId, asyncio.Task[None]] = field(default_factory=dict)

    def __contains__(self, failure_id: FailureId) -> bool:
        """Return whether a failure has a task."""
        return failure_id in self._running

    def __len__(self) -> int:
        """Return how many run, or wait for their turn."""
        return len(self._running)

    def start(self, failure_id: FailureId, act: Callable[[], Awaitable[None]]) -> None:
        """Start the task of a failure that has none."""

        async def run() -> None:
            try:
                await act()
            except (TransientError, RefusedByDatabase) as error:
                self.put_off(failure_id, error)
            finally:
                self._running.pop(failure_id, None)

        self._running[failure_id] = self.group.create_task(run())

    def cancel(self) -> None:
        """Cancel all of them: their failures are due again."""
        for task in tuple(self._running.values()):
            task.cancel()
