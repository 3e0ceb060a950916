"""The route of a run as data, for the attempt: its steps with their states, what each waits for, what was changed."""

from collections.abc import Mapping
from itertools import islice
from typing import Final

from consumer.heal.route_repair.repair import RouteChange
from consumer.model import Json, JsonObject
from consumer.runners.contract import RunState

MAX_NODES: Final = 200
_MAX_EDGES: Final = 400
_SHOWN: Final = 120


def nodes_of(seen: RunState) -> dict[str, str]:
    """Return the states of a run's steps by name, cut to a bounded number."""
    return {one.name[:_SHOWN]: one.phase.value for one in sorted(seen.steps, key=lambda one: one.name)[:MAX_NODES]}


def edges_of(seen: RunState) -> list[Json]:
    """Return which step waits for which: `[from, to]`, cut to a bounded number."""
    edges = ((need[:_SHOWN], one.name[:_SHOWN]) for one in seen.steps for need in one.needs)
    return [[*edge] for edge in sorted(islice(edges, _MAX_EDGES))]


def route(nodes: Mapping[str, str], edges: list[Json], state: str) -> JsonObject:
    """Return one route: the run's state, and its steps as nodes and edges."""
    return {"state": state, "nodes": [{"id": name, "state": of} for name, of in nodes.items()], "edges": edges}


def changed(repair: RouteChange, *, gets_input: bool = False) -> JsonObject:
    """Return what a repair changes of the route; `gets_input`: its step begins with the input that a person gave it."""
    told: JsonObject = {"act": repair.act.value, "step": repair.step}
    if repair.to is not None:
        told["to"] = repair.to
    if repair.ends_first is not None:
        told["ended_first"] = repair.ends_first
    if gets_input:
        told["input"] = "given"
    return told
