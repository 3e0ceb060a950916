"""What templates print of the API's answers: texts in pieces, times, differences and drawings. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from consumer.console.json_diff import DiffRow, diff_rows
from consumer.console.route_drawing import RouteDrawing, draw_route
from consumer.console.words import TILES
from schemas.names import Status, StoryWait

SHOWN_JSON: Final = 20_000
"""Characters of a document that a page prints; the API has the whole."""
_OF_PROMPT: Final = 240
OF_PERSON: Final = frozenset({StoryWait.APPROVAL, StoryWait.PERSON})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPiece:
    """A piece of a reason; marked where words of a rule stand."""

    text: str
    rule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number that leads to the failures that it counts."""

    label: str
    count: str
    href: str
    tone: str
    is_chosen: bool
    status: str | None
    """What it counts, where that is told anew while the page is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One attempt: what the API tells, and what of it is drawn."""

    shown: Mapping[str, Any]
    details: Mapping[str, Any]
    proofs: Sequence[Mapping[str, Any]]
    edits: Sequence[Mapping[str, Any]]
    diff: Sequence[DiffRow]
    before: RouteDrawing | None
    after: RouteDrawing | None
    changed: str
    rest: str
    """Everything else that is kept of it, as JSON."""


def pieces_of(reason: str, spans: Sequence[Mapping[str, Any]]) -> list[TextPiece]:
    """Cut a reason at the places of its evidence."""
    pieces, place = [], 0
    for span in spans:
        start, end = span["start"], span["end"]
        if start > place:
            pieces.append(TextPiece(text=reason[place:start], rule=None))
        pieces.append(TextPiece(text=reason[start:end], rule=span["rule"]))
        place = end
    return [*pieces, TextPiece(text=reason[place:], rule=None)] if place < len(reason) else pieces


def tiles_of(counts: Mapping[str, Any], chosen: Sequence[str]) -> list[Tile]:
    """Return the tiles of the feed, the most urgent first."""
    more = set(counts["more"])

    def said(number: int, *, is_more: bool) -> str:
        return f"{number:,}+" if is_more else f"{number:,}"

    tiles = [
        Tile(
            label=label,
            count=said(counts["byStatus"][status], is_more=status in more),
            href=f"/?{urlencode({'status': status.value})}",
            tone=tone_of(status),
            is_chosen=tuple(chosen) == (status.value,),
            status=status.value,
        )
        for status, label in TILES
    ]
    healed = counts["healedInADay"]
    return [
        *tiles,
        Tile(
            label="Healed in a day",
            count=said(healed, is_more=healed >= counts["most"]),
            href=f"/?{urlencode({'status': Status.RESOLVED.value})}",
            tone="good",
            is_chosen=tuple(chosen) == (Status.RESOLVED.value,),
            status=None,
        ),
    ]


def digest_of(*shown: object) -> str:
    """Return what differs where anything differs of what a page shows: by it an open page knows that it is old."""
    return sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()[:16]


def tone_of(status: str) -> str:
    """Return how a status is coloured."""
    match status:
        case Status.RESOLVED:
            return "good"
        case Status.AWAITING_APPROVAL | Status.NEEDS_PERSON:
            return "ask"
        case Status.GIVEN_UP:
            return "bad"
        case _:
            return "calm"


def attempt_view(shown: Mapping[str, Any], payload: object) -> AttemptView:
    """Return what is drawn of an attempt, on the payload as it came."""
    details = shown["details"] if isinstance(shown["details"], Mapping) else {}
    repair, route = details.get("repair"), details.get("route")
    edits = _objects(repair.get("patch") if isinstance(repair, Mapping) else None)
    route = route if isinstance(route, Mapping) else {}
    known = {
        "repair",
        "route",
        "evidence",
        "diagnosis",
        "passed_over",
        "reason",
        "code",
        "failureType",
        "disposition",
        "file",
    }
    rest = {name: value for name, value in details.items() if name not in known}
    changed = route.get("changed")
    return AttemptView(
        shown=shown,
        details=details,
        proofs=_objects(details.get("evidence")),
        edits=edits,
        diff=diff_rows(payload, edits) if edits else (),
        before=draw_route(route.get("before")),
        after=draw_route(route.get("after")),
        changed=as_text(changed) if changed else "",
        rest=as_text(rest) if rest else "",
    )


def payload_of(context: object) -> object:
    """Return the payload of a failure, or the body of its request; None without either."""
    if not isinstance(context, Mapping):
        return None
    request = context.get("request")
    return context.get("payload", request.get("body") if isinstance(request, Mapping) else None)


def asset_words(context: object) -> str:
    """Return in what words an asset was asked for, to be read in its place; empty without any."""
    asset = context.get("asset") if isinstance(context, Mapping) else None
    prompt = asset.get("prompt") if isinstance(asset, Mapping) else None
    return " ".join(prompt.split())[:_OF_PROMPT] if isinstance(prompt, str) else ""


def edited_input(context: object) -> tuple[str, str] | None:
    """Return what of a failure's input may be given anew, `payload` or `body`, and it as text; None without either.

    What is longer than a page prints is not offered: a text that is cut would be a wrong input.
    """
    if not isinstance(context, Mapping):
        return None
    request = context.get("request")
    if "payload" in context:
        name, value = "payload", context["payload"]
    elif isinstance(request, Mapping) and "body" in request:
        name, value = "body", request["body"]
    else:
        return None
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return (name, text) if len(text) <= SHOWN_JSON else None


def as_text(value: object) -> str:
    """Print a document, cut at a limit."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_JSON else f"{text[:SHOWN_JSON]}\n… {len(text) - SHOWN_JSON:,} characters more"


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
