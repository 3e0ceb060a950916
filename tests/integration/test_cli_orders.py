"""`shw bulk` and `shw edit`: an operator does by hand what a supervisor commands."""

import asyncio
import json
from pathlib import Path

from tests.integration.test_bulk import FirstLater, all_deferred, is_done
from tests.support.pipeline import Site, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.scripted import scripted


async def _shw(place: Site, *arguments: str) -> Ran:
    return await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))


async def test_a_bulk_is_previewed_started_and_shown(embedded_place: Site) -> None:
    place, strategy = embedded_place, FirstLater()
    async with place.consumer(scripted(strategy)):
        org = await place.organisation()
        await place.publish(*(event(org, f"a{n}", workflow_name=f"w{n}") for n in range(3)))
        await until(lambda: all_deferred(place, 3))
        said = ("--action", "heal", "--org", str(org), "--code", "retry_later", "--reason", "it is back", "--by", "Ann")
        ran = await _shw(place, "bulk", "preview", *said)
        assert ran.code == 0, ran.err
        bulk_id = ran.out.decode().strip()
        assert "3 failures are frozen" in ran.err
        assert "0.15" in ran.err
        assert not strategy.heals
        ran = await _shw(place, "bulk", "start", bulk_id, "--by", "Ann")
        assert ran.code == 0, ran.err
        await until(lambda: is_done(place))
    ran = await _shw(place, "bulk", "show", bulk_id, "--outcomes", "--json")
    whole, *each = map(json.loads, ran.out.splitlines())
    assert (whole["state"], whole["failures"], whole["healed"], whole["by"]) == ("done", 3, 3, "Ann (shw:operator)")
    assert [(one["outcome"], one["result"]) for one in each] == [("accepted", "success")] * 3
    assert bulk_id.encode() in (await _shw(place, "bulk", "list")).out
    ran = await _shw(place, "bulk", "start", bulk_id)
    assert (ran.code, "it has ended" in ran.err) == (1, True)
    ran = await _shw(place, "bulk", "stop", str(org))
    assert (ran.code, "No bulk" in ran.err) == (1, True)


async def test_a_step_is_edited_by_hand(embedded_place: Site, tmp_path: Path) -> None:
    place, strategy = embedded_place, FirstLater()
    given = tmp_path / "payload.json"
    given.write_text('{"qty": 3}')
    async with place.consumer(scripted(strategy)):
        org = await place.organisation()
        await place.publish(event(org, "a", workflow_name="w", context={"payload": {"qty": "many"}}))
        await until(lambda: all_deferred(place, 1))
        failure = str(await place.db.fetchval("SELECT id FROM workflow_failures"))
        ran = await _shw(place, "edit", failure, "--body", str(given), "--reason", "counted")
        assert (ran.code, "no context.request" in ran.err) == (1, True)
        ran = await _shw(place, "edit", failure, "--payload", str(given), "--reason", "counted", "--by", "Ann")
        assert ran.code == 0, ran.err

        async def is_healed() -> bool:
            return await place.count("workflow_failures WHERE resolved") == 1

        await until(is_healed)
    assert json.loads(await place.db.fetchval("SELECT context FROM workflow_failures"))["payload"] == {"qty": 3}
    ran = await _shw(place, "edit", failure, "--reason", "x")
    assert ran.code == 2
