"""What the demo's healer holds back: a workflow that is paused for a while, and one in shadow mode."""

import asyncio
from functools import partial
from typing import Final
from uuid import UUID

from consumer.demo.acts import Scene
from consumer.demo.cases import HEALED, Case, Expected
from consumer.demo.patience import PATIENCE
from consumer.demo.state import Look
from consumer.demo.world import World
from consumer.model import JsonObject
from consumer.model.pause import PauseReach, PauseRequest
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from consumer.results.events import Outlet
from consumer.results.pauses import pause_message
from consumer.store.pauses import TellPause, pause, resume
from schemas.names import Code, Result, Status

PAUSED: Final = "mailings.daily"
SHADOWED: Final = "newsletters.weekly"
_REASON: Final = "the mail provider is being moved"


def held_back_cases(world: World, org_id: UUID) -> tuple[Case, ...]:
    """Return the failures that are held back: one is healed once its pause is over, one is left to a person."""
    shadow = Expected(status=Status.NEEDS_PERSON, result=Result.FAILED, code=Code.SHADOW, says="shadow mode")
    return (
        Case(
            name=PAUSED,
            org_id=org_id,
            reason="Request timeout: GET /products/mailings",
            context=_read(world, "/products/mailings"),
            expected=HEALED,
        ),
        Case(
            name=SHADOWED,
            org_id=org_id,
            reason="Request timeout: GET /products/newsletters",
            context=_read(world, "/products/newsletters"),
            expected=shadow,
        ),
    )


async def pause_mailings(scene: Scene) -> UUID:
    """Pause a workflow; once this returns, none of its heals begins."""
    request = PauseRequest(reach=PauseReach(workflow_name=PAUSED), reason=_REASON, by="the demo")
    connection = scene.place.connection
    async with connection.transaction():
        made = await pause(connection, request, _tell(scene))
    await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
    scene.view.say(f"{PAUSED} is paused: {_REASON}")
    return made.pauses[0].id


async def resume_mailings(scene: Scene, pause_id: UUID) -> bool:
    """Resume it; returns whether it was held, unhealed and unattempted, until then."""

    def is_held(look: Look) -> bool:
        found = look.of(PAUSED)
        return found is not None and found.status == Status.PENDING and not found.healing

    held = await scene.board.until(is_held, PATIENCE)
    connection = scene.place.connection
    async with connection.transaction():
        await resume(connection, pause_id, by="the demo", reason="it is moved", tell=_tell(scene))
    scene.view.say(f"{PAUSED} is resumed; {SHADOWED} is in shadow mode: what would be done is told, and not done")
    return held


def _tell(scene: Scene) -> TellPause:
    return partial(pause_message, outlet=Outlet.of(scene.place.kafka))


def _read(world: World, path: str) -> JsonObject:
    return {"request": {"method": "GET", "url": world.url("search", path), "headers": {}}}
