"""Cases that were handed to the project as attacks; they stand beside the checkout, and not everywhere."""

import ast
import json
from typing import Any, Final

from tests.support.paths import ROOT

_ATTACKS: Final = ROOT.parent / "shared" / "cases" / "attacks"


def given(name: str) -> list[dict[str, Any]]:
    """Return the cases of one file; none where it is absent."""
    path = _ATTACKS / name
    cases: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return cases


def value_of(case: dict[str, Any]) -> object:
    """Return a case's value; one that is written as a Python object is read as one."""
    value = case["value"]
    return ast.literal_eval(value) if isinstance(value, str) and value[:2] in ("{'", "[{") else value
