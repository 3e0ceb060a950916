"""One failure as a page of text for a person at a terminal, from the JSON of `shw show --json`. Pure."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from consumer.model import JsonObject
from schemas.printable import escape_line

WIDTH: Final = 80
_NAME: Final = 12
_LINES: Final = 40
"""Most lines of one JSON value; the rest is in `--json`."""


def failure_page(shown: JsonObject) -> str:
    """Return the page: what came in, what it was taken for, what was and would be done, and what to type next."""
    whole: dict[str, Any] = dict(shown)
    lines = (
        *_head(whole),
        *_request(whole),
        *_diagnosis(whole),
        *_plan(whole),
        *_history(whole),
        *_next(whole),
    )
    return "".join(f"{line}\n" for line in lines)


def _head(shown: dict[str, Any]) -> Iterator[str]:
    yield f"failure {shown['id']}"
    waits = f", waits on {shown['waits_on']}" if shown["waits_on"] else ""
    yield from _field("status", f"{shown['status']}{waits}; step {shown['step']}, attempts {shown['attempts']}")
    for name in ("org_id", "workflow_name", "source", "detected_at", "received_at", "due_at", "failure_reason"):
        if shown.get(name) is not None:
            yield from _field(_LABELS[name], shown[name])
    if (heal := shown["heal"]) is not None:
        what = f"{heal['stands']} by {heal['strategy']}, scope {heal['scope']}, effect {heal['effect']}"
        begun = "; its effect may have begun" if heal["effect_begun"] else ""
        yield from _field("heal", f"{what}, {heal['credits_held_aud']} AUD held{begun}")
        if heal["waits_for"] is not None:
            yield from _field("waits for", f"{heal['waits_for']} (since {heal['since']}, until {heal['until']})")
        if heal["state"] is not None:
            yield from _json_field("has kept", heal["state"])


_LABELS: Final = {
    "org_id": "organisation",
    "workflow_name": "workflow",
    "source": "source",
    "detected_at": "detected",
    "received_at": "received",
    "due_at": "due",
    "failure_reason": "reason",
}


def _request(shown: dict[str, Any]) -> Iterator[str]:
    request = shown["request"]
    if isinstance(request, dict):
        yield from _field("request", f"{request.get('method', '?')} {request.get('url', '?')}")
        if rest := {name: part for name, part in request.items() if name not in {"method", "url"}}:
            yield from _json_field("", rest)
    if shown["context"]:
        yield from _json_field("context", shown["context"])
    if shown["too_large"]:
        yield from _field("context", "too large to be shown here")


def _diagnosis(shown: dict[str, Any]) -> Iterator[str]:
    diagnosis = shown["diagnosis"]
    if diagnosis is None:
        return
    what = f"{diagnosis['failure_type']}, {diagnosis['disposition']}, confidence {diagnosis['confidence']}"
    yield from _field("diagnosis", what)
    for proof in diagnosis["evidence"]:
        yield from _field("", "- " + ", ".join(f"{name}: {part}" for name, part in proof.items() if part is not None))
    yield from _agent_says(shown["agent_diagnosis"])


def _agent_says(said: dict[str, Any] | None) -> Iterator[str]:
    if said is None:
        return
    if said["answer"] is None:
        yield from _field("a model", "is being asked what is broken")
        return
    what = f"{said['failure_type']}, {said['disposition']}; " if said["answer"] in {"differs", "agrees"} else ""
    yield from _field("a model", f"{said['answer']}: {what}{said['reason']}")
    for span in said["evidence"]:
        yield from _field("", f"- {span['source']}: {span['detail']}")


def _plan(shown: dict[str, Any]) -> Iterator[str]:
    plan = shown["plan"]
    if plan is None:
        if shown["no_plan"]:
            yield from _field("plan", f"none: {shown['no_plan']}")
        return
    why = plan.get("reason") or f"effect {plan.get('effect')}, {plan.get('credits_held_aud')} AUD held"
    yield from _field("plan now", f"{plan['decision']} by {shown['strategy']}: {why}")
    for rung in shown["ladder"]:
        said = "may act" if rung["may_act"] else f"passed over, {rung['code']}: {rung['reason']}"
        yield from _field("", f"- {rung['strategy']}: {said}")


def _history(shown: dict[str, Any]) -> Iterator[str]:
    for number, attempt in enumerate(shown["attempt_list"]):
        details = attempt["details"] if isinstance(attempt["details"], dict) else {}
        said = " ".join(str(details[name]) for name in ("code", "reason") if details.get(name))
        step = "member" if attempt["step"] is None else f"step {attempt['step']}"
        what = f"{step} at {attempt['attempted_at']}: {attempt['strategy']} {attempt['result']}"
        yield from _field("" if number else "attempts", f"{what}{'; ' if said else ''}{said}")
    for number, one in enumerate(shown["decisions"]):
        what = f"{one['decision']} by {one['decided_by']} at {one['decided_at']} (step {one['step']}): {one['reason']}"
        yield from _field("" if number else "decisions", what)
    for number, one in enumerate(shown["heal_requests"]):
        yield from _field("" if number else "asked for", f"by {one['requested_by']} at {one['requested_at']}")
    for number, one in enumerate(shown["further_events"]):
        yield from _field("" if number else "told again", f"by {one['source']}: {one['failure_reason']}")


def _next(shown: dict[str, Any]) -> Iterator[str]:
    if shown["next"]:
        yield "next"
    for one in shown["next"]:
        yield f"  # {one['when']}"
        yield f"  {one['command']}"


def _field(name: str, text: object) -> Iterator[str]:
    plain = escape_line(" ".join(str(text).split()))
    wrapped = textwrap.wrap(plain, WIDTH - _NAME - 3, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(wrapped):
        yield f"  {name if number == 0 else '':<{_NAME}} {line}".rstrip()


def _json_field(name: str, value: object) -> Iterator[str]:
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    kept = lines[:_LINES]
    if len(lines) > _LINES:
        kept.append(f"... {len(lines) - _LINES} more lines: --json")
    for number, line in enumerate(kept):
        yield f"  {name if number == 0 else '':<{_NAME}} {escape_line(line)}".rstrip()
