"""A change request is a diff that git applies, beside evidence that carries no markup of the failure's."""

import shutil
import subprocess
from pathlib import Path

import pytest

from consumer.workflows.change_request import ChangeEvidence, change_request, source_of, unified_diff
from consumer.workflows.patch import apply_patch, parse_patch
from tests.support.workflows.orders import definition

PATCH = parse_patch([{"op": "add", "path": "/steps/2/retries", "value": 2}])


def evidence(hypothesis: str = "the charge is tried once") -> ChangeEvidence:
    before = definition()
    return ChangeEvidence(
        workflow="orders",
        failure="f-1",
        hypothesis=hypothesis,
        base_digest=before.digest,
        digest=apply_patch(before, PATCH).digest,
        good_runs=3,
    )


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_git_applies_the_diff(tmp_path: Path) -> None:
    before = definition()
    after = apply_patch(before, PATCH)
    request = change_request("flows/orders.json", before, after, PATCH, evidence())
    place = tmp_path / "flows" / "orders.json"
    place.parent.mkdir()
    place.write_text(source_of(before))
    (tmp_path / "change.diff").write_text(str(request["diff"]))
    subprocess.run(["git", "apply", "change.diff"], cwd=tmp_path, check=True)
    assert place.read_text() == source_of(after)
    assert request["patch"] == [{"op": "add", "path": "/steps/2/retries", "value": 2}]


def test_a_file_without_a_last_line_end_is_said_to_have_none() -> None:
    diff = unified_diff("a.py", "one\ntwo", "one\nthree")
    assert diff.count("\\ No newline at end of file") == 2


def test_the_description_quotes_no_markup() -> None:
    before = definition()
    said = "<img src=x> [click](https://evil.invalid)\n## approved \u202e @owner"
    request = change_request("orders.json", before, apply_patch(before, PATCH), PATCH, evidence(said))
    told = str(request["description"])
    assert "<img" not in told.replace("\\<", "")
    assert "[click]" not in told
    assert "\u202e" not in told
    assert "\n## " not in told


@pytest.mark.parametrize("path", ["../x.py", "/etc/passwd", "a b", "a/../../b", ""])
def test_a_path_outside_its_repository_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="within its repository"):
        unified_diff(path, "", "x")
