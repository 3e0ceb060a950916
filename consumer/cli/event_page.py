"""What `shw check-event` found, as a page for a person, which ends with what to do. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from consumer.model import JsonObject
from schemas.names import FailureType
from schemas.printable import escape_line

PUBLISH: Final = "publish it"
CHANGE: Final = "change this line"
NOTHING_KNOWN: Final = (
    "failure_reason says nothing that is known: send the error's own text, and its code, type or HTTP status in "
    "context.error"
)


def event_page(found: JsonObject) -> str:
    """Return the page: of a batch, one after the other."""
    events: Any = found.get("events")
    whole: list[Any] = events if isinstance(events, list) else [found]
    return "\n".join("".join(f"{escape_line(line)}\n" for line in _lines(one)) for one in whole)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if "no_failure" in found:
        yield f"no failure    {found['no_failure']}"
        return
    if not found["accepted"]:
        poison = found["poison"]
        yield f"not accepted  {poison['reason']}: it would be a dead letter"
        yield f"{CHANGE}: {poison['message']}"
        return
    diagnosis, plan = found["diagnosis"], found["plan"]
    yield f"failure       {found['failure_id'] or 'named by its place in Kafka'}, workflow {found['workflow_name']}"
    if "became" in found:
        yield f"became        {found['became']['failure_reason']}"
    yield f"diagnosis     {diagnosis['failure_type']}, {diagnosis['disposition']}"
    yield f"plan          {found['strategy']}: {_planned(plan)}"
    for one in found["obstacles"]:
        yield f"in the way    {one['says']}"
        yield f"              {one['mend']}"
    yield from _end(found, plan)


def _planned(plan: dict[str, Any]) -> str:
    if plan["decision"] != "heal":
        return f"{plan['decision']}: {plan.get('code') or plan.get('reason') or ''}".rstrip(": ")
    return f"heal, effect {plan['effect']}, holds {plan['credits_held_aud']} AUD"


def _end(found: dict[str, Any], plan: dict[str, Any]) -> Iterator[str]:
    for misspelt in found["misspelt"]:
        yield f"{'mind' if found['healable'] else CHANGE}: {misspelt}"
    if found["healable"]:
        yield PUBLISH
        return
    unknown = found["diagnosis"]["failure_type"] == FailureType.UNKNOWN
    if unknown:
        yield f"{CHANGE}: {NOTHING_KNOWN}"
    for field in found["missing_fields"]:
        yield f"{CHANGE}: {field} {found['unusable_fields'].get(field, 'is missing')}"
    final = [one for one in found["obstacles"] if one["final"]]
    if not unknown and not found["missing_fields"] and not final:
        yield f"{CHANGE}: {plan.get('reason') or ', '.join(plan.get('why', ()))}"
    for one in final:
        yield f"{CHANGE}: {one['mend']}"
