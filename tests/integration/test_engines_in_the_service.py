"""Runs of Airflow and Conductor through the whole service, over recorded answers: repaired, run again, proven, told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumer.model import JsonObject
from consumer.model.edit import edit_context
from schemas.edit import Edit
from tests.support.pipeline import Site, event
from tests.support.worlds.engine_site import engine_catalog_text, refused, told
from tests.support.worlds.http_world import Reply, Seen, World, json_reply
from tests.support.worlds.recorded import recorded

SECRETS: dict[str, Any] = {
    "ENGINE": {
        "env": "TEST_ENGINE_PASSWORD",
        "hosts": ["127.0.0.1"],
        "methods": ["POST"],
        "paths": ["/auth/token"],
        "body": True,
    }
}
TOKEN = "t0ken-that-was-issued-to-the-healer"
PASSWORD = "p4ssword-of-the-engine"


@pytest.fixture
def engine(world: World, catalog_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Declare an engine of a kind, with a token, as the one of all workflows."""
    monkeypatch.setenv("TEST_ENGINE_PASSWORD", PASSWORD)
    world.on("/auth/token", json_reply({"access_token": TOKEN, "expires_in": 3600}))

    def declare(kind: str, step: str) -> None:
        login = {"username": "healer", "password": "secret://ENGINE"}
        token = {"by": "login", "url": world.url("/auth/token"), "body": login}
        runner = {"kind": kind, "api": world.url("/api"), "token": token}
        runner |= {"inputs": {"orders.load": {"task": "extract"}}} if kind == "airflow" else {}
        catalog_file.write_text(engine_catalog_text(world.port, runner, step, SECRETS))

    return declare


def signed_in(world: World, path: str, reply: Callable[[Seen], Reply]) -> None:
    """Answer at a path who carries the token, and nobody else."""
    world.on(
        path,
        lambda _, seen: reply(seen) if seen.headers.get("authorization") == f"Bearer {TOKEN}" else json_reply({}, 401),
    )


def airflow_world(world: World) -> str:
    """A run that stands at its failure until it is cleared, and has succeeded then; gives its id."""
    failed, success = recorded("airflow", "failed"), recorded("airflow", "success")
    run_id = str(failed["run"]["dag_run_id"])
    path, cleared = f"/api/dags/orders/dagRuns/{run_id}", "/api/dags/orders/clearTaskInstances"

    def now() -> dict[str, Any]:
        found: dict[str, Any] = success if world.performed(cleared) else failed
        return found

    signed_in(world, path, lambda _: json_reply(now()["run"]))
    signed_in(world, f"{path}/taskInstances", lambda _: json_reply(now()["tasks"]))
    signed_in(world, cleared, lambda _: json_reply(recorded("airflow", "cleared")))
    signed_in(
        world,
        f"{path}/taskInstances/extract/xcomEntries/return_value",
        lambda _: json_reply(recorded("airflow", "xcom_patched")),
    )
    return run_id


def conductor_world(world: World) -> str:
    """The same of Conductor."""
    failed, completed = recorded("conductor", "failed"), recorded("conductor", "completed")
    run_id = str(failed["workflowId"])
    path = f"/api/workflow/{run_id}"
    signed_in(world, path, lambda _: json_reply(completed if world.performed(f"{path}/rerun") else failed))
    signed_in(world, f"{path}/rerun", lambda _: Reply(body=run_id.encode(), headers=(("Content-Type", "text/plain"),)))
    return run_id


ENGINES: dict[str, tuple[Callable[[World], str], list[str]]] = {
    "airflow": (airflow_world, ["PATCH return_value", "POST clearTaskInstances"]),
    "conductor": (conductor_world, ["POST rerun"]),
}
STEPS = [("airflow", "load"), ("conductor", "charge")]


@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_a_failed_run_is_healed_with_another_input_under_a_token(
    embedded_place: Site,
    world: World,
    engine: Callable[[str, str], None],
    kind: str,
    step: str,
) -> None:
    begin, orders = ENGINES[kind]
    engine(kind, step)
    run_id = begin(world)
    org = await embedded_place.organisation("1")
    await embedded_place.publish(refused(org, "orders", run_id, step, {"amount": "42"}))
    async with embedded_place.consumer() as running:
        rows = await running.settled(1)
    result = await told(embedded_place, "orders")
    assert (result["result"], result["strategy"]) == ("success", "schema-autofix"), result
    assert [row["status"] for row in rows.values()] == ["resolved"]
    sent = [f"{seen.method} {seen.path.rsplit('/', 1)[1]}" for seen in world.seen if seen.method != "GET"]
    assert sent == ["POST token", *orders]
    changed = next(seen.json for seen in world.seen if seen.method != "GET" and not seen.path.endswith("/token"))
    assert {"amount": 42} in changed.values()
    shown = repr(await embedded_place.results())
    assert TOKEN not in shown
    assert PASSWORD not in shown


REASONS = {"route-repair": "The run is stuck: no progress", "auto-retry": "upstream answered 503"}


@pytest.mark.parametrize("strategy", ["route-repair", "auto-retry"])
@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_a_failed_step_is_run_again_with_the_input_that_a_person_gave_it(
    embedded_place: Site,
    world: World,
    engine: Callable[[str, str], None],
    kind: str,
    step: str,
    strategy: str,
) -> None:
    begin, orders = ENGINES[kind]
    engine(kind, step)
    run_id = begin(world)
    org = await embedded_place.organisation("1")
    context: JsonObject = {"run": {"id": run_id, "step": step}, "payload": {"amount": 41}}
    edit = Edit(issued_by="ann", org_id=org, failure_id=org, payload={"amount": 42})
    edited = edit_context(context, edit, "token").context
    await embedded_place.publish(
        event(org, run_id, workflow_name="orders", failure_reason=REASONS[strategy], context=edited)
    )
    async with embedded_place.consumer() as running:
        rows = await running.settled(1)
    result = await told(embedded_place, "orders")
    assert (result["result"], result["strategy"]) == ("success", strategy), result
    assert [row["status"] for row in rows.values()] == ["resolved"]
    sent = [f"{seen.method} {seen.path.rsplit('/', 1)[1]}" for seen in world.seen if seen.method != "GET"]
    assert sent == ["POST token", *orders]
    changed = next(seen.json for seen in world.seen if seen.method != "GET" and not seen.path.endswith("/token"))
    assert {"amount": 42} in changed.values()
    if strategy == "route-repair":
        assert result["details"]["route"]["changed"]["input"] == "given"
