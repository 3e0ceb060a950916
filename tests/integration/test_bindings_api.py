"""Owners and admins see over the API where the calls of their organisation go; nobody sees another's."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.support.api_world import LEADERS, OTHERS, World, serving

BOUND = """
INSERT INTO heal_binding (org_id, dependency, workflow_name, state, candidate, changed_at, lease_until, ejected_until,
       ejections, answered, failed, shunned, version, reason, evidence, probe_due)
VALUES ($1, 'translate', 'w', 'whole', 'second', now(), now() + interval '1 minute', now(), 1, 3, 0, '{}', 2,
        'answered with Bearer sk_live_51Habcdefghijklmnopqrstuv', '[{"source": "health", "says": "ill"}]', now())
"""


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        await served.pool.execute(BOUND, served.org_id)
        await served.pool.execute(BOUND, uuid4())
        yield served


@pytest.mark.parametrize("person", LEADERS)
async def test_who_leads_sees_where_the_calls_go_and_no_secret(world: World, person: str) -> None:
    (shown,) = (await world.get("/api/healing/bindings", person))["bindings"]
    assert (shown["orgId"], shown["state"], shown["candidate"]) == (str(world.org_id), "whole", "second")
    assert shown["evidence"] == [{"source": "health", "says": "ill"}]
    assert "sk_live" not in str(shown)


@pytest.mark.parametrize("person", OTHERS)
async def test_who_leads_nothing_sees_nothing(world: World, person: str) -> None:
    assert (await world.get("/api/healing/bindings", person))["bindings"] == []
