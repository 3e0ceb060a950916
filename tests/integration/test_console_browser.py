"""The console in a real browser: journeys of who decides, what a screen reader meets, a phone, and no script of theirs.

`SHW_PICTURES=1` has the run write the pictures of the documentation.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.test_asset_api import SCRIPT, made
from tests.integration.test_console import asked_failure
from tests.integration.test_spend_api import two_days
from tests.support.api_world import World, serving
from tests.support.browser import DESKTOP, PHONE, Browser, open_browser
from tests.support.markup_payloads import PAYLOADS
from tests.support.media.pictures import photograph, saved
from tests.support.media.voices import tone, wav
from tests.support.pipeline import until

pytestmark = pytest.mark.needs_tool("chromium")

IMAGES = Path(__file__).parents[2] / "docs" / "images"
AXE = Path(__file__).parents[1] / "support" / "axe-core" / "axe.min.js"
SERIOUS = """
axe.run(document, {resultTypes: ['violations']}).then(found => found.violations
  .filter(one => one.impact === 'serious' || one.impact === 'critical')
  .map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | ')))
"""


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000, address_burst=100_000) as served:
        yield served


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    """Signed in as an owner, by the console's own form."""
    async with open_browser() as opened:
        await opened.show_as(DESKTOP)
        await opened.open(world.url)
        await opened.fill("Token", world.signed(exp=int(time.time()) + 3600).removeprefix("Bearer "))
        await opened.press("Sign in")
        yield opened
        assert opened.errors == []


async def keep_picture(browser: Browser, name: str) -> None:
    if os.environ.get("SHW_PICTURES") == "1":
        await browser.picture(IMAGES / f"{name}.png")


async def given_up(world: World, name: str, reason: str) -> str:
    context = json.dumps({"payload": {"guests": "4", "note": "window seat"}})
    failure_id = await world.failure(
        name, failure_reason=reason, workflow_name=name, status="given_up", due_at=None, step=1,
        failure_type="invalid_schema", context=context,
    )  # fmt: skip
    await world.attempt(
        failure_id, 0, "failed", code="refused", reason="two readings fit: /guests is 4, or four",
        repair={"patch": [{"op": "replace", "path": "/guests", "value": 4, "reason": "the schema wants an integer"}]},
        evidence=[{"oracle": "schema", "verdict": "failed", "detail": "/guests is no integer"}],
    )  # fmt: skip
    return str(failure_id)


async def test_an_owner_finds_understands_mends_heals_and_pauses(world: World, browser: Browser) -> None:
    for number in range(3):
        await given_up(world, f"reservation.{number}", f"guests: expected an integer, attempt {number}")
    await browser.open(world.url)
    await keep_picture(browser, "console-feed")
    # Found by what it came to, and understood on its own page.
    await browser.press("3 Given up")
    await browser.press("reservation.1")
    story = await browser.text()
    assert "two readings fit: /guests is 4, or four" in story
    assert "/guests is no integer" in story
    assert '"guests": 4' in story
    # Its input is mended, and the step runs again with it.
    await browser.unfold("Give it another input, and run it again")
    await browser.fill("The payload, as JSON", '{"guests": 4}')
    await browser.fill("Why", "the guest said four")
    await browser.press("Run again with this input")
    assert "new input is kept" in await browser.text()
    # Another one is healed as it is.
    await browser.open(f"{world.url}/?status=given_up")
    await browser.press("reservation.2")
    await browser.press("Heal now")
    assert "heal was asked for" in await browser.text()
    # And what does harm is paused, and resumed.
    await browser.press("Pauses")
    await browser.choose("Strategy", "auto-retry")
    await browser.fill("Why", "it books twice")
    await browser.press("Pause")
    await keep_picture(browser, "console-pauses")
    await browser.unfold("Resume healing")
    await browser.fill("Why it may go on", "mended")
    await browser.press("Resume now")
    assert "Nothing is paused" in await browser.text()
    # What failed of the same cause is counted, and then healed; its page looks again by itself.
    await browser.press("Causes")
    await keep_picture(browser, "console-causes")
    await browser.press("3 failures: Invalid schema")
    await browser.unfold("Heal all that failed of the same cause")
    await browser.fill("Why", "the form is mended")
    await browser.press("See how many")
    await browser.press("Heal all 1")
    assert await until(lambda: browser.shows("Stop: begin no more of them"))


async def test_an_owner_approves_and_denies_a_plan_on_a_phone(world: World, browser: Browser) -> None:
    await browser.show_as(PHONE)
    for button in ("Approve, and carry it out once", "Deny: nothing of it begins"):
        await asked_failure(world, button)
        await browser.open(world.url)
        await browser.press("1 Need your approval")
        await browser.press("checkout")
        await keep_picture(browser, "console-phone")
        await browser.fill("Why", "I looked")
        await browser.press(button)
        assert "is recorded" in await browser.text()
    answers = await world.pool.fetch("SELECT approves FROM heal_approval_answer ORDER BY answered_at")
    assert [row["approves"] for row in answers] == [True, False]


async def test_an_open_feed_tells_that_it_is_old_and_that_its_connection_is_lost(
    world: World, browser: Browser
) -> None:
    assert "Something has moved" not in await browser.text()
    await world.failure("new", workflow_name="just.now")
    assert await until(lambda: browser.shows("Something has moved since: show it"))
    await browser.press("Something has moved since: show it")
    assert "just.now" in await browser.text()
    assert "Something has moved" not in await browser.text()
    await browser.connect(is_online=False)
    assert await until(lambda: browser.shows("The connection is lost"))
    assert "just.now" in await browser.text()
    await browser.connect(is_online=True)
    assert await until(lambda: browser.hides("The connection is lost"))


async def test_an_owner_makes_an_incident_works_on_it_and_sees_what_healing_costs(
    world: World, browser: Browser
) -> None:
    for number in range(3):
        await given_up(world, f"reservation.{number}", f"guests: expected an integer, attempt {number}")
    await browser.press("Causes")
    await browser.press("Make it an incident of: guests: expected an integer, attempt 2")
    await browser.press("Acknowledge: I know of it")
    await browser.press("Take it")
    await browser.fill("Note something", "The form was changed on Friday: it sends words.")
    await browser.press("Keep the note")
    assert "it sends words" in await browser.text()
    await keep_picture(browser, "console-incident")
    await browser.unfold("Heal all of it")
    await browser.fill("Why they heal now", "the form is mended")
    await browser.press("See how many")
    await browser.press("Heal all 3")
    assert await until(lambda: browser.shows("Stop: begin no more of them"))
    await browser.press("Incidents")
    assert "owned by you" in await browser.text()
    await two_days(world)
    await browser.press("Spend")
    assert "The sums agree with the ledger." in await browser.text()
    await keep_picture(browser, "console-spend")
    await browser.press("7 days")
    assert "auto-retry" in await browser.text()


async def test_what_moved_while_the_connection_was_lost_is_told_once_it_is_back(world: World, browser: Browser) -> None:
    assert await until(lambda: watched_by(world, 1))
    await browser.connect(is_online=False)
    assert await until(lambda: browser.shows("The connection is lost"))
    await world.failure("meanwhile", workflow_name="while.away")
    assert "while.away" not in await browser.text()
    await browser.connect(is_online=True)
    assert await until(lambda: browser.hides("The connection is lost"))
    assert await until(lambda: browser.shows("Something has moved since: show it"))
    await browser.press("Something has moved since: show it")
    assert "while.away" in await browser.text()


async def watched_by(world: World, viewers: int) -> bool:
    return world.viewers() == viewers


async def test_the_counts_of_an_open_feed_move_without_a_reload(world: World, browser: Browser) -> None:
    assert await until(lambda: watched_by(world, 1))
    await world.failure("new", status="needs_person")
    assert await until(lambda: browser.shows("1\nNeed a person"))


async def test_no_page_has_a_serious_fault_for_a_screen_reader_and_none_is_wider_than_a_phone(
    world: World, browser: Browser
) -> None:
    pages = ["/", f"/failures/{await given_up(world, 'refused', 'no integer')}"]
    pages += [
        f"/failures/{await asked_failure(world)}",
        "/causes",
        "/pauses",
        "/incidents",
        await an_incident(world),
        "/spend",
        "/?status=resolved",
        "/failures/none",
        "/design",
    ]
    await world.pool.execute(
        "INSERT INTO heal_pause (id, org_id, reason, paused_by, starts_at)"
        " VALUES (gen_random_uuid(), $1, 'x', 'y', clock_timestamp())",
        world.org_id,
    )
    axe = await asyncio.to_thread(AXE.read_text)
    for path in pages:
        await browser.open(world.url + path)
        await browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        await browser.evaluate(axe)
        for scheme in ("light", "dark"):
            await browser.show_as(PHONE, scheme=scheme)
            assert await browser.evaluate(SERIOUS) == [], (path, scheme)
            assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def an_incident(world: World) -> str:
    await two_days(world)
    await world.failure("again", failure_reason="no answer", status="given_up", due_at=None)
    (case, *_) = (await world.get("/api/healing/causes"))["causes"]
    made = await world.ask("POST", "/api/healing/incidents", json={"failureId": case["newestId"]})
    where = f"/api/healing/incidents/{made.json()['id']}/acts"
    for note in ("It began with the release.", "\n".join(PAYLOADS)):
        assert (await world.ask("POST", where, json={"act": "note", "said": note[:4000]})).status_code == 200
    return f"/incidents/{made.json()['id']}"


async def test_no_payload_of_an_event_runs_in_a_browser(world: World, browser: Browser) -> None:
    for number, payload in enumerate(PAYLOADS):
        await world.failure(f"x{number}", failure_reason=payload, workflow_name=payload)
    whole = "\n".join(PAYLOADS)
    context = json.dumps({"payload": {"a": "1", "b": whole}})
    one = await world.failure("all", failure_reason=whole, status="given_up", due_at=None, step=1, context=context)
    await world.attempt(one, 0, "failed", code=whole, reason=whole, note=PAYLOADS)
    await browser.open(world.url + await an_incident(world))
    assert "onerror" in await browser.text()
    await browser.open(f"{world.url}/causes")
    assert "onerror" in await browser.text()
    await browser.open(world.url)
    assert "onerror" in await browser.text()
    await browser.press("Older")
    assert "alert(1)" in await browser.text()
    await browser.open(f"{world.url}/failures/{one}")
    assert await browser.evaluate("document.body.innerText.split('alert(1)').length") > 2 * len(PAYLOADS)


async def test_what_was_made_is_seen_and_heard_and_where_it_is_gone_no_picture_is_broken(
    world: World, browser: Browser
) -> None:
    shown = "(async () => { const image = document.querySelector('main img'); image.loading = 'eager';"
    shown += " await image.decode(); return [image.naturalWidth, image.complete]; })()"
    failure_id = await made(world, saved(photograph(), "PNG"))
    await browser.open(f"{world.url}/failures/{failure_id}")
    assert await browser.evaluate(shown) == [256, True]
    await browser.evaluate("document.getElementById('tried').scrollIntoView()")
    await keep_picture(browser, "console-asset")
    # A drawing is drawn, and its script runs neither in the page nor alone.
    drawn = await made(world, SCRIPT, "drawn", "image/svg+xml")
    await browser.open(f"{world.url}/failures/{drawn}")
    assert (await browser.evaluate(shown))[1] is True
    voice = await made(world, wav(tone(220.0)), "voice", "audio/wav")
    await browser.open(f"{world.url}/failures/{voice}")
    heard = "new Promise(done => { const sound = document.querySelector('audio'); sound.preload = 'auto';"
    heard += " sound.onloadedmetadata = () => done(sound.duration > 0); sound.onerror = () => done(false);"
    heard += " sound.load(); })"
    assert await browser.evaluate(heard) is True
    world.healer.files.clear()
    await browser.open(f"{world.url}/failures/{failure_id}")
    assert await browser.evaluate(shown) == [480, True]
    await browser.open(f"{world.url}/failures/{voice}")
    assert await browser.evaluate(heard) is False
    assert await until(lambda: browser.shows("It is not there any more"))
