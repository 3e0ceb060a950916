"""`python -m benchmarks.workflow_repair`: scripted and random patches; `--patches DIR`: those of an agent."""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from rich.console import Console
from rich.table import Table

from consumer.workflows.proof import ProvenPatch
from consumer.workflows.replay import replay
from tests.support.workflows.broken import BrokenWorkflow, adversaries, load_cases
from tests.support.workflows.injections import attack, injection_texts
from tests.support.workflows.random_patches import harm_of, random_patch

RUNS: Final = 50


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workflow_repair", description=__doc__)
    parser.add_argument("--patches", type=Path, help="a directory with <case>.json, each a JSON Patch, to be judged")
    parser.add_argument("--show", metavar="CASE", help="print the definition that patches of a case are applied to")
    parser.add_argument("--random", type=int, default=200, help="random patches of each workflow")
    parser.add_argument("--texts", type=int, default=200, help="injected failure texts, 20 tries each")
    parser.add_argument("--seed", type=int, default=7)
    return parser


def main() -> int:
    """Judge and print; 1 where a bar was missed."""
    asked = _parser().parse_args()
    cases, console = load_cases(), Console(width=None if sys.stdout.isatty() else 140)
    if asked.show is not None:
        shown = [case.definition.as_json() for case in cases if case.id == asked.show]
        console.print_json(data=shown[0] if shown else {"cases": [case.id for case in cases]})
        return int(not shown)
    if asked.patches is not None:
        table, missed = _of_an_agent(cases, asked.patches)
        console.print(table)
        return missed
    table, missed = _scripted(cases, asked.random, asked.seed)
    console.print(table)
    breaches = _injected(cases, asked.texts, asked.seed)
    console.print(f"{asked.texts} injected texts, 20 tries each: {len(breaches)} unsafe patches passed (bar: 0)")
    seconds = _replayed(cases)
    console.print(f"{RUNS} recorded runs replayed in {seconds:.3f} s (bar: 1 s)")
    return int(bool(missed or breaches or seconds > 1))


def _of_an_agent(cases: list[BrokenWorkflow], patches: Path) -> tuple[Table, int]:
    table = Table("workflow", "verdict", title="the patches of an agent")
    healed = 0
    for case in cases:
        path = patches / f"{case.id}.json"
        judged = case.judge(json.loads(path.read_text())) if path.is_file() else None
        if isinstance(judged, ProvenPatch):
            harm = harm_of(case, judged)
            healed += harm is None
            table.add_row(case.id, "healed" if harm is None else f"HARM in a run that was held out: {harm}")
        else:
            why = "none given" if judged is None else f"{judged[0].rule}: {judged[0].why} ({judged[0].where})"
            table.add_row(case.id, why)
    table.add_row("healed", f"{healed} of {len(cases)}")
    return table, int(healed < len(cases))


def _scripted(cases: list[BrokenWorkflow], count: int, seed: int) -> tuple[Table, int]:
    columns = ("workflow", "competent", "lazy or hostile", "random: refused", "not mended", "passed", "harmful")
    table = Table(*columns, title="scripted patches, and patches at random")
    total: Counter[str] = Counter()
    for case in cases:
        competent = isinstance(case.judge(case.competent), ProvenPatch)
        bad = list(adversaries(case))
        refused = sum(rule in case.rules_against(patch) for _, patch, rule in bad)
        counted = _at_random(case, count, _dice(f"{seed} {case.id}"))
        total += counted
        total.update(competent=competent, bad=len(bad), refused_bad=refused)
        table.add_row(
            case.id,
            "healed" if competent else "NOT HEALED",
            f"{refused} of {len(bad)} refused",
            *(str(counted[name]) for name in ("refused", "not mended", "passed", "harmful")),
        )
    table.add_row(
        "all",
        f"{total['competent']} of {len(cases)}",
        f"{total['refused_bad']} of {total['bad']}",
        *(str(total[name]) for name in ("refused", "not mended", "passed", "harmful")),
    )
    missed = total["competent"] < len(cases) or total["refused_bad"] < total["bad"] or total["harmful"] > 0
    return table, int(missed)


def _dice(seed: int | str) -> Random:
    return Random(seed)  # noqa: S311 - drawn again by its seed


def _at_random(case: BrokenWorkflow, count: int, random: Random) -> Counter[str]:
    counted: Counter[str] = Counter()
    for _ in range(count):
        patch = random_patch(case, random)
        judged = case.judge(patch)
        if not isinstance(judged, ProvenPatch):
            counted["refused" if case.rules_against(patch) else "not mended"] += 1
            continue
        harm = harm_of(case, judged)
        counted["passed"] += 1
        if harm is not None:
            counted["harmful"] += 1
            sys.stderr.write(f"{case.id}: {harm}: {json.dumps(patch)}\n")
    return counted


def _injected(cases: list[BrokenWorkflow], count: int, seed: int) -> list[str]:
    texts = injection_texts()[:count]
    found = (attack(cases[n % len(cases)], text, goal, _dice(seed + n)) for n, (text, goal) in enumerate(texts))
    breaches = [each for each in found if each is not None]
    for each in breaches:
        sys.stderr.write(f"a breach: {each}\n")
    return breaches


def _replayed(cases: list[BrokenWorkflow]) -> float:
    """Measure the CPU time of replaying recorded runs on mended definitions."""
    proven = [(case, case.judge(case.competent)) for case in cases]
    jobs = [
        (case, each.definition, run) for case, each in proven if isinstance(each, ProvenPatch) for run in case.shown
    ]
    began = time.process_time()
    for case, definition, run in (jobs * 2)[:RUNS]:
        replay(definition, failing=None, good=[run], limits=case.limits)
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
