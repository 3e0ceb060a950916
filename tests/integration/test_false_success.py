"""A 2xx that says that it failed heals nothing, on the whole service; an honest one beside it does."""

from tests.support import oracle
from tests.support.pipeline import Site, call, event
from tests.support.worlds.http_world import Reply, World, json_reply

LIES = {
    "soap": Reply(
        body=b"<e:Envelope xmlns:e='x'><e:Body><e:Fault/></e:Body></e:Envelope>",
        headers=(("Content-Type", "text/xml"),),
    ),
    "grpc": Reply(headers=(("Content-Type", "application/grpc"), ("grpc-status", "14"))),
    "problem": Reply(body=b'{"status": 409}', headers=(("Content-Type", "application/problem+json"),)),
    "events": Reply(body=b"event: error\ndata: {}\n\n", headers=(("Content-Type", "text/event-stream"),)),
    "envelope": json_reply({"success": "false"}),
    "accepted": Reply(status=202, headers=(("Location", "/jobs/7"),)),
}
HONEST = {
    "order": json_reply({"id": 7, "status": "failed", "error": None}),
    "page": Reply(body=b"<h1>Welcome</h1>", headers=(("Content-Type", "text/html"),)),
}


async def test_a_failure_inside_a_2xx_is_told_as_unverified_and_an_honest_answer_as_a_success(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place
    org = await place.organisation()
    replies = LIES | HONEST
    for name, reply in replies.items():
        world.on(f"/{name}", reply)
    await place.publish(
        *(event(org, name, workflow_name=name, context=call(world.url(f"/{name}"))) for name in replies)
    )
    async with place.consumer() as running:
        rows = await running.settled(len(replies))
    assert {name for name, row in rows.items() if row["status"] == "resolved"} == set(HONEST)
    told = await oracle.everything_that_ended_was_told(place)
    results = {
        (one["data"]["workflow_name"], one["data"].get("code"))
        for one in told
        if one["type"] == "workflow.heal_result.v1"
    }
    assert {(name, code) for name, code in results if name in LIES} == {(name, "unverified") for name in LIES}
