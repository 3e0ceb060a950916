"""A workflow whose definition is broken, in the registry, with a model that mends it, and one that attacks it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from consumer.workflows.catalogue import ActionSpec
from consumer.workflows.definition import Definition
from consumer.workflows.execution import execute
from consumer.workflows.runs import Ending
from tests.support.pipeline import Database, catalog
from tests.support.workflows.orders import CATALOGUE, DEFINITION, SERVICE, failing_run, good_run
from tests.support.worlds.chat_world import ChatWorld, Said, uses
from tests.support.worlds.http_world import Reply, Seen, World, json_reply

WORKFLOW: Final = "orders"
MENDED: Final[list[dict[str, Any]]] = [{"op": "add", "path": "/steps/2/retries", "value": 2}]
"""The charge that was turned away once is tried again."""
REASON: Final = "step charge of the workflow went wrong in a way that nothing explains"
REMOVES_ASSERTION: Final[list[dict[str, Any]]] = [{"op": "remove", "path": "/steps/2/assertion"}, *MENDED]


START: Final = "/definitions/runs"


@dataclass(slots=True, kw_only=True)
class RunsEngine:
    """The engine of the registry's workflows: it really executes a definition that comes with the order to run it.

    What its actions answer is what was recorded of the failing run. A key starts one run, however often it comes.
    """

    world: World
    looks: int = 0
    """How often a run still runs when it is looked at, before it shows how it ended."""
    after: float = 0.0
    """Seconds that the answer to an order takes."""
    always: str = ""
    """How every run ends, whatever its definition: for a canary that fails."""
    fails: str = ""
    """Name in a definition all of whose runs fail."""
    started: list[dict[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    _runs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.on(START, self._start)

    def runner(self) -> str:
        """Its declaration in the catalog."""
        url = self.world.url
        return json.dumps(
            {
                "kind": "http",
                "start_run": {
                    "url": url(START),
                    "body": {"definition": "{definition}", "of": "{definition.replaces}", "input": "{input}"},
                    "effect": "keyed",
                    "key_header": "Idempotency-Key",
                    "new_run": "/id",
                },
                "terminate": {"url": url("/runs/{run.id}/end"), "effect": "idempotent"},
                "look": {
                    "url": url("/runs/{run.id}"),
                    "status": "/state",
                    "phases": {"completed": "succeeded", "failed": "failed", "running": "running"},
                },
            }
        )

    def _start(self, _: int, seen: Seen) -> Reply:
        known = self._runs.get(seen.key)
        if known is None:
            known = self._runs[seen.key] = f"run-{len(self._runs) + 1}"
            self.started.append(seen.json)
            self.world.on(f"/runs/{known}/end", lambda _, __: self._end(known))
            looked = [json_reply({"state": "running"})] * self.looks
            self.world.on(f"/runs/{known}", *looked, json_reply({"state": self._ends(seen.json)}))
        return json_reply({"id": known}, after=self.after)

    def _ends(self, order: Mapping[str, Any]) -> str:
        if self.fails and order["definition"]["name"] == self.fails:
            return "failed"
        return self.always or ending(order)

    def _end(self, run_id: str) -> Reply:
        self.ended.append(run_id)
        return json_reply({})


def ending(order: Mapping[str, Any]) -> str:
    """How a run of a definition really ends."""
    run = failing_run(input=order["input"])
    actions = {name: ActionSpec.model_validate(spec) for name, spec in CATALOGUE.items()}
    ran = execute(Definition.from_json(order["definition"]), run, actions)
    return "completed" if ran.ending is Ending.COMPLETED else "failed"


@dataclass(slots=True, kw_only=True)
class Model:
    """A scripted model: what it answers in each state; it proposes its patches in turn, and the last one again."""

    patches: list[list[dict[str, Any]]] = field(default_factory=lambda: [MENDED])
    gives_up_at: str = ""
    states: list[str] = field(default_factory=list)

    def __call__(self, _: int, body: Mapping[str, Any]) -> Said:
        state = state_asked(body)
        self.states.append(state)
        if state == self.gives_up_at:
            return uses("final_result_GivesUp", reason="the definition is not at fault")
        match state:
            case "understand":
                return uses("final_result_Understood", hypothesis="a charge is not tried again", look_at=["charge"])
            case "collect" if self.states.count("collect") == 1:
                return uses("step", step_id="charge")
            case "collect":
                return uses("final_result_Collected", findings="no retries", cause="charge fails once")
            case "propose":
                n = self.states.count("propose")
                operations = self.patches[min(n, len(self.patches)) - 1]
                return uses("final_result_Patch", operations=operations, hypothesis="tried again", risk="low")
            case _:
                return uses("final_result", verdict="accept")


def state_asked(body: Mapping[str, Any]) -> str:
    """The state in which the agent asks, by its instructions."""
    told = json.dumps(body["messages"][0])
    return next((name for name in ("understand", "collect", "propose") if f"State: {name}" in told), "criticise")


def rewrite_catalog(chat: ChatWorld, runs: RunsEngine | None = None, **agent: object) -> str:
    """A catalog whose one entry has an agent, under approval; with an engine that runs what is approved."""
    fields: dict[str, object] = {
        "api": chat.api,
        "model": "scripted",
        "price": {"input_aud": 1, "output_aud": 4},
        "tokens": {"failure": 100_000},
        "bytes_per_token": 2,
        "catalogue": {"actions": CATALOGUE, "engines": [SERVICE]},
    } | agent
    rungs = "{DeepAgent-full-workflow-rewrite: {allowance_aud: 0.5}}"
    policy = {"agent": json.dumps(fields), "approval": "{money: true}", "rungs": rungs}
    if runs is None:
        return catalog(chat.world.port, **policy)
    whole = catalog(chat.world.port, runner="registry", **policy)
    return whole.replace("workflows:", f"runners:\n  registry: {runs.runner()}\nworkflows:")


def registered() -> dict[str, Any]:
    """The registry's document of the workflow."""
    run = good_run().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"definition": DEFINITION, "goodRuns": [run]}


async def register(db: Database, org: UUID, config: object | None = None, name: str = WORKFLOW) -> None:
    """Put the workflow into the platform's registry."""
    await db.execute(
        "INSERT INTO deep_agent_workflows (org_id, workflow_name, config) VALUES ($1, $2, $3::jsonb)",
        org,
        name,
        json.dumps(registered() if config is None else config),
    )


def failed_context(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """The context of a failure whose run was recorded."""
    run = failing_run().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"workflow": {"version": "1", "failing_run": run}} | more
