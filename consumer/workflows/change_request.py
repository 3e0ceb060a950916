"""A change request: where workflows are code, a patch becomes a diff with its evidence, for a person to merge."""

import difflib
import re
from collections.abc import Sequence
from typing import Final

import orjson

from consumer.model import JsonObject
from consumer.workflows.definition import Definition
from consumer.workflows.patch import DefinitionPatch, patch_json
from schemas.value import value

_CONTEXT: Final = 3
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PATH: Final = re.compile(r"(?:[\w.-]+/)*[\w.-]+")


@value(frozen=True, slots=True, kw_only=True)
class ChangeEvidence:
    """What speaks for a change: what it is for, and what was proven of it."""

    workflow: str
    failure: str
    """The failure's id."""
    hypothesis: str
    base_digest: str
    digest: str
    good_runs: int
    """Recorded good runs that were replayed unchanged."""
    objections: Sequence[str] = ()


def source_of(definition: Definition) -> str:
    """Write a definition as the file that a diff is made of: one member a line, in the order of the document."""
    return orjson.dumps(definition.as_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def unified_diff(path: str, before: str, after: str) -> str:
    """Return the diff of one file, as `git apply` takes it. Raises ValueError for a path."""
    if not _PATH.fullmatch(path) or ".." in path.split("/"):
        raise ValueError("the path of a change stays within its repository")
    lines = list(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            fromfile=f"a/{path}",
            tofile=f"b/{path}",
            n=_CONTEXT,
        )
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def change_request(
    path: str, before: Definition, after: Definition, patch: DefinitionPatch, evidence: ChangeEvidence
) -> JsonObject:
    """Return a change request: title, description, diff, and the same as data, for a described call or a file."""
    diff = unified_diff(path, source_of(before), source_of(after))
    return {
        "title": f"Mend the workflow {_line(evidence.workflow)}",
        "description": _description(evidence),
        "path": path,
        "diff": diff,
        "patch": list(patch_json(patch)),
        "base_digest": evidence.base_digest,
        "digest": evidence.digest,
    }


def _description(evidence: ChangeEvidence) -> str:
    told = [
        f"Failure {_line(evidence.failure)} of the workflow {_line(evidence.workflow)}.",
        "",
        f"Hypothesis: {_line(evidence.hypothesis)}",
        "",
        "The failing run reaches its end on recorded answers.",
        f"Recorded good runs that stay as they were: {evidence.good_runs}",
        f"Definition before: {evidence.base_digest}",
        f"Definition after: {evidence.digest}",
        *(f"Objection: {_line(each)}" for each in evidence.objections),
    ]
    return "\n".join(told)


def _line(text: str) -> str:
    """Write a text as one line that no host of code reads as markup: it may quote the failure."""
    plain = _UNSAFE.sub(" ", text).replace("\n", " ")[:500]
    return re.sub(r"([`<>\[\]()*_#@|!\\])", r"\\\1", plain)
