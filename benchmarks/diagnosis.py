"""`python -m benchmarks.diagnosis [FILE]`: diagnoses a second on one core, and what hostile texts cost.

Over JSON lines with `failure_reason` and `context`; by default the labelled texts of the tests. Beside it, on the same
texts, the rules that the project began with: the first of a list of substrings decides.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from consumer.diagnose import diagnose
from consumer.diagnose.diagnosis import INDEX, diagnose_by

TEXTS: Final = Path(__file__).parents[1] / "tests" / "data"
SECONDS: Final = 2.0
LARGEST: Final = 1_000_000
HOSTILE: Final = {
    "one word": "a",
    "the same phrase": "timed ",
    "no spaces": "\u8d85",
    "nested JSON": '{"a":',
    "braces": "{",
    "causes": "Caused by: x\n",
    "frames": "  at x(y:1)\n",
    "empty lines": "\n",
    "paths": "/a",
    "addresses": "http://a/",
    "statuses": "404 ",
    "quotes": "'",
    "retries": "retry ",
}
SUBSTRINGS: Final = (
    "timeout",
    "schema",
    "validation",
    "stall",
    "stuck",
    "image",
    "voice",
    "audio",
    "billing",
    "payment",
)

Question = tuple[str, dict[str, Any]]


def main() -> None:
    """Measure and print."""
    files = [Path(sys.argv[1])] if len(sys.argv) > 1 else sorted(TEXTS.glob("texts_*.jsonl"))
    texts = [
        (row["failure_reason"], row["context"])
        for file in files
        for row in map(orjson.loads, file.read_bytes().splitlines())
    ]
    table = Table("over", "diagnoses/s", title=f"{len(texts)} texts, {SECONDS:.0f} s of CPU each")
    table.add_row("this project's rules, each text read", f"{_rate(_read, texts):,.0f}")
    table.add_row("the same, what was said lately remembered", f"{_rate(diagnose, texts):,.0f}")
    table.add_row("ten substrings in order", f"{_rate(_substrings, texts):,.0f}")
    hostile = Table("hostile text of 1 MB", "ms")
    for name, piece in HOSTILE.items():
        text = piece * (LARGEST // len(piece.encode()))
        hostile.add_row(name, f"{1000 * _best(lambda text=text: _read(text, {})):.2f}")  # type: ignore[misc]
    Console().print(table, hostile)


def _read(reason: str, context: dict[str, Any]) -> object:
    return diagnose_by(INDEX, reason, context)


def _substrings(reason: str, context: dict[str, Any]) -> str | None:  # noqa: ARG001 - as the other
    lowered = reason.lower()
    return next((word for word in SUBSTRINGS if word in lowered), None)


def _rate(work: Callable[[str, dict[str, Any]], object], texts: Sequence[Question]) -> float:
    done, begun = 0, time.process_time()
    while (spent := time.process_time() - begun) < SECONDS:
        for reason, context in texts:
            work(reason, context)
        done += len(texts)
    return done / spent


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


if __name__ == "__main__":
    main()
