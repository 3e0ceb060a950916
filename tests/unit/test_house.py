"""The house itself: its rooms and their doors, one meaning for each class's name, and where each module is tested."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT

CONSUMER: Final = ROOT / "consumer"
SOURCES: Final = sorted([*CONSUMER.rglob("*.py"), *(ROOT / "schemas").glob("*.py")])
ROOMS: Final = sorted({path.parent for path in CONSUMER.rglob("*.py")} - {CONSUMER})
README: Final = (ROOT / "tests" / "README.md").read_text()

LOOSE: Final = {"errors", "event_loop", "logs", "metrics"}
"""Modules that stand in no room: each is one page that every room may need."""
LARGE: Final = {"consumer/metrics.py": "the metrics stay one page, to be read beside the dashboards"}
LARGEST: Final = 350
LONGEST: Final = 50
TESTED_ABOVE: Final = 40
TWO_MEANINGS: Final = {
    "Edit": "a repair of a document within, a command on the wire",
    "Evidence": "a rule's within, an oracle's on the wire",
    "Heal": "a plan within, a command on the wire",
    "Recovered": "an answer within, and as it is published",
    "Trace": "as it is kept with a failure, and as it is read from a record",
}
"""Names of the published contract, which stay as they are published, and of what stands for them within."""


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _lines(path: Path) -> int:
    return path.read_text().count("\n")


def test_few_modules_stand_in_no_room() -> None:
    loose = {path.stem for path in CONSUMER.glob("*.py")} - {"__init__", "__main__"}
    assert loose == LOOSE
    assert len(loose) <= 5


@pytest.mark.parametrize("room", ROOMS, ids=_name)
def test_a_door_says_what_lives_there(room: Path) -> None:
    door = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    told = [line for line in door.splitlines() if line]
    assert told, "no door"
    assert len(told) <= 15
    if room.parent == CONSUMER:
        assert len(told) >= 5, "a newcomer learns too little"
        assert "Invariant" in door


def test_no_module_grows_beyond_a_few_pages_and_no_function_beyond_one() -> None:
    large = {_name(path): _lines(path) for path in SOURCES if _lines(path) > LARGEST}
    assert large.keys() == LARGE.keys(), large
    assert not [one for path in SOURCES for one in _long_functions(path)]


def _long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and (body[-1].end_lineno or 0) - body[0].lineno >= LONGEST:
                yield f"{_name(path)}:{node.lineno} {node.name}"


def test_a_class_has_a_name_of_its_own() -> None:
    found = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(_name(path))
    twice = {name: places for name, places in found.items() if len(places) > 1}
    assert twice.keys() == TWO_MEANINGS.keys(), twice


def test_every_module_says_where_it_is_tested() -> None:
    rows = re.findall(r"^\| `((?:consumer|schemas)/[^`]*)` \| (.+) \|$", README, re.MULTILINE)
    named = {module: re.findall(r"\]\(([^)]+)\)", tests) for module, tests in rows}
    assert all((ROOT / module).exists() and tests for module, tests in named.items())
    folders = tuple(module for module in named if module.endswith("/"))
    untold = [
        _name(path)
        for path in SOURCES
        if _lines(path) > TESTED_ABOVE
        and path.name != "__init__.py"
        and not _test_of(path).exists()
        and _name(path) not in named
        and not _name(path).startswith(folders)
    ]
    assert not untold
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert [link for link in links if not (ROOT / "tests" / link).exists()] == []


def _test_of(path: Path) -> Path:
    room = path.parent.relative_to(CONSUMER) if path.is_relative_to(CONSUMER) else path.parent.relative_to(ROOT)
    return ROOT / "tests" / "unit" / room / f"test_{path.name}"


def test_no_test_stands_on_a_benchmark() -> None:
    imports = re.compile(r"^\s*(?:from|import) benchmarks\b", re.MULTILINE)
    assert [_name(path) for path in (ROOT / "tests").rglob("*.py") if imports.search(path.read_text())] == []
