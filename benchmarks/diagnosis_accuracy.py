"""`python -m benchmarks.diagnosis_accuracy [--misses] [FILE...]`: how often diagnoses are right, and how often harmful.

Over the labelled texts of the tests, and over the corpora of real texts where they lie beside the checkout. Of the
second corpus a fifth is kept aside by a fixed hash: `--misses` never shows them, so that rules are not fitted to
them, and their line of the table says what rules are worth on texts that nobody has looked at. Nor does it show those
of `tests/data/unnamed_providers.jsonl`: texts of providers that no pack names, written after the rules; nor those of
`tests/data/kept_texts.jsonl`, whose other half by the hash of the text, `texts_fourth`, rules were learned from.
"""

import json
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from consumer.diagnose import diagnose
from tests.support.diagnosis_scores import Scored, kept_aside, read_rows, score, scored
from tests.support.paths import DATA, ROOT

CORPORA: Final = ROOT.parent / "shared/corpus"
ASIDE: Final = "failure_reasons_2"
MEASURED: Final = ("kept_texts", "unnamed_providers")
"""Sets that are only measured."""
SHOWN: Final = " *"
"""Mark of the sets whose misses `--misses` prints."""


def main() -> None:
    """Measure and print."""
    files = [Path(one) for one in sys.argv[1:] if not one.startswith("-")]
    measured = [DATA / f"{name}.jsonl" for name in MEASURED]
    files = files or [*sorted(CORPORA.glob("*.jsonl")), *sorted(DATA.glob("texts_*.jsonl")), *measured]
    table = Table("texts", "of", "strict", "with alternatives", "dispositions", "harmful")
    misses: list[Scored] = []
    for name, some in (part for file in files for part in _parts(file)):
        total = score(some)
        shares = (total.strict, total.alternative, total.disposed, total.harmful)
        table.add_row(name, str(total.texts), *(f"{share:.3f}" for share in shares))
        misses += some if name.endswith(SHOWN) else []
    Console(width=110).print(table)
    if "--misses" in sys.argv:
        for one in misses:
            if not one.strict or not one.disposed:
                print(json.dumps(_shown(one), ensure_ascii=False))


def _parts(file: Path) -> list[tuple[str, list[Scored]]]:
    labels = json.loads((DATA / "corpus_dispositions.json").read_text())
    found = scored(read_rows(file), diagnose, labels)
    if file.stem in MEASURED:
        return [(file.stem, found)]
    if file.stem != ASIDE:
        return [(f"{file.stem}{SHOWN}", found)]
    return [
        (f"{file.stem}, looked at{SHOWN}", [one for one in found if not kept_aside(one.row)]),
        (f"{file.stem}, kept aside", [one for one in found if kept_aside(one.row)]),
        (f"{file.stem}, all", found),
    ]


def _shown(one: Scored) -> dict[str, object]:
    return {
        "id": one.row["id"],
        "harm": one.harm,
        "said": [one.diagnosis.failure_type, one.diagnosis.disposition],
        "label": [one.row["label"], *one.row["also_acceptable"]],
        "accepted": list(one.accepted),
        "reason": one.row["failure_reason"],
        "context": one.row["context"],
        "why": one.row.get("why"),
        "evidence": [(e.rule, e.weight, e.text) for e in one.diagnosis.evidence],
    }


if __name__ == "__main__":
    main()
