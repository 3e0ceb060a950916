"""`python -m benchmarks.repair`: damaged documents, our answers and json_repair's side by side; hostile; more bars."""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.harness.report import OUT, at_least, at_most, table
from benchmarks.repair import held_out, hostile, speed, suites
from tests.support.damaged.answers import SHW, Answer, ask, line
from tests.support.damaged.cases import Case, Group, Size, cases
from tests.support.damaged.schema_positions import Json
from tests.support.damaged.scoring import Judged, Score, Verdict, broken_promises, by_group, by_kind, judged

PEER: Final = (sys.executable, "-m", "benchmarks.repair.peer")
_EXAMPLES: Final = 3
_COLUMNS: Final = ("right %", "refused %", "wrong %", "silent")
_SHOWN: Final = 1500


def main() -> None:
    """Measure and print."""
    told = _parser().parse_args()
    console = Console(width=150)
    if told.what in {"all", "damage"}:
        _damage(told, console)
    if told.what in {"all", "hostile"}:
        _hostile(told.only, told.rounds, console)
    if told.what == "held-out":
        held_out.measure(told.seed, console)
    if told.what == "speed":
        speed.measure(told.seed, console)
    if told.what == "suites":
        suites.measure(console, refused=told.failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repair", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="all", choices=["all", "damage", "hostile", "held-out", "speed", "suites"]
    )
    parser.add_argument(
        "--seed", type=int, default=20240517, help="another seed gives other schemas, documents, damage"
    )
    parser.add_argument("--documents", type=int, default=2, help="of each schema")
    parser.add_argument("--schemas", type=int, default=40, help="random ones, beside those written by hand")
    parser.add_argument("--only", default="", help="kinds of damage, or hostile inputs, with this in their name")
    parser.add_argument("--part", type=float, default=1.0, help="a part of the cases, taken at random")
    parser.add_argument("--no-peer", action="store_true", help="leave json_repair out")
    parser.add_argument("--failures", type=Path, help="write what went wrong here, the smallest examples first")
    parser.add_argument("--rounds", type=int, default=1, help="of each hostile input; the fastest counts")
    parser.add_argument("--grade", default="inventive", choices=["lossless", "lossy", "inventive"])
    return parser


def _damage(told: argparse.Namespace, console: Console) -> None:
    size = Size(documents=told.documents, random_schemas=told.schemas)
    asked = [case for case in cases(told.seed, size) if any(told.only in kind for kind in (*case.kinds, ""))]
    if told.only:
        asked = [case for case in asked if any(told.only in kind for kind in case.kinds)]
    chance = random.Random(told.seed)  # noqa: S311 - to be repeated
    asked = [case for case in asked if chance.random() < told.part]
    ours = _judged("shw repair", (*SHW, "--grade", told.grade), asked, console)
    peer = [] if told.no_peer else _judged("json_repair", PEER, asked, console)
    console.print(_kinds(ours, peer), _groups(ours, peer))
    _promises(ours, (*SHW, "--grade", told.grade), console)
    if told.failures:
        told.failures.write_text(_failures(ours), encoding="utf-8")
    _kept(told, ours, peer)


def _judged(name: str, command: Sequence[str], asked: Sequence[Case], console: Console) -> Judged:
    begun = time.monotonic()
    answers = ask(command, [line(case.number, case.schema, case.text) for case in asked])
    console.print(f"{name}: {len(answers)} answers to {len(asked)} questions in {time.monotonic() - begun:.1f} s")
    return judged(asked, answers)


def _kinds(ours: Judged, peer: Judged) -> Table:
    mine, theirs = by_kind(ours), by_kind(peer)
    groups = [group for group in Group if group is not Group.TRIPLE]
    rows = [
        [f"{group.value}: {kind}", str(score.total), *_cells(score), *_cells(theirs.get((group, kind)))]
        for group in groups
        for (one, kind), score in sorted(mine.items(), key=lambda entry: entry[0][1])
        if one is group and (group is not Group.DOUBLE or score.counts[Verdict.RIGHT] < score.total)
    ]
    return table(
        "by kind; a case of two kinds counts for each, and kinds always right in twos are left out",
        ["damage", "cases", *_COLUMNS, *(f"peer {column}" for column in _COLUMNS)],
        rows,
    )


def _cells(score: Score | None) -> list[str]:
    if score is None:
        return ["", "", "", ""]
    shares = [f"{score.part(verdict):.1f}" for verdict in (Verdict.RIGHT, Verdict.REFUSED, Verdict.WRONG)]
    return [*shares, str(score.counts[Verdict.SILENT])]


def _groups(ours: Judged, peer: Judged) -> Table:
    mine, theirs = by_group(ours), by_group(peer)
    rows = [
        [group.value, str(score.total), *_cells(score), _bar(group, score), *_cells(theirs[group])]
        for group, score in mine.items()
        if score.total
    ]
    columns = ["", "cases", *_COLUMNS, "bar", *(f"peer {column}" for column in _COLUMNS)]
    return table("together, without what stayed valid", columns, rows)


def _bar(group: Group, score: Score) -> str:
    match group:
        case Group.SINGLE | Group.DOUBLE:
            wrong = score.counts[Verdict.WRONG]
            return f"{at_least(score.part(Verdict.RIGHT), 95, ' %')}; wrong {at_most(wrong, 0)}"
        case Group.REFUSE | Group.VALID:
            return at_least(score.part(Verdict.RIGHT), 100, " %")
        case Group.HARD | Group.TRIPLE | Group.TRAP:
            return "none"


def _promises(ours: Judged, command: Sequence[str], console: Console) -> None:
    broken = broken_promises(ours)
    for case, answer, why in broken[:_EXAMPLES]:
        console.print(f"case {case.number} {case.kinds}: {why}: {answer.status} {json.dumps(answer.document)[:200]}")
    again = [(case, answer) for case, answer, _ in ours if answer.status == "repaired"]
    second = ask(command, [line(case.number, case.schema, json.dumps(answer.document)) for case, answer in again])
    changed = sum(case.number not in second or second[case.number].status != "valid" for case, _ in again)
    console.print(
        f"answers that break their own promise: {len(broken)}; of {len(again)} repaired, repaired again: {changed}"
    )


def _failures(ours: Judged) -> str:
    found: dict[tuple[Verdict, Group, str], list[tuple[Case, Answer]]] = {}
    for case, answer, verdict in ours:
        if verdict is not Verdict.RIGHT:
            found.setdefault((verdict, case.group, " + ".join(sorted(case.kinds))), []).append((case, answer))
    verdicts, groups = [Verdict.WRONG, Verdict.SILENT, Verdict.REFUSED], list(Group)
    order = sorted(found, key=lambda one: (verdicts.index(one[0]), groups.index(one[1]), -len(found[one])))
    parts = []
    for verdict, group, kinds in order:
        examples = found[verdict, group, kinds]
        parts.append(f"## {group.value}: {kinds}: {verdict.value}, {len(examples)} cases\n")
        smallest = sorted(examples, key=lambda one: len(json.dumps(one[0].schema)) + 2 * len(one[0].text))
        parts.extend(_example(case, answer) for case, answer in smallest[:_EXAMPLES])
    return "\n".join(parts)


def _example(case: Case, answer: Answer) -> str:
    expected = "a refusal" if case.group in {Group.REFUSE, Group.TRAP} else _short(case.original)
    return "\n".join(
        [
            f"- case {case.number}",
            f"  - schema: `{_short(case.schema)}`",
            f"  - text: {_short(case.text)}",
            f"  - expected: {expected}",
            f"  - got: {answer.status} {_short(answer.document)} ({answer.reason[:_SHOWN]})",
            "",
        ]
    )


def _short(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)[:_SHOWN]


def _kept(told: argparse.Namespace, ours: Judged, peer: Judged) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    scores = {
        name: {group.value: {v.value: n for v, n in score.counts.items()} for group, score in by_group(one).items()}
        for name, one in (("ours", ours), ("json_repair", peer))
    }
    with (OUT / "repair.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"seed": told.seed, "grade": told.grade, **scores}) + "\n")


def _hostile(only: str, rounds: int, console: Console) -> None:
    rows = []
    start = hostile.cost(hostile.Hostile(name="", schema={"type": "integer"}, text='"1"'))
    for case in hostile.hostile():
        if only not in case.name:
            continue
        cost = min((hostile.cost(case) for _ in range(rounds)), key=lambda cost: cost.seconds)
        right = cost.status in ({case.status} if case.status else {"valid", "repaired", "refused"})
        met = right and cost.seconds <= hostile.SECONDS and cost.megabytes <= hostile.MEGABYTES
        figures = [f"{cost.seconds:.2f}", f"{cost.cpu_seconds:.2f}", f"{cost.megabytes:.0f}"]
        rows.append([case.name, *figures, cost.status, "met" if met else "MISSED"])
    title = f"hostile: the whole command, of which starting is {start.seconds:.2f} s and {start.megabytes:.0f} MB"
    bar = f"{hostile.SECONDS:g} s, {hostile.MEGABYTES:g} MB"
    console.print(table(title, ["input", "seconds", "of processor", "MB at most", "answer", bar], rows))


if __name__ == "__main__":
    main()
