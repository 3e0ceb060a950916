"""A workflow engine on the scripted HTTP world: a run fails until its step is run again with an input that it takes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.pipeline import catalog
from tests.support.worlds.http_world import Reply, Seen, World, json_reply

STEP: Final = "charge"
ORDER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string"},
        "amount": {"type": "integer"},
        "status": {"enum": ["open", "paid"]},
        "due": {"type": "string", "format": "date"},
    },
    "required": ["order_id", "amount", "status"],
    "additionalProperties": False,
}
SENT: Final[dict[str, Any]] = {"orderId": "o-17", "amount": "42", "status": " Paid", "due": "2026-03-01"}
TAKEN: Final[dict[str, Any]] = {"order_id": "o-17", "amount": 42, "status": "paid", "due": "2026-03-01"}


@dataclass(slots=True, kw_only=True)
class Engine:
    """Its runs, and with what each step was run again, once for each key."""

    world: World
    inputs: dict[str, list[Any]] = field(default_factory=dict)
    looks: int = 1
    """How often a run that runs again is seen running before its end."""

    def run(
        self,
        run_id: str,
        *,
        takes: Callable[[Any], bool] = lambda given: given == TAKEN,
        answers: tuple[Reply, ...] = (),
        state: str = "failed",
    ) -> None:
        """Give a run that stands at a failure of its step; the first orders are answered with `answers`."""
        stands = [state]
        keys: set[str] = set()
        self.inputs[run_id] = []

        def ordered(n: int, seen: Seen) -> Reply:
            if not (seen.key and seen.key in keys):
                keys.add(seen.key)
                self.inputs[run_id].append(seen.json["input"])
                stands[:] = ["running"] * self.looks + ["done" if takes(seen.json["input"]) else "failed"]
            return answers[n - 1] if n <= len(answers) else json_reply({}, 202)

        def looked(_n: int, _seen: Seen) -> Reply:
            return json_reply({"state": stands.pop(0) if len(stands) > 1 else stands[0]})

        self.world.on(f"/runs/{run_id}/steps/{STEP}/rerun", ordered)
        self.world.on(f"/runs/{run_id}", looked)

    def orders(self, run_id: str) -> list[Seen]:
        return self.world.calls(f"/runs/{run_id}/steps/{STEP}/rerun")


def described(world: World, *, effect: str = "keyed") -> dict[str, Any]:
    """Describe the engine as a catalog does."""
    rerun = {"url": world.url("/runs/{run.id}/steps/{run.step}/rerun"), "body": {"input": "{payload}"}}
    keyed = {"effect": effect} | ({"key_header": "Idempotency-Key"} if effect == "keyed" else {})
    phases = {"running": "running", "asked": "waiting", "done": "succeeded", "failed": "failed"}
    look = {"url": world.url("/runs/{run.id}"), "status": "/state", "phases": phases}
    return {"kind": "http", "rerun_step": rerun | keyed, "look": look, "timeout": "PT2S"}


def engine_catalog(world: World, *, effect: str = "keyed", schema: Any = ORDER, **limits: Any) -> str:  # noqa: ANN401
    """Write a catalog whose workflows all run at the engine."""
    repair = {"schemas": {STEP: schema} if schema is not None else {}, "timeout": "PT2S", "verify": "PT4S"} | limits
    text = catalog(world.port, runner="engine", schema_autofix=json.dumps(repair))
    return text + f"runners: {{engine: {json.dumps(described(world, effect=effect))}}}\n"


def refused_payload(run_id: str, payload: Any = SENT, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """A context whose payload a step refused."""
    return {"run": {"id": run_id, "step": STEP}, "payload": payload} | more
