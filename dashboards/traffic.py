"""Failures that keep coming, with faults among them, so that every dashboard has something to show."""

import asyncio
import itertools
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from consumer.demo.cases import Case, EventForm, Wave, demo_cases
from consumer.demo.catalog import SOURCE
from consumer.demo.consumer_process import ConsumerProcess
from consumer.demo.crowd import SERVICE, Crowd
from consumer.demo.drift import drift_events
from consumer.demo.poison import demo_poison
from consumer.demo.publish import Inbound, lose_an_answer, open_inbound
from consumer.demo.stage import Stage
from consumer.model import JsonObject
from schemas.envelope import Envelope
from schemas.failure import FAILURE_TYPE

ROUND: Final = 5.0
"""Seconds between two rounds of the same failures."""
ROUNDS_OF_ACTS: Final = 24
"""Rounds after which outage, kill and poison come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Publishes the demo's failures over and over, takes a service down, and kills a replica now and then."""

    place: Stage
    replicas: tuple[ConsumerProcess, ...]
    acts: bool = True
    """Whether services go down and replicas are killed, too."""

    async def run(self) -> None:
        """Go on until cancelled."""
        await lose_an_answer(self.place.world)
        async with open_inbound(self.place.kafka, self.place.connection, self.place.organisations) as inbound:
            for number in itertools.count():
                await self.publish_round(inbound, number)
                await asyncio.sleep(ROUND)

    async def publish_round(self, inbound: Inbound, number: int) -> None:
        """Publish each failure of the demo's first wave anew, and what else happens in this round."""
        cases = [case for case in demo_cases(self.place.world, self.place.organisations) if case.wave is Wave.FIRST]
        for case in cases:
            if case.way is EventForm.MEMBER:
                await inbound.deliver(replace(case, deliveries=1))
        await inbound.bring_at_once([_anew(case) for case in cases if case.way is not EventForm.MEMBER])
        if not self.acts:
            return
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


def _anew(case: Case) -> Envelope:
    data: JsonObject = {
        "org_id": str(case.org_id),
        "workflow_name": case.name,
        "failure_reason": case.reason,
        "context": case.context,
    }
    return Envelope(id=f"evt-{case.name}-{uuid4().hex}", source=SOURCE, type=FAILURE_TYPE, subject=case.name, data=data)
