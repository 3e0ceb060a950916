"""The documentation against the code: what is named exists, what exists is named, and the examples work."""

import ast
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest
import typer.main
import yaml
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, SecretStr, TypeAdapter

from consumer.catalog import Catalog, Catalogs, parse_catalog
from consumer.cli.commands import app
from consumer.diagnose import diagnose
from consumer.ingest.decode import AdmissionRules, decode
from consumer.metrics import Metrics
from consumer.model import Failure, Heal, Plan, Record
from consumer.plan.planner import LADDER, Planner
from consumer.service.strategies import installed_strategies
from consumer.settings import Settings
from schemas.names import Code, Effect, FailureType, PoisonReason, StrategyName
from schemas.replay import MARKS
from tests.support.paths import ROOT

PAGES: Final = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "report/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
README: Final = (ROOT / "README.md").read_text()
OPERATIONS: Final = (ROOT / "docs" / "operations.md").read_text()
STRATEGIES: Final = (ROOT / "docs" / "strategies.md").read_text()
CONTRACT: Final = (ROOT / "docs" / "contract.md").read_text()
EXAMPLE_CATALOG: Final = ROOT / "deploy" / "catalog.example.yaml"
FENCE: Final = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
MADE_BY_TESTS_OR_MAKE: Final = {
    "SHW_CI",
    "SHW_ENGINES",
    "SHW_FAULT_MATRIX",
    "SHW_FAULT_SEED",
    "SHW_SIMULATION_EXAMPLES",
    "SHW_SIMULATION_SHRINK",
}


def _blocks(page: str, language: str) -> list[str]:
    return [dedent(body) for _, found, body in FENCE.findall(page) if found == language]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _without_blocks(page: str) -> str:
    return FENCE.sub("", page)


# ---- what exists is named


def _metric_names() -> list[str]:
    registry = CollectorRegistry()
    Metrics(registry)
    return [f"{one.name}_total" if one.type == "counter" else one.name for one in registry.collect()]


@pytest.mark.parametrize("name", _metric_names())
def test_every_metric_has_its_row_in_operations(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", OPERATIONS, re.MULTILINE)


def _settings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        variable, default = f"{prefix}{name.upper()}", field.get_default()
        if isinstance(default, BaseModel):
            yield from _settings(type(default), f"{variable}__")
        elif default is None:
            yield variable, "not set"
        elif isinstance(default, SecretStr):
            yield variable, f"`{default.get_secret_value()}`"
        else:
            written = TypeAdapter(type(default)).dump_python(default, mode="json")
            yield variable, f"`{written if isinstance(written, str) else json.dumps(written)}`"


SETTINGS: Final = tuple(_settings(Settings, "SHW_"))


@pytest.mark.parametrize(("variable", "default"), SETTINGS, ids=[variable for variable, _ in SETTINGS])
def test_every_setting_has_its_row_with_its_default_in_operations(variable: str, default: str) -> None:
    assert f"| `{variable}` | {default} |" in OPERATIONS


def _commands(command: object, words: tuple[str, ...] = ("shw",)) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if not isinstance(below, Mapping):
        yield " ".join(words)
    else:
        for name, one in below.items():
            yield from _commands(one, (*words, name))


COMMANDS: Final = tuple(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_row_in_the_readme(command: str) -> None:
    assert f"| `{command}` |" in README


def _log_events() -> list[str]:
    found = set()
    for path in (ROOT / "consumer").rglob("*.py"):
        if "local" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := _event_of(node)) is not None:
                found.add(name)
    return sorted(found)


def _event_of(call: ast.Call) -> str | None:
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name("log"), attr="debug" | "info" | "warning" | "error" | "exception"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return name
        case _:
            return None


def test_every_log_event_stands_in_operations() -> None:
    events = _log_events()
    assert {"heal_settled", "dead_letter", "strategy_crashed"} <= set(events)
    rows = OPERATIONS.partition("## Log events")[2].partition("## Procedures")[0]
    told = "".join(line.split(" | ")[0] for line in rows.splitlines() if line.startswith("| "))
    assert [event for event in events if f"`{event}`" not in told] == []


@pytest.mark.parametrize("reason", PoisonReason)
def test_every_reason_of_a_dead_letter_says_what_it_means_and_what_to_do(reason: PoisonReason) -> None:
    assert f"| `{reason}` |" in CONTRACT
    assert f"`{reason}`" in OPERATIONS.partition("### Dead letters")[2].partition("### ")[0]


@pytest.mark.parametrize("code", Code)
def test_every_code_stands_in_the_contract(code: Code) -> None:
    assert f"| `{code}` |" in CONTRACT


@pytest.mark.parametrize("strategy", StrategyName)
def test_every_strategy_says_what_it_answers_and_whether_it_is_installed(strategy: StrategyName) -> None:
    row = next(line for line in STRATEGIES.splitlines() if line.startswith(f"| `{strategy}` |"))
    answers = {kind for kind, one in LADDER.items() if one is strategy}
    assert {kind for kind in FailureType if f"`{kind}`" in row} == answers


async def test_what_is_called_installed_is_installed() -> None:
    async with installed_strategies(Catalogs(_example_catalog()), connections=1) as installed:
        for strategy in StrategyName:
            row = next(line for line in STRATEGIES.splitlines() if line.startswith(f"| `{strategy}` |"))
            assert row.endswith("| installed |" if strategy in installed else "| `not_installed` |")


@pytest.mark.parametrize("effect", Effect)
def test_every_effect_class_is_explained(effect: Effect) -> None:
    assert f"| `{effect}` |" in STRATEGIES


# ---- what is named exists


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_blocks(page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in _anchors(there.read_text()), target


def _anchors(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    roots = "consumer|schemas|migrations|tests|deploy|docs|benchmarks"
    for named in re.findall(rf"`((?:{roots})/[\w./-]*)`", page.read_text()):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_variable_that_is_named_is_a_setting(page: Path) -> None:
    known = {variable for variable, _ in SETTINGS} | MADE_BY_TESTS_OR_MAKE
    known |= {f"{variable}_FILE" for variable, _ in SETTINGS}
    assert set(re.findall(r"\bSHW_[A-Z_]*[A-Z]\b", page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_command_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    code = "\n".join([*_blocks(text, "sh"), *re.findall(r"`([^`\n]+)`", _without_blocks(text))])
    groups = {command.rsplit(" ", 1)[0] for command in COMMANDS if command.count(" ") == 2}
    for first, second in re.findall(r"(?<![\w/-])shw ([a-z][\w-]*)(?: ([a-z][\w-]*))?", code):
        name = f"shw {first} {second}" if f"shw {first}" in groups and second else f"shw {first}"
        assert name in COMMANDS or name in groups, name


def _typed(block: str) -> Iterator[list[str]]:
    """The words of each command line of `shw` in a shell block: to the pipe, the redirection or the next command."""
    for line in re.sub(r"\\\n", " ", block).splitlines():
        for found in re.finditer(r"(?:^|[|(;]|\s)((?:\.venv/bin/)?shw [a-z][^|;>)#]*)", line):
            yield shlex.split(found[1].partition(" < ")[0])[1:]


def _command_of(words: list[str]) -> tuple[Any, list[str]]:
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_command_line_on_a_page_is_taken(page: Path) -> None:
    for block in (*_blocks(page.read_text(), "sh"), *_blocks(page.read_text(), "bash")):
        for words in _typed(block):
            command, given = _command_of(words)
            taken = {option for one in command.params for option in one.opts} | {"--help"}
            assert {word for word in given if word.startswith("--")} <= taken, words
            needed = {one.opts[0] for one in command.params if one.required and one.opts[0].startswith("--")}
            assert needed <= set(given), words


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    code = "\n".join([*_blocks(text, "sh"), *re.findall(r"`([^`\n]+)`", _without_blocks(text))])
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_metric_that_is_named_exists(page: Path) -> None:
    named = {name.removesuffix("_bucket") for name in re.findall(r"\bshw_[a-z_]*[a-z]\b", page.read_text())}
    headers = {name for name in named if name.startswith("shw_dlq_")} | MARKS
    others = {"shw_migrations", "shw_report", "shw_service", "shw_history", "shw_keep_private"} | headers
    assert named - others <= set(_metric_names())


# ---- the examples work


def _example_catalog() -> Catalog:
    return parse_catalog(EXAMPLE_CATALOG.read_text(), EXAMPLE_CATALOG.name)


def _yaml_of(page: str) -> list[Any]:
    return [yaml.safe_load(block) for block in _blocks(page, "yaml")]


def test_the_example_catalog_is_valid_and_shows_every_field_of_auto_retry() -> None:
    catalog = _example_catalog()
    first = catalog.workflows[0]
    assert first.auto_retry.model_fields_set == set(type(first.auto_retry).model_fields)
    assert first.model_fields_set == set(type(first).model_fields)


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_catalog_on_a_page_is_valid(page: Path) -> None:
    for block in _blocks(page.read_text(), "yaml"):
        if block.startswith("version:"):
            parse_catalog(block, _named(page))


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_json_and_python_block_can_be_read(page: Path) -> None:
    text = page.read_text()
    for block in _blocks(text, "json"):
        json.loads(block)
    for block in _blocks(text, "python"):
        ast.parse(block)


def _events(page: str) -> Iterator[str]:
    """Every failure that a page publishes, in whatever language it is written."""
    yield from (block for block in _blocks(page, "json") if "failure_reason" in block)
    for block in _blocks(page, "sh"):
        yield from (quoted for quoted in re.findall(r"'(\{[^']*\})'", block) if "org_id" in quoted)
    for block in _blocks(page, "js"):
        yield from re.findall(r"^const event = (\{.*?^\});", block, re.MULTILINE | re.DOTALL)
    for block in _blocks(page, "python"):
        for node in ast.parse(block).body:
            match node:
                case ast.Assign(targets=[ast.Name("event")], value=value):
                    yield json.dumps(ast.literal_eval(value))
                case _:
                    continue


PUBLISHED: Final = [
    pytest.param(event, id=f"{_named(page)}-{number}")
    for page in PAGES
    for number, event in enumerate(_events(page.read_text()), 1)
]


def test_the_readme_publishes_from_every_language() -> None:
    assert len(list(_events(README))) == 5


@pytest.mark.parametrize("event", PUBLISHED)
async def test_every_event_on_a_page_would_be_healed_under_the_example_catalog(event: str) -> None:
    plan = await _planned(event)
    assert isinstance(plan, Heal), plan
    assert plan.strategy is StrategyName.AUTO_RETRY


async def _planned(event: str) -> Plan:
    catalog, now = _example_catalog(), datetime.now(UTC)
    record = Record(
        topic="workflow.failures",
        partition=0,
        offset=0,
        timestamp_ms=int(now.timestamp() * 1000),
        key=None,
        value=event.encode(),
        headers=(),
    )
    failure = decode(record, AdmissionRules(catalog=catalog, max_event_bytes=1024 * 1024), now)
    assert isinstance(failure, Failure), failure
    assert failure.redactions == ()
    async with installed_strategies(Catalogs(catalog), connections=1) as installed:
        planner = Planner(rungs=installed, catalog=catalog)
        return planner.plan(failure, diagnose(failure.failure_reason, failure.context), now)
