"""The platform's registry of definitions over its API, and its runs: a workflow whose definition is broken is in it."""

from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.worlds.http_world import Reply, Seen, World, json_reply
from tests.support.worlds.rewrite_world import WORKFLOW, ending, registered

PATH: Final = f"/registry/{WORKFLOW}"


@dataclass(slots=True)
class Platform:
    """The platform's registry and runs, as far as a rewrite asks them: a version is a number."""

    world: World
    config: dict[str, Any] = field(default_factory=registered)
    version: int = 4
    stuck: str = ""
    """`running`: runs do not end; `not in force`: no order is taken; `in force`: one is, and nobody sees that."""
    replaced: list[Any] = field(default_factory=list)
    started: list[Any] = field(default_factory=list)
    ended: int = 0

    def __post_init__(self) -> None:
        self.world.on(PATH, self._registry)
        self.world.on("/runs", self._start)

    def runner(self) -> dict[str, Any]:
        url = self.world.url
        registry = url("/registry/{workflow_name}?org={org_id}")
        return {
            "kind": "maos",
            "look": {"url": url("/runs/{run.id}")},
            "definition": {"url": registry},
            "replace_definition": {
                "method": "PUT",
                "url": registry + "&order={run.id}",
                "body": {"config": "{definition}", "replaces": "{definition.replaces}"},
                "effect": "conditional",
            },
            "start_run": {
                "url": url("/runs?key={run.id}"),
                "body": {"config": "{definition}", "of": "{definition.replaces}", "input": "{input}"},
                "effect": "keyed",
                "key_header": "Idempotency-Key",
                "new_run": "/runId",
            },
            "terminate": {"url": url("/runs/{run.id}/end"), "effect": "idempotent"},
        }

    def _registry(self, _: int, seen: Seen) -> Reply:
        if seen.method == "PUT":
            if self.stuck == "not in force":
                return json_reply({"error": "busy"}, 503, effect=False)
            self.replaced.append(seen.json)
            if seen.json["replaces"] != str(self.version):
                return json_reply({"error": "another version is in force"}, 409)
            self.config, self.version = seen.json["config"], self.version + 1
            if self.stuck == "in force":
                return Reply(drop=True, effect=True)
        elif self.stuck == "in force" and self.replaced:
            return json_reply({"error": "busy"}, 503)
        return json_reply({"config": self.config, "version": self.version})

    def _start(self, _: int, seen: Seen) -> Reply:
        self.started.append(seen.json)
        run = {"definition": seen.json["config"], "input": seen.json["input"]}
        self.world.on("/runs/run-1", lambda _, __: self._run(ending(run)))
        self.world.on("/runs/run-1/end", lambda _, __: self._end())
        return json_reply({"runId": "run-1"})

    def _run(self, ends: str) -> Reply:
        status = "executing" if self.stuck == "running" and not self.ended else ends
        return json_reply({"runId": "run-1", "status": status, "plan": {"steps": []}})

    def _end(self) -> Reply:
        self.ended += 1
        return json_reply({})
