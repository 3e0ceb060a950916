"""Runner for the platform's own runs, over the API that the catalog names."""

from datetime import timedelta

from consumer.catalog import MaosRunner, WorkflowPolicy
from consumer.model.call import CallResult
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import gone, parsed, server_time, unseen
from consumer.runners.contract import LookFailed, RunRef, RunState
from consumer.runners.definitions import EngineDefinition
from consumer.runners.maos.answers import MAOS_RUN, REGISTRY_ANSWER, run_state
from consumer.runners.places import organisation, run_values
from consumer.runners.templated import TemplatedEngine
from consumer.runners.templates import UnfitValue, render_call
from schemas.json_value import value_at


class MaosEngine(TemplatedEngine):
    """MAOS: its orders are templates; a run, its plan and its invocations have the form that the platform documents."""

    def __init__(self, described: MaosRunner, calls: EngineCalls) -> None:
        super().__init__(described, calls)
        self._engines = described.engines
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
