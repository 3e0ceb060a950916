"""What an ordinary repair takes in process: its schema known already, by the processor's time of this thread.

The least of some rounds counts for each text: what a neighbour on the machine takes is no time of ours.
"""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.console import Console

from benchmarks.harness.report import at_most, percentile, table
from consumer.repair.repair import repair_text
from schemas.names import Grade
from tests.support.as_sent.letters import Right, letters
from tests.support.damaged.cases import Group, Size, cases
from tests.support.damaged.schema_positions import Json

_ROUNDS: Final = 3
_P50_MS: Final = 1.5
_P99_MS: Final = 10.0
_SIZE: Final = Size(documents=1, random_schemas=0, doubles=10, hard=False)


class Question(NamedTuple):
    """A text with its schema."""

    schema: Json
    text: str


def questions(seed: int) -> dict[str, list[Question]]:
    """Give ordinary repairs by their source, each source's by schema."""
    sent = [Question(one.schema, one.text) for one in letters(seed) if one.right is Right.RESTORED]
    ours = (one for one in cases(seed, _SIZE) if one.group in {Group.SINGLE, Group.DOUBLE})
    return {"as sent": sent, "one or two damages": [Question(one.schema, one.text) for one in ours]}


def milliseconds(asked: Sequence[Question]) -> list[float]:
    """Give the least time of each question."""
    least = [float("inf")] * len(asked)
    for _ in range(_ROUNDS):
        for place, one in enumerate(asked):
            repair_text("null", one.schema, most=Grade.LOSSLESS)  # the schema is compiled, and known
            begun = time.thread_time_ns()
            repair_text(one.text, one.schema, most=Grade.INVENTIVE)
            least[place] = min(least[place], (time.thread_time_ns() - begun) / 1e6)
    return least


def measure(seed: int, console: Console) -> None:
    """Ask, and print with the bars."""
    rows = []
    for source, asked in questions(seed).items():
        took = milliseconds(asked)
        p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
        figures = [f"{p50:.2f}", f"{p99:.2f}", f"{max(took):.1f}"]
        rows.append([source, str(len(asked)), *figures, f"{at_most(p50, _P50_MS)}; {at_most(p99, _P99_MS)}"])
    columns = ["ordinary repairs", "texts", "p50 ms", "p99 ms", "most ms", "bars"]
    console.print(table(f"speed in process, seed {seed}", columns, rows))
