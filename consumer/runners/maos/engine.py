"""Runner for the platform's own runs, over the API that the catalog names."""

from consumer.catalog import MaosRunner
from consumer.model.call import CallResult
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import gone, parsed, server_time, unseen
from consumer.runners.contract import LookFailed, RunRef, RunState
from consumer.runners.maos.answers import MAOS_RUN, run_state
from consumer.runners.templated import TemplatedEngine


class MaosEngine(TemplatedEngine):
    """MAOS: its orders are templates; a run, its plan and its invocations have the form that the platform documents."""

    def __init__(self, described: MaosRunner, calls: EngineCalls) -> None:
        super().__init__(described, calls)
        self._engines = described.engines

    def state_in(self, result: CallResult, run: RunRef) -> RunState | LookFailed:
        """Read the run's state from the platform's form of a run."""
        found = parsed(result, MAOS_RUN)
        if found is None:
            return gone(result) or unseen(result)
        if found.run_id != run.run_id:
            return LookFailed(reason="the look: the answer is of another run")
        return run_state(found, self._engines, server_time(result))
