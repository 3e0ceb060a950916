"""Failures that keep coming, with faults and people among them, so that every dashboard has something to show."""

import asyncio
import itertools
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

import httpx2

from consumer.demo.assets import HERO, REFUSED, SPEECH, asset_cases
from consumer.demo.billing import billing_cases
from consumer.demo.cases import Case, EventForm, Wave, demo_cases
from consumer.demo.catalog import SOURCE
from consumer.demo.consumer_process import ConsumerProcess
from consumer.demo.crowd import SERVICE, Crowd
from consumer.demo.drift import drift_events
from consumer.demo.held_back import held_back_cases
from consumer.demo.poison import demo_poison
from consumer.demo.publish import Inbound, lose_an_answer, open_inbound
from consumer.demo.refunds import refund_cases
from consumer.demo.stage import Stage
from consumer.demo.stalls import stall_cases
from consumer.demo.studio import HERO_PROMPT
from consumer.local.progress import to_stderr
from consumer.model import JsonObject
from dashboards.people import Doors, People, people_at
from schemas.envelope import Envelope
from schemas.failure import FAILURE_TYPE

ROUND: Final = 5.0
"""Seconds between two rounds of the same failures."""
ROUNDS_OF_ACTS: Final = 24
"""Rounds after which outage, kill and poison come again."""
ROUNDS_OF_PEOPLE: Final = 8
"""Rounds after which people do the same again."""
THRIFTY_AUD: Final = "0.30"
"""Wallet of an organisation that runs short within some minutes: one picture costs A$0.02."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Publishes the demo's failures over and over, takes a service down, kills a replica, and lets people act."""

    place: Stage
    replicas: tuple[ConsumerProcess, ...]
    doors: Doors

    async def run(self) -> None:
        """Go on until cancelled."""
        await lose_an_answer(self.place.world)
        thrifty = await _found_thrifty(self.place)
        async with (
            open_inbound(self.place.kafka, self.place.connection, self.place.organisations) as inbound,
            people_at(self.replicas[0], self.place, inbound, self.doors) as people,
        ):
            for number in itertools.count():
                await self._publish(inbound, number, thrifty)
                await self._play(inbound, number)
                try:
                    await _let_act(people, number)
                except httpx2.HTTPError as error:  # a replica under load answers late: the next round comes
                    to_stderr(f"round {number}: the API did not answer as it should: {error!r}")
                await asyncio.sleep(ROUND)

    async def _publish(self, inbound: Inbound, number: int, thrifty: UUID) -> None:
        """Publish each failure of the demo's first wave anew, and those of other stories as often as each can bear."""
        paying = self.place.organisations.paying
        first = [case for case in demo_cases(self.place.world, self.place.organisations) if case.wave is Wave.FIRST]
        cases = first
        if number == 1:
            cases += billing_cases(paying)
        if number % ROUNDS_OF_PEOPLE == 1:
            stalls = stall_cases(paying)
            cases += [*stalls, replace(stalls[0], name="stalls.odd", reason="It did not work this time")]
        if number % 2 == 0:
            cases += [*held_back_cases(self.place.world, paying), *_pictures(paying, number)]
            cases += _pictures(thrifty, number)[:1]
        if number % 4 == 0:
            cases += refund_cases(self.place.world, paying)
        for case in cases:
            if case.way is EventForm.MEMBER:
                await inbound.deliver(replace(case, deliveries=1))
        await inbound.bring_at_once([_anew(case) for case in cases if case.way is not EventForm.MEMBER])

    async def _play(self, inbound: Inbound, number: int) -> None:
        match number % ROUNDS_OF_ACTS:
            case 2:
                await inbound.poison(demo_poison(SOURCE, self.place.organisations.paying))
                await inbound.bring_at_once(drift_events(self.place.organisations.paying))
            case 6:
                self.place.world.take_down(SERVICE)
                await inbound.bring_at_once(
                    Crowd(world=self.place.world, org_id=self.place.organisations.crowded).events()
                )
            case 12:
                self.place.world.bring_up(SERVICE)
            case 16:
                await self.replicas[-1].kill()
            case 18:
                await self.replicas[-1].start()
            case _:
                pass


async def _let_act(people: People, number: int) -> None:
    match number % ROUNDS_OF_PEOPLE:
        case 1 | 5:
            await people.answer_plans()
        case 2:
            await people.pause()
        case 3:
            await people.knock()
        case 4:
            await people.resume()
        case 6:
            await people.heal_many()
        case 7:
            await people.command()
        case _:
            pass


async def _found_thrifty(place: Stage) -> UUID:
    org_id = uuid4()
    await place.connection.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Thrifty & Co')", org_id)
    await place.connection.execute(
        "INSERT INTO token_wallets (org_id, text_budget_aud, voice_budget_aud) VALUES ($1, $2::text::numeric, 0)",
        org_id,
        THRIFTY_AUD,
    )
    return org_id


def _pictures(org_id: UUID, number: int) -> list[Case]:
    """Return failures of pictures and a voice that no earlier round has mended, and of one that nobody may make."""
    cases = []
    for case in asset_cases(org_id):
        asset = case.context["asset"]
        if isinstance(asset, dict) and case.name in {HERO, SPEECH}:
            own: JsonObject = {"id": f"{org_id.hex[:6]}-{number}-{asset['id']}"}
            own["prompt"] = f"{HERO_PROMPT}, {org_id.hex[:6]} {number}"
            cases.append(replace(case, context={"asset": asset | own}))
        elif case.name == REFUSED:
            cases.append(case)
    return cases


def _anew(case: Case) -> Envelope:
    data: JsonObject = {
        "org_id": str(case.org_id),
        "workflow_name": case.name,
        "failure_reason": case.reason,
        "context": case.context,
    }
    return Envelope(id=f"evt-{case.name}-{uuid4().hex}", source=SOURCE, type=FAILURE_TYPE, subject=case.name, data=data)
