"""G9 on real parts: secrets of every shape, planted in every place, are found nowhere but in the raw dead letters."""

import asyncio
import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2 as httpx
import jwt
import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from consumer.api.server import serve
from consumer.cli.main import run_command
from consumer.logs import configure
from consumer.service.api import create_whole_api
from consumer.settings import ApiSettings
from schemas.dead_letter import PREFIX
from schemas.json_text import MAX_DEPTH
from tests.support.pipeline import Read, Running, Site, call, catalog, environment_of, event, until
from tests.support.plain_logs import log_plainly
from tests.support.planted import PLANTED, Planted
from tests.support.sinks import COMMANDS, WORDS, Stored
from tests.support.worlds.http_world import Reply, World, json_reply

SIGNING: Final = "a secret of the tests that is long enough for HS256"
Captured = pytest.CaptureFixture[str]
Found = dict[str, str]
"""Everything that left, by where."""


class Healthy:
    """Stands for the process around the API."""

    def ages(self) -> dict[str, timedelta]:
        return {}

    def reasons_not_ready(self) -> tuple[str, ...]:
        return ()

    def notes(self) -> tuple[str, ...]:
        return ()


@pytest.fixture
def log_lines() -> Iterator[io.BytesIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.BytesIO()
    configure("debug", stream)
    yield stream
    log_plainly()
    root.handlers[:] = handlers
    root.setLevel(level)


def told_everywhere(planted: Planted, org: UUID, n: int) -> dict[str, Any]:
    """An event with a secret in every place where text may stand; its request is not touched, and fails."""
    text = planted.text
    told = event(
        org,
        f"everywhere-{n} {text}"[:2000],
        workflow_name=f"everywhere-{n} {text}",
        failure_reason=f"request timeout: {text} was refused\nsee {text}",
        context={
            "error": {"message": f"403 {text}", "code": "ETIMEDOUT", "body": json.dumps({"said": text})},
            "nested": [{"deep": {"er": [text, {"note": f"({text})"}]}}],
            "twice": json.dumps({"inner": json.dumps({"note": text})}),
            text: "a name is a text too",
            "run": {"id": f"run-{n}", "epoch": 1, "step": text},
            "dependency": {"name": text},
        },
        a_field_of_tomorrow={"note": text},
    )
    return told | {"subject": text[:100], "tracestate": "v=1", "myattribute": text, "dataschema": f"urn:{text}"}


def touched(planted: Planted, world: World) -> dict[str, dict[str, Any]]:
    """Contexts whose request, payload or hand-over holds a secret, by the path that has to be named."""
    url, text = world.url("/never"), planted.text
    named = {
        "/context/request/url": call(f"{url}?a=1&access_token={quote(planted.core)}"),
        "/context/resume/headers/Authorization": call(
            url, resume={"url": url, "headers": {"Authorization": planted.core}}
        ),
    }
    if planted.only_random:
        return named
    return named | {
        "/context/request/headers/X-Note": call(url, headers={"X-Note": text.replace("\n", " ")}),
        "/context/request/body/note": call(url, "PUT", body={"note": text}),
        "/context/request/body": call(url, "PUT", body=f"<note>{text}</note>"),
    }


def poison(planted: Planted, org: UUID) -> list[tuple[bytes, list[tuple[str, bytes]]]]:
    text = planted.text
    good = event(org, "poison")
    bad: list[Any] = [
        good | {"data": good["data"] | {"org_id": text}},
        good | {"data": good["data"] | {"detected_at": text}},
        good | {"data": good["data"] | {"context": text}},
        good | {"type": text, "id": "2"},
        good | {"source": f"urn:stranger:{text}"},
        good | {"time": text},
        good | {"id": "3", "data": good["data"] | {"org_id": str(uuid4()), "failure_reason": text}},
        good | {"id": "4\0", "data": good["data"] | {"context": {text: ""}}},
        good | {"id": "5", "data": good["data"] | {"context": _deep(text)}},
    ]
    values: list[tuple[bytes, list[tuple[str, bytes]]]] = [(json.dumps(one).encode(), []) for one in bad]
    binary = [("ce_specversion", b"1.0"), (f"ce_{text}", b"\xff"), ("authorization", text.encode())]
    return [*values, (f"not JSON: {text}".encode(), []), (json.dumps(good["data"]).encode(), binary)]


def _deep(text: str) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        value = {text: value}
    return value


def answers(planted: Planted, world: World, n: int) -> dict[str, dict[str, Any]]:
    """Calls that are really made, and whose answer brings a secret in its body and its headers."""
    line = planted.text.replace("\n", " ")
    headers = (("Set-Cookie", f"sid={quote(planted.core)}"), ("Location", line), ("X-Note", line))
    moved = world.url(f"/elsewhere?access_token={quote(planted.core)}")
    said = {"note": planted.text, planted.text: [planted.text], "inner": json.dumps({"token": planted.core})}
    world.on(f"/well/{n}", json_reply(said, headers=headers))
    world.on(f"/text/{n}", Reply(body=f"so: {planted.text}".encode(), headers=(("Content-Type", "text/plain"),)))
    world.on(f"/ill/{n}", json_reply({"error": said}, 500, headers=headers))
    world.on(f"/moved/{n}", Reply(status=302, headers=(("Location", moved),)))
    other = {"json": [{"path": "/note", "equals": "something else"}]}
    return {
        f"well-{n}": call(world.url(f"/well/{n}")),
        f"text-{n}": call(world.url(f"/text/{n}")),
        f"ill-{n}": call(world.url(f"/ill/{n}")),
        f"moved-{n}": call(world.url(f"/moved/{n}")),
        f"other-{n}": call(world.url(f"/well/{n}"), expect=other),
    }


async def publish_all(place: Site, world: World, org: UUID) -> int:
    """Publish every secret in every place; gives how many failures have to come of it."""
    accepted = 0
    for n, planted in enumerate(PLANTED.values()):
        key, headers = planted.text.encode(), [("x-note", planted.text.encode())]
        state = [("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
        state.append(("tracestate", f"v={planted.text}".replace("\n", " ").encode()))
        good = [told_everywhere(planted, org, n)]
        good += [event(org, name, workflow_name=name, context=it) for name, it in answers(planted, world, n).items()]
        await place.publish(*good, key=key, headers=headers + state)
        attributes = {"specversion": b"1.0", "id": b"b%d" % n, "source": b"urn:test", "type": b"workflow.failure.v1"}
        binary = [(f"ce_{name}", value) for name, value in attributes.items()] + [("ce_note", planted.text.encode())]
        await place.publish(event(org, workflow_name=f"binary-{n}")["data"], key=key, headers=binary)
        accepted += len(good) + 1
        for value, own in poison(planted, org):
            await place.publish(value, key=key, headers=[*headers, *own])
    return accepted


async def tables(place: Site) -> Found:
    """Every column of every table, as text."""
    names = await place.db.fetch(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    found = {name[0]: await place.db.fetch(f"SELECT t::text FROM {name[0]} AS t") for name in names}
    return {f"table {name}": "\n".join(row[0] for row in rows) for name, rows in found.items()}


async def topics(place: Site, letters: list[Read]) -> Found:
    """What was produced: results whole, and of dead letters what the healer added."""
    kafka = place.settings.kafka
    results = [f"{one.key!r} {one.headers!r} {one.value.decode()}" for one in await place.read(kafka.results_topic)]
    added = [f"{name} {said!r}" for one in letters for name, said in one.headers.items() if name.startswith(PREFIX)]
    return {"results": "\n".join(results), "marks of dead letters": "\n".join(added)}


async def api(place: Site, running: Running, org: UUID) -> Found:
    """Every answer of the API, errors included."""
    user = uuid4()
    await place.db.execute("INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, 'owner')", user, org)
    settings = ApiSettings(jwt_secret=SecretStr(SIGNING), heal_wait=timedelta(milliseconds=50))
    app = create_whole_api(running.consumer, settings, Healthy())
    claims = {"sub": str(user), "aud": "authenticated", "exp": int(time.time()) + 60}
    signed = {"Authorization": f"Bearer {jwt.encode(claims, SIGNING, algorithm='HS256')}"}
    paths = ["/api/healing/failures?limit=1000", "/api/healing/stats", "/metrics", "/readyz", "/healthz"]
    for row in (await place.db.fetch("SELECT id FROM workflow_failures ORDER BY workflow_name"))[::3]:
        whole = f"/api/healing/failures/{row['id']}"
        paths += [whole, f"{whole}/attempts", f"{whole}/story"]
    paths += ["/api/healing/feed?limit=100", "/api/healing/feed/counts"]
    for planted in PLANTED.values():
        text = quote(planted.text, safe="")
        paths += [f"/api/healing/failures?orgId={text}", f"/api/healing/failures/{text}", f"/{text}"]
    failure = await place.db.fetchval("SELECT id FROM workflow_failures ORDER BY id LIMIT 1")
    found: Found = {}
    async with (
        serve(app, "127.0.0.1", 0) as url,
        httpx.AsyncClient(base_url=url, headers=signed, trust_env=False) as client,
    ):
        for path in paths:
            answer = await client.get(path)
            found[f"GET {path[:60]}"] = f"{dict(answer.headers)} {answer.text}"
        for planted in PLANTED.values():
            answer = await client.post("/api/healing/heal", json={"failureId": planted.text})
            found[f"heal {planted.core}"] = answer.text
        for path, body in _orders(str(org), str(failure)):
            answer = await client.post(f"/api/healing/{path}", json=body)
            found[f"POST {path}"] = f"{dict(answer.headers)} {answer.text}"
        opened = await client.post("/api/healing/incidents", json={"failureId": str(failure)})
        incident = f"incidents/{opened.json()['id']}"
        for path, body in (("acts", {"act": "note", "said": WORDS}), ("heal", {"reason": WORDS})):
            answer = await client.post(f"/api/healing/{incident}/{path}", json=body)
            found[f"POST {incident}/{path}"] = f"{answer.status_code} {answer.text}"
        for path in ("causes", "incidents", incident, "pauses", f"failures/{failure}/plan", f"bulks/{uuid4()}"):
            found[f"GET {path}"] = (await client.get(f"/api/healing/{path}")).text
    return found


def _orders(org: str, failure: str) -> list[tuple[str, dict[str, Any]]]:
    """What a person asks for over the API, with a reason that holds every secret."""
    answer = {"planHash": "0" * 64, "step": 1, "reason": WORDS}
    return [
        ("pauses", {"orgId": org, "workflowName": "nothing-here", "reason": WORDS}),
        (f"pauses/{uuid4()}/resume", {"reason": WORDS}),
        (f"failures/{failure}/plan/approve", answer),
        (f"failures/{failure}/plan/deny", answer),
        (f"failures/{failure}/edit", {"body": {"note": WORDS}, "reason": WORDS}),
        ("bulks", {"orgId": org, "action": "give_up", "reason": WORDS, "filter": {"workflowName": "nothing-here"}}),
        (f"bulks/{uuid4()}/start", {}),
        (f"bulks/{uuid4()}/stop", {}),
    ]


async def cli(place: Site, letters: list[Read], org: UUID, out: Captured, patch: pytest.MonkeyPatch) -> Found:
    """What the commands print of it all, in both of their forms."""
    for name, value in environment_of(place.settings).items():
        patch.setenv(name, value)
    rows = await place.failures()
    ids = [str(rows[name]["id"]) for name in rows]
    stored = Stored(
        failures=tuple(ids[:: max(1, len(ids) // 6)]),
        letters=tuple(f"{one.partition}:{one.offset}" for one in letters[:: max(1, len(letters) // 6)]),
        org=str(org),
    )
    commands = [
        [*name.split(), *arguments]
        for name, how in COMMANDS.items()
        if not isinstance(how, str)
        for arguments in how(stored)
    ]
    found: Found = {}
    out.readouterr()
    for command in commands:
        await asyncio.to_thread(run_command, command)
        said = out.readouterr()
        place_of = " ".join(command[:3])[:80]
        found[place_of] = found.get(place_of, "") + said.out + said.err
    questions = [told_everywhere(planted, org, 1) for planted in PLANTED.values()]
    lines = [json.dumps(one["data"]) for one in questions]
    whole = event(org, failure_reason=" ".join(lines), context={str(n): one for n, one in enumerate(questions)})
    for name, given in (("diagnose", "\n".join(lines)), ("check-event", json.dumps(whole))):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        await asyncio.to_thread(run_command, [name])
        said = out.readouterr()
        assert said.out
        found[name] = found.get(name, "") + said.out + said.err
    return found


def forms(core: str) -> tuple[str, ...]:
    """A secret as it may stand somewhere: as it is, in JSON, in a URL, in bytes that are shown as hexadecimal."""
    return core, json.dumps(core)[1:-1], quote(core), quote(core, safe=""), core.encode().hex()


def leaks(found: Found) -> list[str]:
    return [
        f"{shape} in {where}: ...{text[max(0, text.find(form) - 80) : text.find(form) + 80]!r}"
        for shape, planted in PLANTED.items()
        for where, text in found.items()
        for form in forms(planted.core)
        if form in text
    ]


async def test_a_planted_secret_is_found_nowhere_but_in_the_raw_dead_letter(
    embedded_place: Site,
    world: World,
    log_lines: io.BytesIO,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = embedded_place
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(catalog(world.port, attempts="1").replace("source: '*'", "source: 'urn:test*'"))
    org = await place.organisation("1000")
    accepted = await publish_all(place, world, org)
    refused = len(PLANTED) * len(poison(PLANTED["basic"], org))
    async with place.consumer() as running:
        await running.settled(accepted)
        letters = await until(lambda: _letters(place, refused))
        found = await tables(place) | await topics(place, letters)
        found |= await api(place, running, org)
        found["metrics"] = generate_latest(running.registry).decode()
    found |= await cli(place, letters, org, capsys, monkeypatch)
    found |= {f"{name}, decided": text for name, text in (await tables(place)).items()}
    found["log"] = log_lines.getvalue().decode()
    found["settings"] = repr(place.settings)
    assert sorted({one.split(": ...")[0].split(" in ", 1)[1] for one in leaks(found)}) == [], leaks(found)[:3]
    # The search works: what must keep them does, and what must not is there, with the mark where they stood.
    raw = "\n".join(letter.value.decode(errors="replace") for letter in letters)
    assert {shape for shape, it in PLANTED.items() if any(form in raw for form in forms(it.core))} == set(PLANTED)
    assert "[redacted]" in found["table public.heal_decision, decided"]
    assert found["table public.workflow_failures"].count("[redacted]") > 10 * len(PLANTED)
    assert found["table public.workflow_heal_attempts"].count("[redacted]") > len(PLANTED)
    assert len(world.calls("/well/0")) >= 2
    assert found["log"].count("\n") > accepted


async def _letters(place: Site, number: int) -> list[Read]:
    letters = await place.letters()
    return letters if len(letters) >= number else []


async def test_what_redaction_touched_is_refused_with_its_path_and_never_sent(
    embedded_place: Site, world: World
) -> None:
    place, org, expected = embedded_place, await embedded_place.organisation("1000"), {}
    for n, (shape, planted) in enumerate(PLANTED.items()):
        for k, (path, context) in enumerate(touched(planted, world).items()):
            name = f"{shape.replace(' ', '-')}-{k}"
            expected[name] = path
            await place.publish(event(org, f"{n} {k}", workflow_name=name, context=context))
    async with place.consumer() as running:
        rows = await running.settled(len(expected))
    assert world.seen == []
    said = {
        row["workflow_name"]: json.loads(row["details"])["reason"]
        for row in await place.db.fetch(
            "SELECT f.workflow_name, a.details FROM workflow_heal_attempts a"
            " JOIN workflow_failures f ON f.id = a.failure_id ORDER BY a.step DESC"
        )
    }
    for name, path in expected.items():
        assert rows[name]["status"] == "given_up", name
        assert json.loads(rows[name]["redactions"])[0] == path
        assert f"{path} was redacted and cannot be sent: use secret://NAME there" in said[name]
        assert f"list {path.removeprefix('/context')} under no_secret of the workflow in the catalog" in said[name]


async def test_what_only_looks_random_is_sent_and_what_the_catalog_declares_is(
    embedded_place: Site, world: World
) -> None:
    place, org = embedded_place, await embedded_place.organisation("1000")
    assert place.settings.catalog is not None
    text = catalog(world.port).replace("  hosts:", "  no_secret: [/request/body/token]\n  hosts:")
    assert "no_secret" in text
    place.settings.catalog.write_text(text)
    random = PLANTED["random"].core
    bodies: dict[str, Any] = {"random": {"cursor": random}, "declared": {"token": "open-sesame-97", "n": 1}}
    for name, body in bodies.items():
        world.on(f"/{name}", json_reply({"ok": True}))
        await place.publish(event(org, name, workflow_name=name, context=call(world.url(f"/{name}"), "PUT", body=body)))
    async with place.consumer() as running:
        rows = await running.settled(len(bodies))
        shown = await api(place, running, org)
    assert {name: rows[name]["status"] for name in bodies} == dict.fromkeys(bodies, "resolved")
    for name, body in bodies.items():
        (one,) = world.calls(f"/{name}")
        assert json.loads(one.body) == body
    # The question that a text answers is another one: what is shown is redacted where it is in doubt.
    assert not [where for where, said in shown.items() if random in said or "open-sesame-97" in said]
