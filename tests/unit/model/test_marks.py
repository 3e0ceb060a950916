"""Runs of combining marks, which Unicode's normal forms sort by insertion: cut before a text is normalized."""

import time
import unicodedata

import pytest

from consumer.diagnose.lexer import READ, folded
from consumer.model.marks import MOST_MARKS, without_surplus_marks
from consumer.workflows.checks.spellings import LONGEST, folded_forms

HALF = 1000


@pytest.mark.parametrize(
    "run",
    [
        "\u0301" * HALF + "\u0316" * HALF,
        "\u0316\u0301" * HALF,
        "\u0f73\u0316" * HALF,
        "\u0344\u0316" * HALF,
        "\uff9e\u0316" * HALF,
        "\U0001d165\u0316" * HALF,
    ],
    ids=ascii,
)
def test_marks_beyond_thirty_in_a_row_are_left_out(run: str) -> None:
    short = without_surplus_marks(f"a{run}b{run}")
    assert short == f"a{run[:MOST_MARKS]}b{run[:MOST_MARKS]}"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "é" * HALF,
        "Việt Nam e\u0323\u0302",
        "…—“" * HALF,
        "\u200d" * HALF,
        "กำ" * HALF,
        "ﾊﾟ" * HALF,
        "क्षि" * HALF,
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert without_surplus_marks(text) == text


@pytest.mark.parametrize(("fold", "longest"), [(folded, READ), (folded_forms, LONGEST)])
def test_the_longest_text_of_marks_is_folded_at_once(fold: object, longest: int) -> None:
    assert callable(fold)
    run = ("\u0301" * (longest // 2) + "\u0316" * (longest // 2))[1:]
    begun = time.process_time()
    unicodedata.normalize("NFKD", f"a{run}")
    unbounded = time.process_time() - begun
    begun = time.process_time()
    fold(f"a{run}")
    assert time.process_time() - begun < unbounded / 3
