"""dependency-replacement through the topic: a provider dies, its calls go to what stands in for it, and back."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from tests.support.pipeline import Read, Running, Site, event, until
from tests.support.worlds.http_world import http_world
from tests.support.worlds.providers import Providers

TYPE = "workflow.dependency_binding.v1"


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with http_world() as world:
        yield Providers(world=world)


@pytest.fixture
def place(embedded_place: Site, providers: Providers) -> Site:
    return with_catalog(embedded_place, providers.catalog())


def with_catalog(place: Site, text: str) -> Site:
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(text)
    return place


def failed_call(providers: Providers, org: UUID, n: int, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    context = {
        "error": {"http_status": 503},
        "request": {
            "method": "POST",
            "url": providers.world.url("/first/translate"),
            "body": {"q": f"text {n}"},
            "effect": "none",
        }
        | request,
    }
    name = f"w{org.hex[:6]}.{n:03}"
    return event(org, name, workflow_name=name, failure_reason="upstream answered 503", context=context)


async def bindings(place: Site) -> list[dict[str, Any]]:
    """What the results topic says of bindings, in order."""
    read: list[Read] = await place.read(place.settings.kafka.results_topic)
    return [one.event["data"] for one in read if one.event["type"] == TYPE]


async def back(running: Running, providers: Providers) -> None:
    """Wait until the calls go to the first again, and that is told."""

    async def is_back() -> bool:
        told = await bindings(running.place)
        return bool(told) and told[-1]["state"] == "first"

    assert not providers.dead
    await until(is_back)


async def test_a_dead_provider_is_replaced_and_comes_back(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    providers.dead = True
    await place.publish(*(failed_call(providers, org, n) for n in range(8)))
    async with place.consumer() as running:
        rows = await running.settled(8)
        assert {row["status"] for row in rows.values()} == {"resolved"}
        assert providers.called("first") == 0
        assert providers.called("second") == 8
        providers.dead = False
        await back(running, providers)
    told = await bindings(place)
    states = [one["state"] for one in told]
    assert states[0] == "canary"
    assert [state for n, state in enumerate(states) if state != states[n - 1] or not n] == [
        "canary",
        "whole",
        "returning",
        "first",
    ]
    assert {said["source"] for said in told[0]["evidence"] if said["says"] == "ill"} >= {"failure", "health"}
    assert json.dumps(told).count("secret://") == 0
