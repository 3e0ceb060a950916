"""The contract of a healing strategy: the planning half (`Rung`), the acting half (`Strategy`), and the effect gate."""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import timedelta
from typing import Protocol, TypeAlias

from consumer.catalog import WorkflowPolicy
from consumer.model import AttemptId, Diagnosis, Failure, Heal, Json, Outcome
from consumer.plan.rung import Rung
from schemas.names import StrategyName
from schemas.value import value


class EffectGate(Protocol):
    """Permission check before each side effect of a strategy: no effect starts without `begin`."""

    async def begin(self) -> None:
        """Allow one more effect to start now.

        For an effect that is neither keyed nor idempotent the beginning is durable when this returns. Call it
        directly before each effect, and bound the effect by `remaining()`.

        Raises
        ------
        DeadlinePassed
            The claim's deadline has passed: other processes may act on the scope. Nothing may be sent.
        LostClaim
            The claim belongs to another owner. Nothing may be sent.
        RevokedClaim
            A person decided meanwhile. Nothing more may be sent; what was learnt is settled.

        """
        ...

    def unsent(self) -> None:
        """Revert the last `begin`: it is known that not one byte of its effect left the process."""
        ...

    def remaining(self) -> timedelta:
        """Return the time until every effect must have ended; calls without effect end by then too, with no `begin`."""
        ...


@value(frozen=True, slots=True, kw_only=True)
class Task:
    """Input of one heal: the failure, its diagnosis and plan, and the policy of its workflow."""

    failure: Failure
    diagnosis: Diagnosis
    plan: Heal
    policy: WorkflowPolicy
    attempt_id: AttemptId
    others: dict[str, bool] = field(default_factory=dict)
    """Written by the strategy: whether its last call to each of its intent's further dependencies found it healthy."""


class Strategy(Rung, Protocol):
    """A strategy: plans purely, acts through the gate, verifies by an oracle that is not the action's own return value.

    `heal` returns an outcome for every event outside this process; it raises only for a bug of this service. It must
    not start an effect without `gate.begin()`, must not report `Healed` without a passed proof of one of its oracles
    or with one that failed (`run.py` rejects such a report), and must end within the window of its plan. Cancellation
    is not swallowed.
    """

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        """Act, verify, and return the outcome."""
        ...


Strategies: TypeAlias = Mapping[StrategyName, Strategy]
Redact: TypeAlias = Callable[[Json], tuple[Json, tuple[str, ...]]]
"""Removes the secrets from a JSON value; returns also the paths where there were any."""
