"""The state that a heal of a run keeps on its claim: between two looks, and while the run is watched after an order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import Field

from consumer.heal.kept import HealState, is_keepable, keepable_text
from consumer.heal.route_repair.finding import NamedCause
from consumer.heal.route_repair.proving import Before
from consumer.heal.route_repair.repair import Act, RouteChange
from consumer.heal.route_repair.suspicion import Cause, Suspicion
from consumer.model import Json
from consumer.runners.contract import Phase
from schemas.value import value

_MAX_TEXT: Final = 200
_MAX_NAME: Final = 512
_KEPT_NODES: Final = 40
"""Steps of the route before that a suspended heal keeps: its claim has no room for a large plan."""

Text: TypeAlias = Annotated[str, Field(max_length=_MAX_TEXT)]
Name: TypeAlias = Annotated[str, Field(max_length=_MAX_NAME)]


class LookState(HealState):
    """What the look before said: the second one, at least `apart` after it, has to agree."""

    version: ClassVar[int] = 1
    stage: Literal["looks"] = "looks"
    looks: int = Field(ge=1)
    cause: Cause | None
    step: Name | None
    evidence: Text
    place: Text
    fence: Text | None
    busiest: Name | None
    begun: int
    completed: int
    progress: Text | None = None

    @property
    def suspicion(self) -> Suspicion:
        """What the look said."""
        return Suspicion(
            cause=self.cause,
            step=self.step,
            evidence=self.evidence,
            place=self.place,
            fence=self.fence,
            busiest=self.busiest,
            begun=self.begun,
            completed=self.completed,
            progress=self.progress,
        )


class DatedLookState(LookState):
    """The same, with the run's latest sign of life."""

    version: ClassVar[int] = 4
    sign: Text | None = None

    @property
    def suspicion(self) -> Suspicion:
        """What the look said."""
        return replace(super().suspicion, sign=self.sign)


@value(frozen=True, slots=True, kw_only=True)
class GivenChange:
    """An order that the engine has, or may have, and how far the watch of its run is."""

    found: NamedCause
    repair: RouteChange
    run_id: str
    """The run to look at; an engine may have made a new one."""
    before: Before
    nodes: dict[str, str]
    """The states of the steps before anything was ordered."""
    state: str
    in_doubt: bool
    moved: bool = False
    looks: int = 0
    left: timedelta = timedelta(0)


class RouteWatchState(HealState):
    """An order that was given, and what the oracle has to know of the run before it."""

    version: ClassVar[int] = 2
    stage: Literal["ordered"] = "ordered"
    cause: Cause
    step: Name | None
    evidence: Text
    act: Act
    of: Name | None
    to: Name | None
    ended: Name | None
    run_id: Name
    phase: Phase
    place: Text
    epoch: int | None
    progress: Text | None
    fence: Text | None
    at: datetime | None
    begun: int
    repeated: tuple[tuple[Name, int], ...]
    nodes: dict[Name, Text]
    state: Text
    in_doubt: bool
    moved: bool
    looks: int = Field(ge=0)
    left: float = Field(ge=0, allow_inf_nan=False)

    @property
    def ordered(self) -> GivenChange:
        """The order, as it was before the suspension."""
        return GivenChange(
            found=NamedCause(cause=self.cause, step=self.step, evidence=self.evidence),
            repair=RouteChange(act=self.act, step=self.of, to=self.to, ends_first=self.ended),
            run_id=self.run_id,
            before=Before(
                phase=self.phase,
                place=self.place,
                epoch=self.epoch,
                progress=self.progress,
                fence=self.fence,
                at=self.at,
                begun=self.begun,
                repeated=self.repeated,
            ),
            nodes=dict(self.nodes),
            state=self.state,
            in_doubt=self.in_doubt,
            moved=self.moved,
            looks=self.looks,
            left=timedelta(seconds=self.left),
        )


RouteState: TypeAlias = LookState | RouteWatchState
Redacting: TypeAlias = Callable[[Json], tuple[Json, object]]


def look_state(said: Suspicion, looks: int, redact: Redacting) -> DatedLookState | None:
    """Return the state between two looks; None where the engine's own names cannot be kept."""
    state = DatedLookState(
        looks=looks,
        cause=said.cause,
        step=said.step,
        evidence=keepable_text(said.evidence, redact, _MAX_TEXT),
        place=said.place,
        fence=said.fence,
        busiest=said.busiest,
        begun=said.begun,
        completed=said.completed,
        progress=said.progress,
        sign=said.sign,
    )
    return state if is_keepable(state) else None


def watch_state(ordered: GivenChange, redact: Redacting) -> RouteWatchState | None:
    """Return the state of a watch; the route before is left out where it cannot be kept, and None where nothing can."""
    found, repair, before = ordered.found, ordered.repair, ordered.before
    whole = RouteWatchState(
        cause=found.cause,
        step=found.step,
        evidence=keepable_text(found.evidence, redact, _MAX_TEXT),
        act=repair.act,
        of=repair.step,
        to=repair.to,
        ended=repair.ends_first,
        run_id=ordered.run_id,
        phase=before.phase,
        place=before.place,
        epoch=before.epoch,
        progress=before.progress,
        fence=before.fence,
        at=before.at,
        begun=before.begun,
        repeated=before.repeated,
        nodes=dict([*ordered.nodes.items()][:_KEPT_NODES]),
        state=keepable_text(ordered.state, redact, _MAX_TEXT),
        in_doubt=ordered.in_doubt,
        moved=ordered.moved,
        looks=ordered.looks,
        left=ordered.left.total_seconds(),
    )
    if is_keepable(whole):
        return whole
    bare = whole.model_copy(update={"nodes": {}})
    return bare if is_keepable(bare) else None
