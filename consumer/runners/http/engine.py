"""Runner for an engine behind HTTP whose answers the catalog describes: reads the run's state where that says."""

from consumer.catalog import HttpRunner
from consumer.model.call import Answer, CallResult
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import is_accepted, json_of, unseen
from consumer.runners.contract import LookFailed, Phase, RunRef, RunState
from consumer.runners.http.run_state import is_of, state_in
from consumer.runners.templated import TemplatedEngine


class HttpEngine(TemplatedEngine):
    """A described engine: its orders are templates, and its look says where the state stands in the answer."""

    def __init__(self, described: HttpRunner, calls: EngineCalls) -> None:
        super().__init__(described, calls)
        self._look = described.look

    def state_in(self, result: CallResult, run: RunRef) -> RunState | LookFailed:
        """Read the run's state where the catalog says that it stands."""
        if isinstance(result, Answer) and result.status in self._look.gone:
            return RunState(phase=Phase.GONE, said=f"answered {result.status}")
        if not isinstance(result, Answer) or result.truncated or not is_accepted(result.status, ()):
            return unseen(result)
        document = json_of(result)
        if not is_of(document, self._look, run.run_id):
            return LookFailed(reason="the look: the answer is of another run")
        return state_in(document, self._look)
