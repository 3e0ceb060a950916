"""Every boundary killed or stopped, with everything else going wrong beside it, compared afterwards by an oracle.

`SHW_FAULT_MATRIX=full` makes every combination; an ordinary run makes every boundary with SIGKILL, every fourth one
with SIGSTOP, and every disturbance at some of them. The run's summary says how many faults were injected.
"""

import signal
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.faults.ground import BUDGET, WINDOW, at_rest, judge, publish_all_kinds, successor
from tests.support.faults.matrix import AT_THE_FAULT, Cell, Injury, Servers, cells, disturbed, writes
from tests.support.faults.producers import NOT_JSON, Producers
from tests.support.faults.proxied import behind_proxies
from tests.support.pipeline import Process, Site, process, until
from tests.support.worlds.http_world import World


@pytest.mark.parametrize("cell", cells(), ids=str)
async def test_a_fault_loses_nothing_and_repeats_nothing(
    cell: Cell, ground: Site, own_servers: Servers, world: World, tmp_path: Path, faults: Counter[str]
) -> None:
    org = await ground.organisation(BUDGET)
    producers = Producers(place=ground, world=world, org=org, counted=faults)
    names = await publish_all_kinds(ground, world, org, writes(cell.disturbance, producers))
    async with behind_proxies(ground, own_servers.kafka) as proxies:
        if cell.boundary == "taken over":
            await _leave_claims_behind(proxies.place, tmp_path / "earlier")
        injury = Injury(servers=own_servers, proxies=proxies, producers=producers, counted=faults)
        async with disturbed(cell.disturbance, injury), AsyncExitStack() as stack:
            path = "/unsafe" if cell.number is signal.SIGKILL else "/keyed"
            acts = {"at": cell.boundary, "signal": cell.number.name, "window": str(WINDOW), "path": path}
            struck = await stack.enter_async_context(process(proxies.place, tmp_path / "struck", **acts))
            await _is_struck(struck, cell.number)
            faults[f"{cell.number.name} {cell.boundary}"] += 1
            running = await stack.enter_async_context(successor(proxies.place))
            if cell.disturbance in AT_THE_FAULT:
                await AT_THE_FAULT[cell.disturbance](injury)
                await ground.db.expire_connections()
            proxies.be_well()
            await until(lambda: at_rest(running, ground, len(names)))
            before = await _rows(ground)
            if cell.number is signal.SIGSTOP:
                await _comes_back_and_leaves(struck)
                await until(lambda: at_rest(running, ground, len(names)))
            assert await _rows(ground) == before, "who came back too late wrote something"
            await until(ground.all_committed)
            await until(lambda: at_rest(running, ground, len(names)))  # the last records may have been dead letters
    await judge(ground, world, org, names, injury.decided, {NOT_JSON, *producers.letters})


async def _leave_claims_behind(behind: Site, log: Path) -> None:
    """Let a process die with claims, and its lease and windows pass."""
    async with process(behind, log, at="before", path="/unsafe", window=str(WINDOW)) as earlier:
        await _is_struck(earlier, signal.SIGKILL)
    await behind.time_passes()


async def _is_struck(struck: Process, number: signal.Signals) -> None:
    if number is signal.SIGKILL:
        assert await struck.ended() == -signal.SIGKILL, struck.last_lines
    else:
        await until(struck.is_stopped)


async def _comes_back_and_leaves(stopped: Process) -> None:
    stopped.tell(signal.SIGCONT)
    stopped.tell(signal.SIGTERM)
    assert await stopped.ended() == 0, stopped.last_lines


async def _rows(ground: Site) -> list[tuple[object, ...]]:
    """What must not change any more."""
    rows = await ground.db.fetch("SELECT id, status FROM workflow_failures WHERE status <> 'pending' ORDER BY id")
    attempts = await ground.db.fetch("SELECT id, result, details FROM workflow_heal_attempts ORDER BY id")
    return [tuple(row) for row in (*rows, *attempts)]
