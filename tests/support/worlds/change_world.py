"""A Git host that takes change requests, and an engine of workflows that are code, on one scripted world."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import Reply, Seen, World, json_reply
from tests.support.worlds.rewrite_world import rewrite_catalog

BRANCHES: Final = "/git/branches"
PULLS: Final = "/git/pulls"
RERUN: Final = "/runs/r1/rerun"
ONLY: Final = "[DeepAgent-full-workflow-rewrite]"


@dataclass(slots=True, kw_only=True)
class ChangeWorld:
    """What people do with the request, and what the run does once it is run again."""

    world: World
    merged: bool = False
    state: str = "open"
    runs: list[str] = field(default_factory=lambda: ["failed"])
    ends: str = "done"
    first: dict[str, Reply] = field(default_factory=dict)
    """How the first call of a path is answered, where not well."""

    def __post_init__(self) -> None:
        self.world.on(BRANCHES, lambda n, _: self._first(BRANCHES, n) or json_reply({"ok": True}, 201))
        self.world.on(PULLS, lambda n, _: self._first(PULLS, n) or json_reply({"number": 7}, 201))
        self.world.on(f"{PULLS}/7", lambda *_: json_reply({"merged": self.merged, "state": self.state}))
        self.world.on(RERUN, self._rerun)
        self.world.on("/runs/r1", lambda *_: json_reply({"state": self.runs[-1], "n": len(self.runs)}))

    def _first(self, path: str, n: int) -> Reply | None:
        return self.first.get(path) if n == 1 else None

    def _rerun(self, n: int, seen: Seen) -> Reply:
        reply = self._first(RERUN, n) or json_reply({}, 202)
        if reply.effect is not False and not self.world.effects[RERUN, seen.key]:
            self.runs += ["running", self.ends]
        return reply

    def catalog(self, chat: ChatWorld, **change: Any) -> str:  # noqa: ANN401 - JSON is anything
        """A catalog whose workflows are code, with their change requests."""
        declared = {"path": "workflows/{workflow_name}.json", "every": "PT1S"} | (change or self.calls())
        text = rewrite_catalog(chat, change_request=declared)
        entry = f"  runner: code\n  strategies: {ONLY}\n  steps: {{charge: {{again: 'yes'}}}}\n  hosts:"
        return text.replace("  hosts:", entry, 1) + f"runners: {{code: {json.dumps(self.engine())}}}\n"

    def calls(self) -> dict[str, Any]:
        """The calls of the Git host, as the catalog describes them."""
        url, keyed = self.world.url, {"key_header": "Idempotency-Key"}
        branch = {"branch": "{key}", "content": "{diff}", "message": "{title}"}
        pull = {"head": "{key}", "title": "{title}", "body": "{description}"}
        return {
            "calls": [
                {"url": url(BRANCHES), "body": branch} | keyed,
                {"url": url(PULLS), "body": pull, "request_id": "/number"} | keyed,
            ],
            "look": {
                "url": url(PULLS + "/{request.id}"),
                "value": "/merged",
                "merged": [True],
                "declined_value": "/state",
                "declined": ["closed"],
            },
        }

    def engine(self) -> dict[str, Any]:
        """The engine, as the catalog describes it."""
        phases = {"running": "running", "done": "succeeded", "failed": "failed"}
        rerun = {"effect": "keyed", "key_header": "Idempotency-Key", "body": {"latest": "{latest?}"}}
        return {
            "kind": "http",
            "look": {"url": self.world.url("/runs/{run.id}"), "status": "/state", "phases": phases, "fence": "/n"},
            "rerun_step": {"url": self.world.url("/runs/{run.id}/rerun")} | rerun,
        }
