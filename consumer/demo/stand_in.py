"""The demo's act of a stand-in: a provider is dead, its calls go to what stands in for it, and back."""

import asyncio
from collections.abc import Sequence
from typing import Final

from consumer.demo.acts import Scene
from consumer.demo.cases import Case
from consumer.demo.patience import PATIENCE
from consumer.demo.translations import FIRST, SECOND, StandIn
from consumer.demo.world import World
from schemas.dependency_binding import BindingState

_REST: Final = 0.1
_STATE: Final = "SELECT state FROM heal_binding WHERE dependency = $1"


def lose_provider(world: World) -> None:
    """Take the provider down, and count its calls from now on."""
    world.take_down(FIRST)
    world.record.watch_anew(FIRST)


async def play_return(scene: Scene, cases: Sequence[Case]) -> StandIn:
    """Wait until what stands in has answered, bring the provider back, and wait until its calls go to it again."""
    world, record = scene.place.world, scene.place.world.record
    await scene.board.until(
        lambda look: all((one := look.of(case.name)) is not None and one.status == "resolved" for case in cases),
        PATIENCE,
    )
    most = record.most_at_once[FIRST]
    answered = record.calls[SECOND]
    scene.view.say(f"{FIRST} is dead: {SECOND} stood in with {answered} calls, never more than {most} at a time to it")
    world.bring_up(FIRST)
    back = await _is_back(scene)
    scene.view.say(f"{FIRST} is well: calls go to it again" if back else f"{FIRST} is well, and nothing goes to it")
    return StandIn(most_at_once=most, back=back)


async def _is_back(scene: Scene) -> bool:
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE.total_seconds()
    while clock() < deadline:
        if await scene.place.connection.fetchval(_STATE, FIRST) == BindingState.FIRST:
            return True
        await asyncio.sleep(_REST)
    return False
