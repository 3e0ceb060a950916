"""The contract of a healing strategy: the planning half (`Rung`), the acting half (`Strategy`), and the effect gate."""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import timedelta
from typing import Final, Protocol, TypeAlias, runtime_checkable

from consumer.catalog import WorkflowPolicy
from consumer.errors import ConfigError
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.model import AttemptId, Diagnosis, Failure, Heal, Json, JsonObject, MicroAud, Outcome
from consumer.plan.rung import Rung
from schemas.names import StrategyName
from schemas.value import value

MAX_SUSPENSION: Final = timedelta(days=366)
"""A heal that waits for longer than this waits for ever."""
MAX_VERSION: Final = 2**31 - 1


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

    async def keep(self, state: HealState) -> None:
        """Make a state durable on the claim: whoever inherits the claim goes on from it.

        To be called while none of the heal's effects is under way: with an order before it is given, with a job's id
        before its first poll. It succeeds also where a person has decided meanwhile.

        Raises
        ------
        LostClaim
            The claim belongs to another owner. Nothing may be sent.
        UnkeepableState
            The state is too large, or holds a secret.

        """
        ...

    def unsent(self) -> None:
        """Revert the last `begin`: it is known that not one byte of its effect left the process."""
        ...

    def charge(self, amount: MicroAud) -> None:
        """Count what this heal has cost besides: settled with its end, whatever that is.

        It is taken from what is held, and the rest goes back; beyond it, it is a debt of the wallet. Count a charge as
        soon as it is known, and `keep` a state after one that must outlive this process. A call that costs, such as one
        to a model, begins at the gate as an effect does: a rehearsal in shadow mode makes none.
        """
        ...

    def cover(self, amount: MicroAud) -> None:
        """Note that whoever goes on from the state that was last kept counts up to so much by itself, until the next.

        Without it, what is charged after a state was kept, in a process that is taken over then, is charged late,
        beside what its heir counts.
        """
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
    kept: Kept | None = None
    """What an earlier process, or an earlier look, has kept of this very heal; None where it begins."""
    others: dict[str, bool] = field(default_factory=dict)
    """Written by the strategy: whether its last call to each of its intent's further dependencies found it healthy."""


class Strategy(Rung, Protocol):
    """A strategy: plans purely, acts through the gate, verifies by an oracle that is not the action's own return value.

    `heal` returns an outcome for every event outside this process; it raises only for a bug of this service. It must
    not start an effect without `gate.begin()`, must not report `Healed` without a passed proof of one of its oracles
    or with one that failed (`run.py` rejects such a report), and must end within the window of its plan. Cancellation
    is not swallowed.
    """

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Act, verify, and return the outcome; or suspend, where the strategy is a `LastingStrategy`."""
        ...


@runtime_checkable
class LastingStrategy(Strategy, Protocol):
    """A strategy whose heals may outlast the process that began them.

    Its `heal` may end as `Suspended`, and keeps at the gate what an heir has to know. An heir does not begin again: it
    calls one of the methods below with the state, so that a job which was ordered is polled and never ordered again.
    """

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The forms of its state that it reads, each of another version."""
        ...

    @property
    def longest_suspension(self) -> timedelta:
        """Time from the first suspension after which a heal is ended by `too_long`."""
        ...

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Go on from a state: as `heal`, but without what came before the state."""
        ...

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """Take back at its provider what was ordered, where that can be done: a person has decided against it.

        Taking it back begins at the gate, as every effect does; nothing else may begin here.
        """
        ...

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """Return the outcome of a heal that has been suspended for too long: unknown, unless its state tells better."""
        ...


@runtime_checkable
class TakesChanges(Strategy, Protocol):
    """A strategy whose plan may be approved with changes: with other parts of the context, such as another payload."""

    async def changes_refusal(self, failure: Failure, changes: JsonObject, policy: WorkflowPolicy) -> str | None:
        """Return why the changes cannot be made, judged by their schema; None where they can.

        `failure` is the stored one: changes never widen what may be done.
        """
        ...


def readable_states(strategies: Mapping[StrategyName, Strategy]) -> tuple[str, ...]:
    """Return the states that these strategies read, each as `<strategy> <version>`.

    Raises
    ------
    ConfigError
        A strategy declares two states of one version, or no time after which its heals are ended.

    """
    lasting = [(name, one) for name, one in strategies.items() if isinstance(one, LastingStrategy)]
    for name, one in lasting:
        _check_lasting(name, one)
    return tuple(f"{name} {state.version}" for name, one in lasting for state in one.states)


def _check_lasting(name: StrategyName, strategy: LastingStrategy) -> None:
    versions = [state.version for state in strategy.states]
    if (
        not versions
        or len(set(versions)) < len(versions)
        or not all(0 < version <= MAX_VERSION for version in versions)
    ):
        raise ConfigError(f"strategy {name}: its states need versions of their own, from 1 on; it has {versions}")
    if not timedelta(0) < strategy.longest_suspension <= MAX_SUSPENSION:
        raise ConfigError(
            f"strategy {name}: longest_suspension has to be above 0 and at most {MAX_SUSPENSION.days} days, "
            f"not {strategy.longest_suspension}"
        )


Strategies: TypeAlias = Mapping[StrategyName, Strategy]
Redact: TypeAlias = Callable[[Json], tuple[Json, tuple[str, ...]]]
"""Removes the secrets from a JSON value; returns also the paths where there were any."""
