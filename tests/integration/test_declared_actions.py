"""Declared actions through the whole service: each a rung of its own, capped, and proven by its look alone."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support import oracle
from tests.support.pipeline import Site, catalog, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.http_world import Reply, Seen, World, json_reply

DAY = "P1D"


class Cluster:
    """What workflows run on: a cache with a version, workers with a count of starts, runs with a memory class."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.state: dict[str, Any] = {"cache": 1, "worker": 1, "class": "small"}
        self.lies = False
        world.on("/state", lambda _n, _seen: json_reply(self.state))
        world.on("/flush", self._counted("cache"))
        world.on("/restart", self._counted("worker"))
        world.on("/class", self._classed)
        world.on("/orders", lambda _n, _seen: json_reply({"id": 17}, 200 if self.state["cache"] > 1 else 503))

    def _counted(self, name: str) -> Any:  # noqa: ANN401 - a script
        def script(_n: int, _seen: Seen) -> Reply:
            self.state[name] += 0 if self.lies else 1
            return json_reply({"status": "done"})

        return script

    def _classed(self, _n: int, seen: Seen) -> Reply:
        self.state["class"] = seen.json["class"]
        return json_reply({})

    def actions(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of each action
        def declared(path: str, value: str, **besides: Any) -> dict[str, Any]:  # noqa: ANN401
            look = {"url": self.world.url("/state"), "value": f"/{value}"}
            call = {"url": self.world.url(path)} | besides.pop("call", {})
            own = {"call": call, "read_back": look, "cap": {"starts": 100, "within": DAY}, "verify": "PT2S"}
            return own | besides | more

        larger = {"small": "medium", "medium": "large"}
        return {
            "flush-cache": declared("/flush", "cache"),
            "restart-worker": declared("/restart", "worker", heals=True),
            "more-memory": declared(
                "/class",
                "class",
                larger=larger,
                call={"method": "PUT", "body": {"class": "{larger}", "run": "{run.id}"}, "effect": "idempotent"},
            ),
        }


@pytest.fixture
def cluster(world: World) -> Cluster:
    return Cluster(world)


@pytest.fixture
def place(embedded_place: Site, declared: Path) -> Site:
    assert declared.is_file()
    return embedded_place


@pytest.fixture
def declared(cluster: Cluster, catalog_file: Path) -> Path:
    declare(catalog_file, cluster)
    return catalog_file


def declare(
    catalog_file: Path,
    cluster: Cluster,
    *,
    more: dict[str, Any] | None = None,
    ladders_of: str | None = None,
    **policy: str,
) -> None:
    ladders = {
        "api_timeout": ["action:flush-cache", "auto-retry"],
        "workflow_stall": ["action:restart-worker"],
        "unknown": ["action:more-memory", "auto-retry"],
    }
    ladders = {kind: rungs for kind, rungs in ladders.items() if ladders_of in (None, kind)}
    named = {rung.removeprefix("action:") for rungs in ladders.values() for rung in rungs}
    actions = {name: one for name, one in cluster.actions(**(more or {})).items() if name in named}
    text = catalog(cluster.world.port, ladders=json.dumps(ladders), **policy)
    catalog_file.write_text(text + f"actions: {json.dumps(actions)}\n")


def timed_out(org: UUID, name: str, cluster: Cluster) -> dict[str, Any]:
    request = {"method": "GET", "url": cluster.world.url(f"/orders?{name}"), "timeout_seconds": 5}
    return event(
        org, name, workflow_name=name, failure_reason="Request timeout after 30 s", context={"request": request}
    )


def stuck(org: UUID, name: str) -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason="The run is stuck: no progress", context={})


def out_of_memory(org: UUID, name: str, cluster: Cluster, reason: str) -> dict[str, Any]:
    request = {"method": "GET", "url": cluster.world.url(f"/made?{name}")}
    return event(
        org, name, workflow_name=name, failure_reason=reason, context={"run": {"id": name}, "request": request}
    )


async def told(place: Site) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in await place.results():
        if one["type"] == HEAL_RESULT_TYPE:
            found.setdefault(one["data"]["workflow_name"], []).append(one["data"])
    return found


async def test_an_action_is_a_rung_of_its_own_and_the_next_one_heals(place: Site, cluster: Cluster) -> None:
    org = await place.organisation("1")
    await place.publish(timed_out(org, "flushed", cluster))
    async with place.consumer() as running:
        rows = await running.settled(1)
    first, second = (await told(place))["flushed"]
    assert rows["flushed"]["status"] == "resolved"
    assert (first["strategy"], first["code"], first["details"]["action"]["name"]) == (
        "route-repair",
        "not_healed",
        "flush-cache",
    )
    assert [(one["oracle"], one["verdict"]) for one in first["evidence"]] == [("read_back", "passed")]
    assert (second["strategy"], second["result"]) == ("auto-retry", "success")
    assert cluster.world.performed("/flush") == 1


async def test_an_action_that_heals_is_believed_by_its_look_alone(place: Site, cluster: Cluster) -> None:
    org = await place.organisation("1")
    await place.publish(stuck(org, "restarted"))
    async with place.consumer() as running:
        assert (await running.settled(1))["restarted"]["status"] == "resolved"
        cluster.lies = True
        await place.publish(stuck(org, "lied"))
        rows = await running.settled(2)
    results = await told(place)
    assert [one["result"] for one in results["restarted"]] == ["success"]
    assert rows["lied"]["status"] == "needs_person", "its call carries no key: whether it was done nobody knows"
    assert "nothing shows that it was done" in results["lied"][-1]["details"]["reason"]
    assert cluster.world.performed("/restart") == 2


async def test_a_cap_holds_over_organisations_and_consumers(place: Site, cluster: Cluster, declared: Path) -> None:
    declare(declared, cluster, more={"cap": {"starts": 1, "within": DAY}})
    orgs = [await place.organisation("1"), await place.organisation("1")]
    await place.publish(stuck(orgs[0], "first"))
    async with place.consumer() as running:
        await running.settled(1)
    await place.publish(stuck(orgs[1], "second"))
    async with place.consumer() as running:
        rows = await running.settled(2)
    assert {name: row["status"] for name, row in rows.items()} == {"first": "resolved", "second": "deferred"}
    assert cluster.world.performed("/restart") == 1


async def test_what_ran_out_of_memory_gets_the_next_larger_class_once_and_never_beyond_the_largest(
    place: Site, cluster: Cluster
) -> None:
    org = await place.organisation("1")
    cluster.world.on(
        "/made", lambda _n, _seen: json_reply({"id": 1}, 503 if cluster.state["class"] == "small" else 200)
    )
    await place.publish(out_of_memory(org, "grown", cluster, "Container killed: OOMKilled (exit 137)"))
    async with place.consumer() as running:
        assert (await running.settled(1))["grown"]["status"] == "resolved"
        assert cluster.state["class"] == "medium"
        cluster.state["class"] = "large"
        await place.publish(out_of_memory(org, "largest", cluster, "Process killed with exit code 137"))
        await running.settled(2)
        await place.publish(out_of_memory(org, "other", cluster, "Something went wrong here"))
        await running.settled(3)
    results = await told(place)
    assert [one["strategy"] for one in results["grown"]] == ["route-repair", "auto-retry"]
    assert results["grown"][0]["details"]["action"] | {"call": ""} == {
        "name": "more-memory",
        "evidence": results["grown"][0]["details"]["action"]["evidence"],
        "class": "small",
        "larger": "medium",
        "call": "",
    }
    assert "no larger one is declared" in results["largest"][0]["details"]["reason"]
    assert results["largest"][0]["code"] == "needs_person"
    assert all(one["details"].get("action") is None for one in results["other"])
    assert cluster.state["class"] == "large"
    assert cluster.world.performed("/class") == 1
    assert all(seen.json["run"] == "grown" for seen in cluster.world.calls("/class"))


async def test_an_action_costs_what_is_declared_and_waits_for_a_yes(
    place: Site, cluster: Cluster, declared: Path
) -> None:
    approval = {"strategies": ["action:restart-worker"], "valid_for": "PT1H"}
    declare(declared, cluster, more={"cost_aud": "0.03"}, approval=json.dumps(approval))
    org = await place.organisation("1")
    await place.publish(stuck(org, "asked"))
    async with place.consumer() as running:

        async def is_asked() -> bool:
            return await place.count("workflow_failures WHERE status = 'awaiting_approval'") == 1

        await until(is_asked)
        assert not cluster.world.performed("/restart")
        asked = await place.db.fetchrow("SELECT failure_id, plan_hash, step, strategy, plan FROM heal_approval")
        assert asked is not None
        assert asked["strategy"] == "action:restart-worker"
        assert json.loads(asked["plan"])["action"] == "restart-worker"
        assert json.loads(asked["plan"])["price_ceiling_aud"] == "0.03"
        where = (str(asked["failure_id"]), "--hash", asked["plan_hash"], "--step", str(asked["step"]))
        ran = await asyncio.to_thread(
            shw, "approve", *where, "--by", "Ann", "--reason", "fine", settings=environment_of(place.settings)
        )
        assert ran.code == 0, ran.err

        async def is_done() -> bool:
            return await place.count("workflow_failures WHERE status = 'resolved'") == 1

        await until(is_done)
        await running.settled(1)
    assert cluster.world.performed("/restart") == 1
    left = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    assert left == Decimal("0.97")
    await oracle.credits_add_up(place, {org: "1"})
