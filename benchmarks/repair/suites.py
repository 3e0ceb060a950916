"""The suites of others, where a package brings them: JSON Schema's own (in jsonschema's source) and json_repair's.

They are fetched by pip into `.local/suites`, and never part of this repository. json_repair completes and guesses, so
its expected answers are no bar: what counts is how many texts of one reading (`one_reading.txt`, by their digests) are
refused, and that no document comes back that is neither its answer nor the one reading.
"""

import ast
import json
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from benchmarks.harness.report import at_least, at_most, table
from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RefusalCause, RepairStatus
from schemas.names import Grade
from tests.support.damaged.schema_positions import same

_HOME: Final = Path(".local/suites")
_JSONSCHEMA: Final = ("jsonschema", "4.26.0")
_JSON_REPAIR: Final = ("json_repair", "0.58.0")
"""The last release whose source has its tests."""
_ONE_READING: Final = Path(__file__).with_name("one_reading.txt")
_FORMAT_BAR: Final = 97.0
_WORSE_BAR: Final = 20
_WITHOUT_MEANING: Final = frozenset({"return_objects", "skip_json_loads"})
"""Options of the peer that do not change what it reads."""


class Pair(NamedTuple):
    """A text of the peer's suite, and what the peer makes of it; None: nothing."""

    text: str
    expected: Json

    @property
    def digest(self) -> str:
        """What names the text in our list."""
        return sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def source_of(name: str, version: str) -> Path:
    """Return the unpacked source of a package, fetched where it is not here."""
    found = _HOME / f"{name}-{version}"
    if not found.is_dir():
        _HOME.mkdir(parents=True, exist_ok=True)
        subprocess.run(  # noqa: S603 - pip, with constants
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, f"{name}=={version}"],
            cwd=_HOME,
            check=True,
        )
        with tarfile.open(found.with_name(f"{found.name}.tar.gz")) as packed:
            packed.extractall(_HOME, filter="data")
    return found


def pairs(tests: Path) -> Iterator[Pair]:
    """Yield each `assert repair_json(TEXT) == ANSWER` of the peer's tests that names both."""
    for module in sorted(tests.glob("test_*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq) and isinstance(node.left, ast.Call):
                yield from _pair_of(node.left, node.comparators[0])


def _pair_of(call: ast.Call, answer: ast.expr) -> Iterator[Pair]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    options = {one.arg for one in call.keywords}
    if name not in {"repair_json", "loads"} or len(call.args) != 1 or not options <= _WITHOUT_MEANING:
        return
    try:
        text, told = ast.literal_eval(call.args[0]), ast.literal_eval(answer)
    except ValueError:
        return
    if isinstance(text, str):
        is_text = name == "repair_json" and "return_objects" not in options
        yield Pair(text, json.loads(told) if is_text and told else None if told == "" else told)


def measure(console: Console, refused: Path | None) -> None:
    """Run both suites, and print them with their bars."""
    console.print(
        table("JSON Schema's own suite, 2020-12", ["part", "cases", "right %", "remote", "bar"], _schema_rows())
    )
    found = {pair.text: pair for pair in pairs(source_of(*_JSON_REPAIR) / "tests")}
    verdicts = {text: _verdict(pair) for text, pair in found.items()}
    known = dict(line.split()[:2] for line in _ONE_READING.read_text(encoding="ascii").splitlines())
    counts = Counter(verdicts.values())
    worse = sum(verdict == "refused" and known.get(found[text].digest) == "one" for text, verdict in verdicts.items())
    wrong = sum(verdict == "other" and known.get(found[text].digest) != "ours" for text, verdict in verdicts.items())
    bars = f"{at_most(wrong, 0)} wrong; {at_most(worse, _WORSE_BAR)} worse"
    figures = [str(counts[name]) for name in ("same", "refused", "other")]
    columns = ["json_repair's own suite", "texts", "same", "refused", "other", "bar"]
    console.print(table("texts without a schema", columns, [[_JSON_REPAIR[1], str(len(found)), *figures, bars]]))
    if refused is not None:
        lines = [
            [verdicts[text], known.get(pair.digest, "?"), pair.digest, text, pair.expected]
            for text, pair in found.items()
        ]
        refused.write_text("".join(json.dumps(one) + "\n" for one in lines if one[0] != "same"), encoding="utf-8")


def _verdict(pair: Pair) -> str:
    repair = repair_text(pair.text, True, most=Grade.INVENTIVE)
    if repair.status is RepairStatus.REFUSED:
        return "same" if pair.expected is None else "refused"
    return "same" if same(repair.document, pair.expected) else "other"


def _schema_rows() -> list[list[str]]:
    suite = source_of(*_JSONSCHEMA) / "json" / "tests" / "draft2020-12"
    rows = []
    for part, files, bar in (
        ("required", suite.glob("*.json"), 100.0),
        ("format", (suite / "optional" / "format").glob("*.json"), _FORMAT_BAR),
    ):
        counts: Counter[str] = Counter()
        for one in sorted(files):
            if one.stem != "format":  # there a format is an annotation; here it is a demand
                counts.update(_judged(one))
        total = counts["right"] + counts["wrong"]
        share = 100 * counts["right"] / total
        rows.append([part, str(total), f"{share:.1f}", str(counts["remote"]), at_least(share, bar, " %")])
    return rows


def _judged(file: Path) -> Iterator[str]:
    for group in json.loads(file.read_text(encoding="utf-8")):
        for case in group["tests"]:
            repair = repair_document(case["data"], group["schema"], most=Grade.LOSSLESS)
            is_remote = _is_of_elsewhere(group["schema"]) or (
                repair.cause is RefusalCause.UNUSABLE_SCHEMA and "outside itself" in (repair.reason or "")
            )
            is_right = (repair.status is RepairStatus.VALID) is case["valid"]
            yield "remote" if is_remote else "right" if is_right else "wrong"


def _is_of_elsewhere(schema: Json) -> bool:
    """Return whether a schema's own language is one that it defines elsewhere."""
    dialect = schema.get("$schema") if isinstance(schema, dict) else None
    return isinstance(dialect, str) and "json-schema.org" not in dialect
