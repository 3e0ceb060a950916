"""The caller's own demands on a JSON body: pure."""

from typing import Final

from schemas.context import Assertion
from schemas.json_value import same, value_at

_ABSENT: Final = object()


def unmet(body: object, assertion: Assertion) -> str | None:
    """Say which check of an assertion does not hold; the body's own values are never quoted."""
    found = value_at(body, assertion.path, _ABSENT)
    where = f"at {assertion.path or 'the root'}"
    given = assertion.model_fields_set
    if "exists" in given and assertion.exists is not None and assertion.exists is not (found is not _ABSENT):
        return f"{where}: there {'is something' if found is not _ABSENT else 'is nothing'}"
    if found is _ABSENT:
        return f"{where}: there is nothing" if given & {"equals", "one_of", "min", "max"} else None
    if "equals" in given and not same(found, assertion.equals):
        return f"{where}: not the expected value"
    if assertion.one_of is not None and not any(same(found, value) for value in assertion.one_of):
        return f"{where}: none of the expected values"
    return _out_of_range(found, assertion, where)


def _out_of_range(found: object, assertion: Assertion, where: str) -> str | None:
    if assertion.min is None and assertion.max is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return f"{where}: not a number"
    if assertion.min is not None and found < assertion.min:
        return f"{where}: below the minimum"
    if assertion.max is not None and found > assertion.max:
        return f"{where}: above the maximum"
    return None
