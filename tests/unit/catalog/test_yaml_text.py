"""Catalogs as nobody should write them: each is one clear line, within a second, and never a traceback."""

import time

import pytest

from consumer.catalog import parse_catalog
from consumer.catalog.yaml_text import MOST_VALUES
from consumer.errors import ConfigError

WHOLE = "version: 1\nworkflows:\n- name: 'orders.*'\n  hosts: [{host: api.example.com}]\n"


def refusal(text: str) -> str:
    began = time.process_time()
    with pytest.raises(ConfigError) as error:
        parse_catalog(text, "c.yaml")
    assert time.process_time() - began < 10
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 2000
    return said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: " + "[" * 20_000 + "]" * 20_000, "nested too deeply"),
        ("x: " + "{a: " * 5_000 + "1" + "}" * 5_000, "nested too deeply"),
        ("x: &x [*x]", "an alias stands within what it names"),
        ("version: 1" + "0" * 5_000, "write it in quotes"),
        (WHOLE + "  backoff: 2026-02-30", "2026-02-30 is no value"),
        (WHOLE + "  max_age: 2026-02-30T25:00:00Z", "is no value"),
        ("- 1", "a catalog is a mapping that begins with `version: 1`"),
        ("hello", "a catalog is a mapping"),
        ("null", "a catalog is a mapping"),
        (WHOLE + "version: 1", "c.yaml:5: version is said twice"),
        (WHOLE + "? [a, b]\n: 1", "unhashable key"),
        (WHOLE + "x: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (WHOLE + "---\n" + WHOLE, "expected a single document"),
    ],
)
def test_it_is_told_where_and_what(text: str, said: str) -> None:
    assert said in refusal(text)


def test_aliases_of_aliases_are_not_written_out() -> None:
    lines, before = ["x:"], "x"
    for one in "abcdefghi":
        lines.append(f"  {one}: &{one} [{', '.join([before] * 10)}]")
        before = f"*{one}"
    assert f"more than {MOST_VALUES:,} values" in refusal(WHOLE + "\n".join(lines))


def test_an_ordinary_alias_and_a_merged_mapping_are_read() -> None:
    text = (
        "version: 1\nworkflows:\n- &first\n  name: 'orders.*'\n  hosts: &hosts [{host: api.example.com}]\n"
        "- <<: *first\n  name: 'stock.*'\n  hosts: *hosts\n"
    )
    assert [entry.name for entry in parse_catalog(text).workflows] == ["orders.*", "stock.*"]


def test_without_a_word_it_says_what_is_missing() -> None:
    assert refusal("# nothing yet\n") == "c.yaml:1: version: is missing"
