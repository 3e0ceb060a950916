"""An un-keyed call is not made where its event tells of a try before the last one that may have run."""

from schemas.names import Status
from tests.support.pipeline import NEVER_LEFT, Site, call, event
from tests.support.worlds.http_world import World, json_reply


async def test_only_the_call_of_which_every_try_provably_did_not_run_is_made(place: Site, world: World) -> None:
    reasons = {
        "lost": "attempt 1: socket hang up; attempt 2: connect ECONNREFUSED 10.0.0.5:443",
        "untold": "failed after 3 attempts: connect ECONNREFUSED 10.0.0.5:443",
        "told": "attempt 1: ECONNREFUSED; attempt 2: connect ECONNREFUSED 10.0.0.5:443",
        "single": "connect ECONNREFUSED 10.0.0.5:443",
    }
    org = await place.organisation()
    for name, reason in reasons.items():
        world.on(f"/{name}", json_reply({"ok": True}))
        context = call(world.url(f"/{name}"), "POST", body={"a": 1}, error=NEVER_LEFT)
        await place.publish(event(org, name, workflow_name=name, failure_reason=reason, context=context))
    async with place.consumer() as running:
        rows = await running.settled(len(reasons))
    calls = {name: len(world.calls(f"/{name}")) for name in reasons}
    assert calls == {"lost": 0, "untold": 0, "told": 1, "single": 1}
    resolved = {name for name, row in rows.items() if row["status"] == Status.RESOLVED}
    assert resolved == {"told", "single"}
