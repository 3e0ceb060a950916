"""Documents of two further sources, from a seed that no test has: restored, handed back as they came, or refused.

The sources share neither schemas nor kinds of damage with the benchmark's own: `tests/support/as_sent` (twelve schemas,
as models and networks send documents) and `tests/support/elsewhere` (six trades).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import Console

from benchmarks.harness.report import at_least, at_most, table
from consumer.repair.repair import repair_text
from consumer.repair.values import Repair, RepairStatus
from schemas.names import Grade
from tests.support.as_sent.letters import Right, letters
from tests.support.damaged.schema_positions import Json, same
from tests.support.elsewhere.damage import damaged, lost, whole

_SHOWN: Final = 3
_RESTORED_BAR: Final = 97.0


class HeldOut(NamedTuple):
    """A text of one of the sources, and what is right."""

    source: str
    kind: str
    schema: Json
    text: str
    original: Json
    right: Right


def held_out(seed: int) -> Iterator[HeldOut]:
    """Yield what both sources make of a seed."""
    for letter in letters(seed, rounds=3):
        yield HeldOut("as sent", letter.kind, letter.schema, letter.text, letter.original, letter.right)
    for right, found in (
        (Right.RESTORED, damaged(seed, 1500)),
        (Right.REFUSED, lost(seed, 600)),
        (Right.AS_IT_CAME, whole(seed, 120)),
    ):
        for one in found:
            yield HeldOut("elsewhere", one.kind, one.schema, one.text, one.original, right)


def judge(one: HeldOut, repair: Repair) -> str:
    """Return `right`, `refused` or `wrong`."""
    if repair.status is RepairStatus.REFUSED:
        return "right" if one.right is Right.REFUSED else "refused"
    if one.right is Right.REFUSED or not same(repair.document, one.original):
        return "wrong"
    return "wrong" if one.right is Right.AS_IT_CAME and repair.edits else "right"


def measure(seed: int, console: Console) -> None:
    """Ask, count, and print with the bars."""
    counts: Counter[tuple[str, Right, str]] = Counter()
    missed: Counter[tuple[str, str]] = Counter()
    examples: list[tuple[HeldOut, Repair]] = []
    for one in held_out(seed):
        repair = repair_text(one.text, one.schema, most=Grade.INVENTIVE)
        verdict = judge(one, repair)
        counts[one.source, one.right, verdict] += 1
        if verdict != "right":
            missed[one.right.value, f"{one.source}: {one.kind.partition(': ')[2]}"] += 1
        if verdict == "wrong":
            examples.append((one, repair))
    rows = [_row(source, right, counts) for source in ("as sent", "elsewhere") for right in Right]
    console.print(table(f"held out, seed {seed}", ["source", "is to be", "texts", "right %", "wrong", "bar"], rows))
    for (right, kind), count in missed.most_common(12):
        console.print(f"{count} not {right}: {kind}")
    for one, repair in examples[:_SHOWN]:
        console.print(f"WRONG {one.kind}: {one.text[:300]!r} became {repair.document!r}", markup=False)


def _row(source: str, right: Right, counts: Counter[tuple[str, Right, str]]) -> list[str]:
    found = {verdict: counts[source, right, verdict] for verdict in ("right", "refused", "wrong")}
    total = sum(found.values())
    share = 100 * found["right"] / total
    bar = at_least(share, _RESTORED_BAR if right is Right.RESTORED else 100, " %")
    return [
        source,
        right.value,
        str(total),
        f"{share:.1f}",
        str(found["wrong"]),
        f"{bar}; {at_most(found['wrong'], 0)}",
    ]
