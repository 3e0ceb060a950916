"""Contract of a watched engine: which runs failed since a time, which have not ended, and what is known of a failure.

Times are the engine's own. A list is read page by page; `page` is the engine's word for where the next one begins, and
opaque to whoever reads. Runs may be listed twice, and in any order, but none may be left out: a run that stops being
listed while pages are read must not hide another one. So pages go on from a time, and not from a count.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias, runtime_checkable

from consumer.catalog import WorkflowPolicy
from consumer.model import JsonObject
from consumer.runners.contract import LookFailed, Payload, RunRef, RunState
from schemas.rfc3339 import format_time, parse_time
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class RunsOf:
    """The runs of one workflow, and whose they are."""

    org_id: str
    workflow_name: str

    def run(self, run_id: str = "", *, epoch: int | None = None, step: str | None = None) -> RunRef:
        """Return a reference to one of them; without an id to none."""
        return RunRef(org_id=self.org_id, workflow_name=self.workflow_name, run_id=run_id, epoch=epoch, step=step)


@value(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run as a list names it."""

    run_id: str
    at: datetime
    """When it ended; of one that has not ended, when it began."""


@value(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A part of a list of runs."""

    runs: tuple[ListedRun, ...]
    following: str | None = None
    """Where the next part begins; None: this was the last one."""


@value(frozen=True, slots=True, kw_only=True)
class RunFailure:
    """What is known of the failure of a run; texts are the engine's own, and not redacted."""

    run: RunRef
    """With its try (`epoch`) and the step that failed, where the engine tells them."""
    reason: str
    error_type: str | None = None
    """The exception's class, where the engine tells it."""
    payload: Payload | None = None
    """The input of the step that failed, where that is known."""
    request: JsonObject | None = None
    """The call that failed, as `context.request` has it, where that is known."""
    others: tuple[str, ...] = ()
    """Further steps of the run that failed."""


@value(frozen=True, slots=True, kw_only=True)
class NotFailed:
    """The run stands at no failure any more: it is run again, or was healed, or is gone."""

    said: str


FailureFound: TypeAlias = RunFailure | NotFailed | LookFailed


@runtime_checkable
class WatchedEngine(Protocol):
    """An engine whose runs can be listed. None of its calls has an effect."""

    async def failed_since(
        self, of: RunsOf, since: datetime, page: str | None, policy: WorkflowPolicy, *, within: timedelta
    ) -> RunPage | LookFailed:
        """List the runs that failed at a time or later, and stand at their failure; `page` is of a list from there."""
        ...

    async def unfinished(
        self, of: RunsOf, before: datetime, page: str | None, policy: WorkflowPolicy, *, within: timedelta
    ) -> RunPage | LookFailed:
        """List the runs that began before a time and have not ended."""
        ...

    async def failure_of(
        self, of: RunsOf, listed: ListedRun, policy: WorkflowPolicy, *, within: timedelta
    ) -> FailureFound:
        """Look at a listed run again, and return what is known of its failure."""
        ...

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the state of a run, as for a heal (`Runner.look`)."""
        ...


class RunFailures(Protocol):
    """The calls of one look for runs, or at the failure of one."""

    async def failed_since(self, since: datetime, page: str | None) -> RunPage | LookFailed:
        """List the runs that failed at a time or later."""
        ...

    async def unfinished(self, before: datetime, page: str | None) -> RunPage | LookFailed:
        """List the runs that began before a time and have not ended."""
        ...

    async def failure_of(self, listed: ListedRun) -> FailureFound:
        """Look at a listed run."""
        ...


class WatchedByLooks(ABC):
    """The lists and the look of a watched engine, each by calls of its own that end `within` from its beginning."""

    @abstractmethod
    def _failures(
        self, of: RunsOf, run_id: str | None, policy: WorkflowPolicy, within: timedelta
    ) -> RunFailures | LookFailed:
        """Return the calls of one look: at a run, or, without an id, for runs."""

    async def failed_since(
        self, of: RunsOf, since: datetime, page: str | None, policy: WorkflowPolicy, *, within: timedelta
    ) -> RunPage | LookFailed:
        """List the runs that failed at a time or later."""
        calls = self._failures(of, None, policy, within)
        return calls if isinstance(calls, LookFailed) else await calls.failed_since(since, page)

    async def unfinished(
        self, of: RunsOf, before: datetime, page: str | None, policy: WorkflowPolicy, *, within: timedelta
    ) -> RunPage | LookFailed:
        """List the runs that began before a time and have not ended."""
        calls = self._failures(of, None, policy, within)
        return calls if isinstance(calls, LookFailed) else await calls.unfinished(before, page)

    async def failure_of(
        self, of: RunsOf, listed: ListedRun, policy: WorkflowPolicy, *, within: timedelta
    ) -> FailureFound:
        """Look at a listed run again."""
        calls = self._failures(of, listed.run_id, policy, within)
        return calls if isinstance(calls, LookFailed) else await calls.failure_of(listed)


@value(frozen=True, slots=True, kw_only=True)
class FromTime:
    """Where a page begins in a list that is ordered by time: at a time, after so many that are listed at it."""

    time: datetime
    skip: int = 0

    @classmethod
    def of(cls, page: str | None, start: datetime) -> "FromTime":
        """Return where a page begins; the first one at `start`. A word that is none of ours is read as the first."""
        text, _, skip = (page or "").partition(" ")
        try:
            return cls(time=parse_time(text), skip=int(skip))
        except ValueError:
            return cls(time=start)

    def page(self, dated: Sequence[tuple[str, datetime | None]], most: int) -> RunPage:
        """Return the listed runs that have a time, and where the next page begins; a full one lists `most`."""
        runs = tuple(ListedRun(run_id=run_id, at=at) for run_id, at in dated if at is not None)
        is_full = len(dated) >= most and bool(runs)
        return RunPage(runs=runs, following=self._after(runs) if is_full else None)

    def _after(self, runs: Sequence[ListedRun]) -> str:
        """Return where the page after these begins.

        It begins at the last one's time, with those of that time again: at it there may be more than were listed, and
        none is skipped but on a page that is of one time alone. An engine that does not order what it lists is gone
        through by count.
        """
        times = [one.at for one in runs]
        last = times[-1]
        if last == self.time or times not in (sorted(times), sorted(times, reverse=True)):
            return f"{format_time(self.time)} {self.skip + len(runs)}"
        return f"{format_time(last)} 0"
