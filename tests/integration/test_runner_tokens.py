"""Tokens of runners: fetched through the guard, kept in memory, sent to their engine alone, fetched again in time."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest

from consumer.catalog import HttpRunner, Secret, WorkflowPolicy
from consumer.model.call import EgressRefused, NotSent
from consumer.outbound.calls import open_calls
from consumer.runners.configured import ConfiguredRunners
from consumer.runners.contract import Accepted, LookFailed, Phase, Rejected, RerunStep, Runner, RunRef, RunState
from tests.support.healing import ORG, policy
from tests.support.worlds.http_world import Reply, Seen, World, http_world, json_reply

PASSWORD = 'p4ss"wörd & more'.replace("ö", "o")
TOKEN = "t0ken-that-was-issued-1"
AGAIN = "t0ken-that-was-issued-2"
RUN = RunRef(org_id=str(ORG), workflow_name="orders", run_id="run-1", step="charge")
SECOND = timedelta(seconds=1)
LOGIN: dict[str, Any] = {"by": "login", "body": {"username": "healer", "password": "secret://PASSWORD"}}
CLIENT: dict[str, Any] = {
    "by": "client_credentials",
    "client_id": "the healer",
    "client_secret": "secret://PASSWORD",
    "scope": "runs:write",
}
BOUND: dict[str, Any] = {"hosts": ("127.0.0.1",), "methods": ("POST",), "paths": ("/token",), "body": True}


class Place:
    """A runner with a token, and the world in which its engine and the token's server are."""

    def __init__(self, world: World, runner: Runner, allowed: WorkflowPolicy) -> None:
        self.world, self.runner, self.allowed = world, runner, allowed

    async def look(self, run: RunRef = RUN, within: timedelta = 5 * SECOND) -> RunState | LookFailed:
        return await self.runner.look(run, self.allowed, within=within)


@asynccontextmanager
async def place(
    world: World, token: dict[str, Any], *, secrets: tuple[str, ...] = ("PASSWORD",), **secret: object
) -> AsyncIterator[Place]:
    described = HttpRunner.model_validate(
        {
            "kind": "http",
            "token": token | {"url": world.url("/token")},
            "look": {
                "url": world.url("/runs/{run.id}"),
                "status": "/state",
                "progress": "/note",
                "phases": {"DONE": "succeeded"},
            },
            "rerun_step": {"url": world.url("/runs/{run.id}/rerun"), "body": {"step": "{run.step}"}},
        }
    )
    declared = {"PASSWORD": Secret.model_validate({"env": "TEST_ENGINE_PASSWORD"} | BOUND | secret)}
    async with open_calls(declared) as calls:
        allowed = policy(world.port, secrets=secrets).model_copy(update={"runner": "engine"})
        runner = ConfiguredRunners({"engine": described}, calls).of(allowed)
        assert runner is not None
        yield Place(world, runner, allowed)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("TEST_ENGINE_PASSWORD", PASSWORD)
    async with http_world() as running:
        running.on("/token", json_reply({"access_token": TOKEN, "expires_in": 3600}, 201))
        running.on("/runs/run-1", json_reply({"state": "DONE", "note": "n"}))
        running.on("/runs/run-1/rerun", json_reply({}))
        yield running


async def test_a_login_gives_a_token_that_every_call_carries(world: World) -> None:
    async with place(world, LOGIN) as here:
        assert await here.look() == RunState(phase=Phase.SUCCEEDED, said="DONE", progress="n")
        given = await here.runner.give(RerunStep(run=RUN), here.allowed, key="k", within=30 * SECOND)
    assert isinstance(given, Accepted)
    (login,) = world.calls("/token")
    assert login.json == {"username": "healer", "password": PASSWORD}
    assert login.headers["content-type"] == "application/json"
    assert "authorization" not in login.headers
    carried = [*world.calls("/runs/run-1"), *world.calls("/runs/run-1/rerun")]
    assert {seen.headers["authorization"] for seen in carried} == {f"Bearer {TOKEN}"}


async def test_client_credentials_are_sent_as_a_form(world: World) -> None:
    token = CLIENT | {"header": "x-engine-token", "scheme": ""}
    async with place(world, token) as here:
        assert isinstance(await here.look(), RunState)
    (asked,) = world.calls("/token")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert {name: values for name, (values,) in parse_qs(asked.body.decode(), strict_parsing=True).items()} == {
        "grant_type": "client_credentials",
        "client_id": "the healer",
        "client_secret": PASSWORD,
        "scope": "runs:write",
    }
    assert world.calls("/runs/run-1")[0].headers["x-engine-token"] == TOKEN


def jwt(**claims: int) -> str:
    parts = ({"alg": "HS256"}, claims)
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), "c2ln"])


@pytest.mark.parametrize(
    ("answer", "fetches"),
    [
        ({"access_token": TOKEN, "expires_in": 3600}, 1),
        ({"access_token": TOKEN, "expires_in": "3600"}, 1),
        ({"access_token": TOKEN, "expires_in": 0}, 3),
        ({"access_token": TOKEN, "expires_in": -5}, 3),
        ({"access_token": TOKEN, "expires_in": "soon"}, 1),
        ({"access_token": jwt(iat=1000, exp=90_000)}, 1),
        ({"access_token": jwt(iat=1000, exp=1000)}, 3),
        ({"access_token": jwt(exp=1000)}, 1),
        ({"access_token": "a.b.c"}, 1),
    ],
)
async def test_a_token_is_kept_as_long_as_it_lives_by_its_answer_or_by_itself(
    world: World, answer: dict[str, Any], fetches: int
) -> None:
    world.on("/token", json_reply(answer))
    async with place(world, LOGIN) as here:
        for _ in range(3):
            assert isinstance(await here.look(), RunState)
    assert len(world.calls("/token")) == fetches


async def test_a_token_is_not_used_in_the_last_minute_of_its_life(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.on("/token", json_reply({"access_token": TOKEN, "expires_in": 3600}), json_reply({"access_token": AGAIN}))
    passed = 0.0
    monkeypatch.setattr("consumer.outbound.tokens.monotonic", lambda: time.monotonic() + passed)
    async with place(world, LOGIN) as here:
        for passed in (0, 3530, 3545):  # noqa: B007 - read by the clock
            assert isinstance(await here.look(), RunState)
    used = [seen.headers["authorization"] for seen in world.calls("/runs/run-1")]
    assert used == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", f"Bearer {AGAIN}"]


async def test_a_token_that_the_engine_refuses_is_fetched_once_more(world: World) -> None:
    world.on("/token", json_reply({"access_token": TOKEN}), json_reply({"access_token": AGAIN}))

    def run(_: int, seen: Seen) -> Reply:
        return json_reply({}, 200 if seen.headers["authorization"] == f"Bearer {AGAIN}" else 401)

    world.on("/runs/run-1/rerun", run)
    async with place(world, LOGIN) as here:
        given = await here.runner.give(RerunStep(run=RUN), here.allowed, key="k", within=30 * SECOND)
        assert isinstance(given, Accepted)
    assert world.performed("/runs/run-1/rerun") == 1
    assert len(world.calls("/token")) == 2


@pytest.mark.parametrize(("age", "fetches"), [(3.0, 1), (90.0, 2)])
async def test_a_403_speaks_of_the_token_only_where_that_is_not_new(
    world: World, monkeypatch: pytest.MonkeyPatch, age: float, fetches: int
) -> None:
    passed = 0.0
    monkeypatch.setattr("consumer.outbound.tokens.monotonic", lambda: time.monotonic() + passed)
    async with place(world, LOGIN) as here:
        assert isinstance(await here.look(), RunState)
        world.on("/runs/run-1/rerun", json_reply({}, 403))
        passed = age
        given = await here.runner.give(RerunStep(run=RUN), here.allowed, key="k", within=30 * SECOND)
    assert isinstance(given, Rejected)
    assert len(world.calls("/token")) == len(world.calls("/runs/run-1/rerun")) == fetches


async def test_an_engine_that_refuses_every_token_is_asked_twice_and_no_more(world: World) -> None:
    world.on("/runs/run-1/rerun", json_reply({}, 401))
    async with place(world, LOGIN) as here:
        given = await here.runner.give(RerunStep(run=RUN), here.allowed, key="k", within=30 * SECOND)
    assert isinstance(given, Rejected)
    assert len(world.calls("/runs/run-1/rerun")) == len(world.calls("/token")) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_login_is_not_tried_again_at_once(world: World, status: int) -> None:
    world.on("/token", json_reply({"error": "no"}, status))
    async with place(world, LOGIN) as here:
        for _ in range(3):
            seen = await here.look()
            assert isinstance(seen, LookFailed)
            assert "no token" in seen.reason
            assert str(status) in seen.reason
            assert not seen.dependency_unhealthy
        given = await here.runner.give(RerunStep(run=RUN), here.allowed, key="k", within=30 * SECOND)
        assert isinstance(given, EgressRefused)
    assert len(world.calls("/token")) == 1
    assert not world.calls("/runs/run-1")


LIES = {
    "a page": Reply(body=b"<html>please sign in</html>", headers=(("Content-Type", "text/html"),)),
    "nothing": Reply(body=b""),
    "no token": json_reply({"token_type": "Bearer"}),
    "no text": json_reply({"access_token": 17}),
    "an empty one": json_reply({"access_token": ""}),
    "a header of its own": json_reply({"access_token": "a\r\nx-evil: 1"}),
    "no ASCII": json_reply({"access_token": "tökén-of-a-server"}),
    "a huge one": json_reply({"access_token": "x" * 20_000}),
    "half of one": Reply(body=b'{"access_token": "t0ken', cut=True),
    "ill": json_reply({"access_token": TOKEN}, 500),
    "busy": json_reply({"access_token": TOKEN}, 429),
    "dead": Reply(drop=True),
}


@pytest.mark.parametrize("lie", LIES)
async def test_without_a_token_nothing_of_the_order_is_sent(world: World, lie: str) -> None:
    world.on("/token", LIES[lie])
    async with place(world, LOGIN) as here:
        given = await here.runner.give(RerunStep(run=RUN), here.allowed, key="k", within=30 * SECOND)
    assert isinstance(given, NotSent)
    assert TOKEN not in given.reason
    assert not world.calls("/runs/run-1/rerun")


async def test_many_calls_at_once_fetch_one_token(world: World) -> None:
    world.on("/token", json_reply({"access_token": TOKEN}, after=0.05))
    async with place(world, LOGIN) as here:
        looks = await asyncio.gather(*(here.look() for _ in range(10)))
    assert all(isinstance(seen, RunState) for seen in looks)
    assert len(world.calls("/token")) == 1


async def test_a_server_that_does_not_answer_holds_no_call_beyond_its_time(world: World) -> None:
    world.on("/token", Reply(never=True))
    async with place(world, LOGIN) as here:
        looks = await asyncio.gather(*(here.look(within=0.3 * SECOND) for _ in range(5)))
    assert all(isinstance(seen, LookFailed) for seen in looks)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"secrets": ()}, "list it under the workflow's `secrets`"),
        ({"hosts": ("engine.example.com",)}, "may not be sent to 127.0.0.1"),
        ({"paths": ("/login",)}, "to the path /token"),
        ({"methods": ("GET",)}, "may not be sent with POST"),
        ({"body": False, "headers": ("authorization",)}, "`body: true`"),
        ({"organisations": (UUID(int=7),)}, "not allowed for this organisation"),
    ],
)
async def test_the_request_for_a_token_is_bound_as_every_call_is(
    world: World, changes: dict[str, Any], says: str
) -> None:
    async with place(world, LOGIN, **changes) as here:
        assert says in str(here.runner.refusal(RerunStep(run=RUN), here.allowed))
        seen = await here.look()
    assert isinstance(seen, LookFailed)
    assert says in seen.reason
    assert world.seen == []


async def test_a_token_serves_no_organisation_that_its_secret_is_not_for(world: World) -> None:
    async with place(world, LOGIN, organisations=(ORG,)) as here:
        assert isinstance(await here.look(), RunState)
        another = RunRef(org_id=str(UUID(int=9)), workflow_name="orders", run_id="run-1")
        seen = await here.look(another)
    assert isinstance(seen, LookFailed)
    assert len(world.calls("/runs/run-1")) == 1


async def test_a_secret_for_a_body_stands_in_no_header(world: World) -> None:
    async with open_calls(
        {"PASSWORD": Secret.model_validate({"env": "TEST_ENGINE_PASSWORD"} | BOUND | {"paths": "*", "methods": "*"})}
    ) as calls:
        described = HttpRunner.model_validate(
            {
                "kind": "http",
                "look": {
                    "url": world.url("/runs/{run.id}"),
                    "headers": {"x-key": "secret://PASSWORD"},
                    "status": "/state",
                    "phases": {"DONE": "succeeded"},
                },
            }
        )
        allowed = policy(world.port, secrets=("PASSWORD",)).model_copy(update={"runner": "engine"})
        runner = ConfiguredRunners({"engine": described}, calls).of(allowed)
        assert runner is not None
        seen = await runner.look(RUN, allowed, within=30 * SECOND)
    assert isinstance(seen, LookFailed)
    assert "may not stand in the header x-key" in seen.reason
    assert world.seen == []


async def test_neither_token_nor_password_is_shown_anywhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def echoing(_: int, seen: Seen) -> Reply:
        return json_reply({"state": "DONE", "note": seen.headers["authorization"]})

    world.on("/runs/run-1", echoing)
    world.on("/runs/run-1/rerun", lambda _, seen: json_reply({"you": seen.headers["authorization"]}, 400))
    with caplog.at_level(logging.DEBUG):
        async with place(world, LOGIN) as here:
            seen = await here.look()
            given = await here.runner.give(RerunStep(run=RUN), here.allowed, key="k", within=30 * SECOND)
            shown = repr((seen, given, vars(here.runner)))
    assert isinstance(seen, RunState)
    assert seen.progress == "Bearer secret://token"
    for secret in (TOKEN, PASSWORD):
        assert secret not in shown + caplog.text
        assert base64.b64encode(secret.encode()).decode() not in shown + caplog.text


async def test_a_token_does_not_follow_a_redirect_to_another_place(world: World) -> None:
    async with http_world() as elsewhere:
        elsewhere.on("/runs/run-1", json_reply({"state": "DONE"}))
        world.on("/runs/run-1", Reply(status=307, headers=(("Location", elsewhere.url("/runs/run-1")),)))
        async with place(world, LOGIN) as here:
            (host,) = here.allowed.hosts
            wide = host.model_copy(update={"ports": (world.port, elsewhere.port), "redirects": 1})
            here.allowed = here.allowed.model_copy(update={"hosts": (wide,)})
            assert isinstance(await here.look(), RunState)
        assert world.calls("/runs/run-1")[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in elsewhere.seen[0].headers
