"""Translations: the demo's workflows whose provider dies, what stands in for it, and their failures."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from consumer.demo.cases import Case, Expected, Wave
from consumer.demo.world import EffectRecord, Ending, World, WorldCall, WorldReply
from consumer.model import Json, JsonObject
from schemas.names import Result, Status, StrategyName

FIRST: Final = "translator"
SECOND: Final = "understudy"
PAGES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """What the act has seen."""

    most_at_once: int
    """Calls to the dead provider that were open at the same time, at the most."""
    back: bool
    """Its calls went back to it once it was well."""


class Translating:
    """Translates a page, without any effect; or says that it is well."""

    def __call__(self, call: WorldCall, _record: EffectRecord) -> Ending:
        """Reply."""
        if call.path == "/health":
            return WorldReply(body={"status": "well"})
        return WorldReply(body={"reference": call.subject, "text": f"Seite {call.subject}"})


def stand_in_entry(hosts: Json) -> JsonObject:
    """Return the catalog's entry of the workflows whose provider may be replaced."""
    entry: JsonObject = {"name": "translations.*", "hosts": hosts, "attempts": 2, "backoff": "PT1S"}
    return entry | {"dependencies": [FIRST], "auto_retry": {"tries": 1, "timeout": "PT2S"}}


def stand_in_dependencies(first: str, second: str) -> JsonObject:
    """Return what the catalog says of the provider and of what may stand in for it, by their addresses."""
    text: JsonObject = {"type": "string", "minLength": 1}
    answer: JsonObject = {"type": "object", "required": ["text"], "properties": {"text": text}}
    candidate: JsonObject = {"name": SECOND, "url": second, "probe": {"url": f"{second}/health"}}
    times: JsonObject = {"eject": "PT2S", "steady": "PT1S", "lease": "PT10S", "probe_every": "PT0.5S"}
    echoes: Json = [{"request": "/reference", "answer": "/reference"}]
    return {
        FIRST: {
            "url": first,
            "health": {"url": f"{first}/health"},
            "contract": {"answer": answer, "echoes": echoes},
            "candidates": [candidate],
            "binding": times,
        }
    }


def stand_in_cases(world: World, org_id: UUID) -> tuple[Case, ...]:
    """Return the failures of calls to the dead provider: what stands in answers all of them."""
    healed = Expected(
        status=Status.RESOLVED, result=Result.SUCCESS, strategy=StrategyName.DEPENDENCY_REPLACEMENT, says=SECOND
    )
    return tuple(
        Case(
            name=f"translations.page-{page:02}",
            org_id=org_id,
            reason="Upstream answered 503 Service Unavailable",
            context={"error": {"http_status": 503}, "request": _request(world, f"page-{page:02}")},
            expected=healed,
            wave=Wave.AFTER,
        )
        for page in range(PAGES)
    )


def _request(world: World, page: str) -> JsonObject:
    url = world.url(FIRST, f"/translate/{page}")
    return {"method": "POST", "url": url, "body": {"reference": page, "to": "de"}, "effect": "none"}
