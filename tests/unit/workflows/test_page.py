"""The examples of the page about the deep agent are what it says they are."""

import json
import re

from consumer.workflows.checks import CHECKS
from consumer.workflows.definition import Definition
from consumer.workflows.findings import PatchRule
from consumer.workflows.patch import apply_patch, parse_patch
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "deep-agent.md").read_text()
DOCUMENT, PATCH = (
    json.loads(found) for found in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[:2]
)


def test_the_patch_of_the_page_applies_to_its_definition() -> None:
    definition = Definition.from_json(DOCUMENT)
    assert apply_patch(definition, parse_patch(PATCH)).by_id["charge"].retries == 3


def test_every_rule_has_its_row() -> None:
    rows = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert [rule for rule in PatchRule if f"`{rule}`" not in rows] == []
    assert set(CHECKS) < set(PatchRule)
