"""What a catalog declares for schema-autofix: the schemas, how far a repair may go, and what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from consumer.catalog import Catalog, SchemaAutofixLimits, parse_catalog
from consumer.errors import ConfigError
from consumer.service.catalog_file import read_catalog
from schemas.names import Grade

SCHEMA = {"type": "object", "required": ["amount"]}


def catalog(section: str) -> Catalog:
    return parse_catalog(f"version: 1\nworkflows:\n- name: orders.*\n  schema_autofix:\n{section}", "c.yaml")


def limits(read: Catalog) -> SchemaAutofixLimits:
    policy = read.policy("orders.sync")
    assert policy is not None
    return policy.schema_autofix


def test_nothing_but_lossless_repairs_is_allowed_unless_it_is_declared() -> None:
    assert (SchemaAutofixLimits().grade, SchemaAutofixLimits().schema_of("charge")) == (Grade.LOSSLESS, None)
    assert limits(catalog("    grade: inventive\n")).grade is Grade.INVENTIVE


def test_the_first_pattern_that_matches_a_step_counts() -> None:
    said = limits(catalog("    schemas:\n      charge: {type: object}\n      'ch*': true\n      '*': {type: array}\n"))
    assert said.schema_of("charge") == {"type": "object"}
    assert said.schema_of("check") is True
    assert said.schema_of("refund") == {"type": "array"}


@pytest.mark.parametrize(
    ("section", "line", "says"),
    [
        ("    grade: generous\n", 5, "lossless"),
        ("    verify: PT9M\n", 5, "8 minutes"),
        ("    verify: PT0S\n", 5, "has to be more than"),
        ("    drift_after: 0\n", 5, "has to be 1 or more"),
        ("    guarded: [/a, b]\n", 5, "of the form"),
        ("    guarded: [/a~2]\n", 5, "of the form"),
        ("    schemas:\n      a: true\n      b: {type: objet}\n", 7, "not a JSON Schema 2020-12 at /type"),
        ("    schemas:\n      b: {$ref: 'https://example.com/s'}\n", 6, "outside itself"),
        ("    schemas:\n      b: {items: [{$dynamicRef: other}]}\n", 6, ""),
        ("    schemas:\n      b: {const: 2020-01-01}\n", 6, "not JSON"),
        ("    schemas:\n      b: 7\n", 6, ""),
        ("    schemas:\n      b: {file: s.json}\n", 6, "only a catalog that is a file itself"),
        (f"    schemas:\n      b: {{const: {'x' * 300_000}}}\n", 6, "larger than"),
        ("    schema: true\n", 5, "no such field"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(section: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^c\.yaml:{line}: workflows\.0\.schema_autofix.*{says}"):
        catalog(section)


FILED = "version: 1\nworkflows:\n- name: '*'\n  schema_autofix: {schemas: {charge: {file: schemas/order.json}}}\n"


@pytest.fixture
def filed(tmp_path: Path) -> Path:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "order.json").write_text(json.dumps(SCHEMA))
    path = tmp_path / "catalog.yaml"
    path.write_text(FILED)
    return path


def test_a_schema_may_lie_in_a_file_beside_the_catalog(filed: Path) -> None:
    assert limits(read_catalog(filed)).schema_of("charge") == SCHEMA


def test_another_schema_file_makes_another_version(filed: Path) -> None:
    before = read_catalog(filed).version
    assert read_catalog(filed).version == before
    (filed.parent / "schemas" / "order.json").write_text(json.dumps(SCHEMA | {"title": "Order"}))
    assert read_catalog(filed).version != before


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read"), (b"{", "not JSON"), (b"\xff", "not JSON"), (b'{"type": 1}', "at /type")],
)
def test_a_schema_file_that_is_none_is_a_fault_of_the_catalog(filed: Path, content: bytes | None, says: str) -> None:
    file = filed.parent / "schemas" / "order.json"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"catalog\.yaml:4: .*{says}"):
        read_catalog(filed)


def test_a_boolean_is_a_schema_and_a_file_called_file_is_not_taken_for_one() -> None:
    named: dict[str, Any] = {"properties": {"file": {"type": "string"}}, "file": "x"}
    assert SchemaAutofixLimits(schemas={"a": False, "b": named}).schema_of("b") == named
