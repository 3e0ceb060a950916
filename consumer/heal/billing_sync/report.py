"""The reconciliation report, as data and as lines of text: what was missing, applied, differs, and why. Pure."""

from collections.abc import Sequence
from typing import Final

from consumer.heal.billing_sync.reconciling import Comparing
from consumer.model import Json, JsonObject
from consumer.model.billing_event import EventMark, MarkState
from consumer.model.digest import digest

SHOWN: Final = 50
"""Entries of each kind that a report lists; it counts all of them."""
EDITS_SHOWN: Final = 100


def of_state(marks: Sequence[EventMark], state: MarkState) -> tuple[EventMark, ...]:
    """Return the marks with a state."""
    return tuple(one for one in marks if one.state is state)


def report(
    name: str, marks: Sequence[EventMark], sums: Comparing | None, *, readings: int, unreadable: int
) -> JsonObject:
    """Return the report of one heal of an account."""
    told: JsonObject = {"account": name, "readings": readings, "missing": len(marks), "unreadable": unreadable}
    for state in MarkState:
        found = of_state(marks, state)
        told[state.value] = {"count": len(found), "events": [_entry(one) for one in found[:SHOWN]]}
    if sums is not None:
        told["sums"] = {
            "compared": sums.compared,
            "unreadable": sums.unreadable,
            "differ": len(sums.differs),
            "differences": [
                {
                    "customer": one.key[0],
                    "currency": one.key[1],
                    "period": one.key[2],
                    # As texts: a reader in JavaScript has whole numbers up to 2^53 only.
                    "processor": str(one.theirs),
                    "platform": str(one.ours),
                    "ahead": one.is_ahead,
                }
                for one in sums.differs[:SHOWN]
            ],
        }
    return told | {"text": [*_lines(name, marks, sums, unreadable)]}


def _entry(mark: EventMark) -> JsonObject:
    entry: JsonObject = {"event": mark.event_id, "type": mark.type, "object": mark.object_id}
    return entry | ({"why": mark.why} if mark.why else {})


def _lines(name: str, marks: Sequence[EventMark], sums: Comparing | None, unreadable: int) -> list[str]:
    counts = {state: len(of_state(marks, state)) for state in MarkState}
    came = (
        f"{counts[MarkState.APPLIED]} applied, {counts[MarkState.PRESENT]} were there already, "
        f"{counts[MarkState.HELD]} wait for a yes, {counts[MarkState.FAILED]} failed"
    )
    lines = [f"billing account {name}: {len(marks)} events were not delivered; {came}"]
    lines += [f"unreadable: {unreadable} items of the processor's list are no events"] if unreadable else []
    for state, word in ((MarkState.HELD, "waits for a yes"), (MarkState.FAILED, "failed")):
        lines += [f"{word}: {one.event_id} ({one.object_id}): {one.why}" for one in of_state(marks, state)[:SHOWN]]
    if sums is None:
        return [*lines, "the sums were not compared"]
    lines += [f"differs: {one.words}" for one in sums.differs[:SHOWN]]
    lines += [f"{sums.unreadable} amounts could not be read"] if sums.unreadable else []
    lines.append(f"{sums.compared} sums compared, {len(sums.differs)} differ")
    return lines


def edits_of(name: str, held: Sequence[EventMark]) -> JsonObject:
    """Return what a person is asked for: the events that move money, exactly."""
    all_of_them = sorted((one.event_id, one.why) for one in held)
    shown: list[Json] = [{"event": event, "does": why} for event, why in all_of_them[:EDITS_SHOWN]]
    return {"account": name, "count": len(held), "events": shown, "document": digest(all_of_them)}
