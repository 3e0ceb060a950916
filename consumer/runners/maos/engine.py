"""Runner for the platform's own runs, over the API that the catalog names."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from consumer.catalog import MaosRunner, WorkflowPolicy
from consumer.model.call import CallResult
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import gone, parsed, server_time, unseen
from consumer.runners.contract import LookFailed, RunRef, RunState
from consumer.runners.definitions import EngineDefinition
from consumer.runners.maos.answers import (
    MAOS_RUN,
    REGISTRY_ANSWER,
    MaosRun,
    listed_runs,
    run_failure,
    run_state,
)
from consumer.runners.places import organisation, run_values
from consumer.runners.templated import TemplatedEngine
from consumer.runners.templates import UnfitValue, render_call
from consumer.runners.watching import FailureFound, ListedRun, NotFailed, RunPage, RunsOf
from schemas.json_value import value_at
from schemas.rfc3339 import format_time

_UNFINISHED: Final = ("pending", "planning", "executing")
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MaosEngine(TemplatedEngine):
    """MAOS: its orders are templates; a run, its plan and its invocations have the form that the platform documents."""

    def __init__(self, described: MaosRunner, calls: EngineCalls) -> None:
        super().__init__(described, calls)
        self._engines = described.engines
        self._watch = described.watch
        self._definition = described.definition

    async def definition(
        self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta
    ) -> EngineDefinition | LookFailed:
        """Query the definition in force of the run's workflow, by one call without effect."""
        look = self._definition
        if look is None:
            return LookFailed(reason="the runner has no `definition` in the catalog")
        try:
            request = render_call(look, "GET", run_values(run), org_id=organisation(run))
        except UnfitValue as unfit:
            return LookFailed(reason=f"the look: {unfit}")
        result = await self._calls.send(
            request, policy, within=min(within, self._described.timeout), max_bytes=self._described.response_bytes
        )
        answer = parsed(result, REGISTRY_ANSWER)
        if answer is None:
            return unseen(result)
        document, version = value_at(answer, look.document, None), value_at(answer, look.version, None)
        if not isinstance(document, dict) or isinstance(version, bool) or not isinstance(version, str | int):
            return LookFailed(reason=f"the look: no definition at {look.document!r}, or no version at {look.version!r}")
        return EngineDefinition(document=document, version=str(version))

    @property
    def keeps_definitions(self) -> bool:
        """Whether the catalog names the call that reads the registry."""
        return self._definition is not None

    def state_in(self, result: CallResult, run: RunRef) -> RunState | LookFailed:
        """Read the run's state from the platform's form of a run."""
        found = parsed(result, MAOS_RUN)
        if found is None:
            return gone(result) or unseen(result)
        if found.run_id != run.run_id:
            return LookFailed(reason="the look: the answer is of another run")
        return run_state(found, self._engines, server_time(result))

    async def failed_since(
        self, of: RunsOf, since: datetime, page: str | None, policy: WorkflowPolicy, *, within: timedelta
    ) -> RunPage | LookFailed:
        """List failed runs; the platform lists them in one answer."""
        del page
        found = await self._list(of, ("failed",), since, policy, within)
        if isinstance(found, LookFailed):
            return found
        dated = ((run.run_id, run.changed) for run in found)
        return RunPage(
            runs=tuple(ListedRun(run_id=name, at=at) for name, at in dated if at is not None and at >= since)
        )

    async def unfinished(
        self, of: RunsOf, before: datetime, page: str | None, policy: WorkflowPolicy, *, within: timedelta
    ) -> RunPage | LookFailed:
        """List runs that have not ended, and of which nothing changed after a time."""
        del page
        found = await self._list(of, _UNFINISHED, _BEGINNING, policy, within)
        if isinstance(found, LookFailed):
            return found
        dated = ((run.run_id, run.changed) for run in found)
        return RunPage(
            runs=tuple(ListedRun(run_id=name, at=at) for name, at in dated if at is not None and at <= before)
        )

    async def failure_of(
        self, of: RunsOf, listed: ListedRun, policy: WorkflowPolicy, *, within: timedelta
    ) -> FailureFound:
        """Look at the run, and at its last invocation that failed."""
        result = await self.query(of.run(listed.run_id), policy, within=within)
        if isinstance(result, LookFailed):
            return result
        found = parsed(result, MAOS_RUN)
        if found is None:
            missing = gone(result)
            return NotFailed(said=missing.said) if missing is not None else unseen(result)
        if found.run_id != listed.run_id:
            return LookFailed(reason="the look: the answer is of another run")
        return run_failure(of, found)

    async def _list(
        self, of: RunsOf, statuses: Sequence[str], since: datetime, policy: WorkflowPolicy, within: timedelta
    ) -> list[MaosRun] | LookFailed:
        if self._watch is None:
            return LookFailed(reason="the look: the runner has no `watch`")
        runs: list[MaosRun] = []
        for status in statuses:
            values = {"workflow_name": of.workflow_name, "org_id": of.org_id, "status": status}
            values |= {"since": format_time(since)}
            try:
                call = render_call(self._watch.runs, "GET", values, org_id=organisation(of.run()))
            except UnfitValue as unfit:
                return LookFailed(reason=f"the look: {unfit}")
            result = await self.send_look(call, policy, within=within)
            found = listed_runs(result, self._watch.runs.at)
            if isinstance(found, LookFailed):
                return found
            runs += [run for run in found if run.status == status]
        return runs
