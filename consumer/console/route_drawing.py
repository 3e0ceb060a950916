"""The route of a run as a drawing: steps in columns by what they wait for, with arrows between. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MOST_STEPS: Final = 60
WIDTH: Final = 168
HEIGHT: Final = 46
GAP_X: Final = 36
GAP_Y: Final = 14
SHOWN: Final = 20
"""Letters of a step's name: the whole stands in its title."""
_DONE: Final = frozenset({"completed", "succeeded", "success", "skipped", "cached"})
_BROKEN: Final = frozenset({"failed", "crashed", "upstream_failed", "lost", "cancelled", "timed_out", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnStep:
    """A step with its place; `tone` is how it is coloured."""

    name: str
    short: str
    state: str
    tone: str
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDrawing:
    """One drawing: its size, its steps, and the lines between them as (x1, y1, x2, y2)."""

    state: str
    width: int
    height: int
    steps: tuple[DrawnStep, ...]
    arrows: tuple[tuple[int, int, int, int], ...]


def draw_route(route: object) -> RouteDrawing | None:
    """Return the drawing of a route; None where it has no steps, or too many to be read."""
    if not isinstance(route, Mapping):
        return None
    nodes = [one for one in _list(route.get("nodes")) if isinstance(one, Mapping)]
    states = {str(one.get("id", "")): str(one.get("state", "")) for one in nodes}
    if not 0 < len(states) <= MOST_STEPS:
        return None
    edges = [edge for one in _list(route.get("edges")) if (edge := _edge(one, states)) is not None]
    columns = _columns(list(states), edges)
    rows: dict[int, int] = {}
    steps: dict[str, DrawnStep] = {}
    for name, state in states.items():
        column = columns[name]
        row = rows.get(column, 0)
        rows[column] = row + 1
        steps[name] = DrawnStep(
            name=name,
            short=name if len(name) <= SHOWN else f"{name[: SHOWN - 1]}…",
            state=state,
            tone=_tone(state),
            x=column * (WIDTH + GAP_X) + 1,
            y=row * (HEIGHT + GAP_Y) + 1,
        )
    middle = HEIGHT // 2
    return RouteDrawing(
        state=str(route.get("state", "")),
        width=(max(columns.values()) + 1) * (WIDTH + GAP_X) - GAP_X + 2,
        height=max(rows.values()) * (HEIGHT + GAP_Y) - GAP_Y + 2,
        steps=tuple(steps.values()),
        arrows=tuple(
            (steps[one].x + WIDTH, steps[one].y + middle, steps[other].x, steps[other].y + middle)
            for one, other in edges
        ),
    )


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _edge(edge: object, known: Mapping[str, str]) -> tuple[str, str] | None:
    match edge:
        case [str(one), str(other)] | {"from": str(one), "to": str(other)}:
            return (one, other) if one in known and other in known and one != other else None
        case _:
            return None


def _columns(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return each step's column: one after the last that it follows. A circle ends after as many rounds as steps."""
    column = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for one, other in edges:
            if column[other] <= column[one] < len(names) - 1:
                column[other], moved = column[one] + 1, True
        if not moved:
            break
    return column


def _tone(state: str) -> str:
    said = state.lower()
    if said in _DONE:
        return "good"
    return "bad" if said in _BROKEN else "calm"
