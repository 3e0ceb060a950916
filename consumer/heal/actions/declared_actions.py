"""The acting half of all declared actions, for the strategy that they count as."""

from datetime import timedelta

from consumer.catalog import DeclaredAction
from consumer.heal.actions.acting import carry_out, go_on, is_done, outcome_if_done
from consumer.heal.actions.rung import ActionRung
from consumer.heal.actions.session import ActionSession, Read
from consumer.heal.actions.state import ActionState
from consumer.heal.calls.session import Calls
from consumer.heal.kept import Kept, Suspended
from consumer.heal.refusals import missing_context
from consumer.heal.runs.rerun import run_of_failure
from consumer.heal.runs.session import RunTools
from consumer.heal.strategy import EffectGate, Task
from consumer.model import ActionName, NotHealed, Outcome, Refused, RetryLater, Unknown, rung_of_action
from consumer.runners.contract import Runners
from schemas.names import Code


class DeclaredActions:
    """Carries out the actions of the catalog that a plan was made with."""

    def __init__(self, runners: Runners, calls: Calls, tools: RunTools) -> None:
        self._runners = runners
        self._calls = calls
        self._tools = tools

    def rung(self, name: ActionName, action: DeclaredAction) -> ActionRung:
        """Return the rung of one action."""
        return ActionRung(declared_as=name, action=action, calls=self._calls, runners=self._runners)

    async def heal(self, task: Task, gate: EffectGate, name: ActionName) -> Outcome | Suspended:
        """Carry an action out."""
        session = self._session(task, gate, name)
        if isinstance(session, Refused):
            return session
        return await carry_out(session, self._runners.of(task.policy))

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept, state: ActionState) -> Outcome | Suspended:
        """Go on with one from what was kept of it."""
        session = self._session(task, gate, rung_of_action(state.action))
        if isinstance(session, Refused):
            return _end_of(state, kept, session.reason)
        session.told |= {"class": state.before, "larger": state.target} if state.target is not None else {}
        return await go_on(session, state, kept)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept, state: ActionState) -> Outcome:
        """Look once whether it was done: that cannot be taken back."""
        session = self._session(task, gate, rung_of_action(state.action))
        if isinstance(session, Refused):
            return _end_of(state, kept, session.reason)
        seen = await session.look()
        if isinstance(seen, Read) and is_done(session, state, seen):
            return outcome_if_done(session, state, seen)
        return _end_of(state, kept, "a person has decided meanwhile, and it cannot be taken back")

    def too_long(self, kept: Kept, state: ActionState) -> Outcome:
        """Return the end of one that nobody could look for in time."""
        if not (state.sent or kept.begun):
            return RetryLater(after=timedelta(minutes=1), reason="nobody went on with it in time")
        return _end_of(state, kept, "whether it was done could not be seen in time")

    def _session(self, task: Task, gate: EffectGate, name: ActionName) -> ActionSession | Refused:
        failure, policy = task.failure, task.policy
        declared = policy.actions.get(name)
        if declared is None:
            return Refused(code=Code.REFUSED, reason=f"{name} is not declared in the catalog in force")
        rung = self.rung(name, declared)
        if missing := rung.needs(failure):
            return missing_context(missing)
        if forbidden := rung.call_refusal(failure, policy):
            return Refused(code=Code.REFUSED, reason=forbidden)
        return ActionSession(
            task=task,
            gate=gate,
            pause=self._tools.sleep,
            name=name,
            action=declared,
            run=run_of_failure(failure),
            calls=self._calls,
            run_tools=self._tools,
            key=task.plan.intent.idempotency_key or rung.key(failure),
        )


def _end_of(state: ActionState, kept: Kept, why: str) -> Outcome:
    if not (state.sent or kept.begun):
        return NotHealed(code=Code.DENIED, reason=f"{state.action} was not carried out: {why}")
    return Unknown(reason=f"{state.action} may have been carried out: {why}")
