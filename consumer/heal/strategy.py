"""The contract of a strategy: the plan's half (`Rung`) and the half that acts."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol, TypeAlias

from consumer.catalog import WorkflowPolicy
from consumer.model import AttemptId, Diagnosis, Failure, Heal, Json, Outcome
from consumer.plan.rung import Rung
from schemas.names import StrategyName
from schemas.value import value


class EffectGate(Protocol):
    """What stands between a strategy and the world: no effect without asking here first."""

    async def begin(self) -> None:
        """Allow one more effect to start now.

        For an effect that is neither keyed nor idempotent the beginning is durable when this returns. Call it
        directly before each effect, and bound the effect by `remaining()`.

        Raises
        ------
        DeadlinePassed
            The claim's time is over: others may act on the scope. Nothing may be sent.
        LostClaim
            The claim is under another name. Nothing may be sent.
        RevokedClaim
            A person decided meanwhile. Nothing more may be sent; what was learnt is settled.

        """
        ...

    def unsent(self) -> None:
        """Take the last beginning back: it is known that not one byte of its effect left the process."""
        ...

    def remaining(self) -> timedelta:
        """Time until every effect must have ended; a call without effect needs no beginning, and ends by then too."""
        ...


@value(frozen=True, slots=True, kw_only=True)
class Task:
    """One heal to be done."""

    failure: Failure
    diagnosis: Diagnosis
    plan: Heal
    policy: WorkflowPolicy
    attempt_id: AttemptId


class Strategy(Rung, Protocol):
    """A strategy: plans purely, acts through the gate, verifies by an oracle that is not the action's own return value.

    `heal` returns an outcome for everything that the world does; it raises only for a bug of ours. It must not start
    an effect without `gate.begin()`, must not report `Healed` without a passed proof of one of its oracles and with
    none that failed (whoever runs it does not believe that), and must end within the window that its plan named.
    Cancellation is not swallowed.
    """

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        """Act, verify, and say what came of it."""
        ...


Strategies: TypeAlias = Mapping[StrategyName, Strategy]
Redact: TypeAlias = Callable[[Json], tuple[Json, tuple[str, ...]]]
"""Takes the secrets out of a JSON value, and says where there were any."""
