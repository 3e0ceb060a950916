"""What is wrong with a value, in words for whoever wrote it. The value is not told, but for a misspelt word of ours."""

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic_core import ErrorDetails

_PER_TYPE: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "there is no such field",
    "string_type": "has to be a text",
    "string_unicode": "has to be a text in UTF-8",
    "int_type": "has to be a whole number",
    "int_parsing": "has to be a whole number",
    "int_parsing_size": "has more digits than are read",
    "int_from_float": "has to be a whole number",
    "float_type": "has to be a number",
    "float_parsing": "has to be a number",
    "decimal_type": "has to be a number",
    "decimal_parsing": "has to be a number",
    "finite_number": "has to be a finite number",
    "bool_type": "has to be true or false",
    "bool_parsing": "has to be true or false",
    "list_type": "has to be a list",
    "tuple_type": "has to be a list",
    "set_type": "has to be a list",
    "frozen_set_type": "has to be a list",
    "uuid_type": "has to be a UUID, such as 6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f",
    "uuid_parsing": "has to be a UUID, such as 6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f",
    "time_delta_type": "has to be a duration: seconds, or ISO 8601 such as PT5S",
    "time_delta_parsing": "has to be a duration: seconds, or ISO 8601 such as PT5S",
    "datetime_type": "has to be a time with an offset, such as 2026-01-31T09:30:00Z",
    "datetime_parsing": "has to be a time with an offset, such as 2026-01-31T09:30:00Z",
    "datetime_object_invalid": "has to be a time with an offset, such as 2026-01-31T09:30:00Z",
    "datetime_from_date_parsing": "has to be a time with an offset, such as 2026-01-31T09:30:00Z",
    "timezone_aware": "needs an offset, such as 2026-01-31T09:30:00Z",
    "url_parsing": "has to be a URL, such as https://api.example.com/",
    "url_type": "has to be a URL, such as https://api.example.com/",
    "path_type": "has to be a path",
    "ip_v4_network": "has to be a network, such as 10.0.0.0/8",
    "ip_v6_network": "has to be a network, such as 10.0.0.0/8",
    "ip_any_network": "has to be a network, such as 10.0.0.0/8",
    "none_required": "has to be null, or left out",
}
SHORT: Final = 4
"""Letters of a word of which two in the wrong order are half of it."""
_ENUM_MEMBER: Final = re.compile(r"<[\w.]+: '?([^'>]*)'?>")
OBJECTS: Final = frozenset({"dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"})
_WITH_LIMIT: Final[Mapping[str, str]] = {
    "greater_than": "has to be more than {gt}",
    "greater_than_equal": "has to be {ge} or more",
    "less_than": "has to be less than {lt}",
    "less_than_equal": "has to be {le} or less",
    "multiple_of": "has to be a multiple of {multiple_of}",
    "string_too_short": "has to have {min_length} characters or more",
    "string_too_long": "has to have {max_length} characters or fewer",
    "too_short": "has to have {min_length} entries or more",
    "too_long": "has to have {max_length} entries or fewer",
    "string_pattern_mismatch": "has to be of the form {pattern}",
    "decimal_max_digits": "has to have {max_digits} digits or fewer",
    "decimal_max_places": "has to have {decimal_places} places or fewer",
}
_FORMS: Final[Mapping[str, str]] = {
    r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\x00-\x1f]+$": "an absolute http(s) URL without spaces",
    r"^[^\x00-\x08\x0a-\x1f\x7f]*$": "one line, without control characters",
    r"^(/.*)?$": "a JSON Pointer, such as /state",
    r"^[A-Za-z]{1,16}$": "an HTTP method, such as GET",
    r"^[A-Z]{1,32}$": "an HTTP method in capitals, such as GET",
}


def fault_in_words(fault: ErrorDetails, *, an_object: str = "an object") -> str:
    """Say what a value has to be; with the fault's `input` also which of the words that fit was probably meant.

    `an_object` is what the writer's language calls one: `a mapping` in YAML.
    """
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in OBJECTS:
        return f"has to be {an_object}"
    if kind in ("string_too_short", "too_short") and context.get("min_length") == 1:
        return "must not be empty"
    if kind == "string_pattern_mismatch" and context["pattern"] in _FORMS:
        return f"has to be {_FORMS[context['pattern']]}"
    if kind in _WITH_LIMIT:
        return _WITH_LIMIT[kind].format_map(context)
    if kind in _PER_TYPE:
        return _PER_TYPE[kind]
    return _SPOKEN.get(kind, _own_words)(context, fault)


def did_you_mean(given: str, known: Collection[str]) -> str:
    """Return `: did you mean ...?` where a word is near to a known one, else nothing."""
    plain = {_plain(word): word for word in known}
    if (same := plain.get(_plain(given))) is not None:
        near = [same]
    else:
        near = get_close_matches(given, known, n=1, cutoff=0.75 if len(given) > SHORT else 0.6)
    return f": did you mean `{near[0]}`?" if near and near[0] != given else ""


def same_word(given: str, known: str) -> bool:
    """Return whether two names differ in their spelling only: `orgId`, `org-id` and `org_id`."""
    return _plain(given) == _plain(known)


def _plain(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()


def _one_of(context: Mapping[str, Any], fault: ErrorDetails) -> str:
    words = _ENUM_MEMBER.sub(r"\1", str(context["expected"])).replace("'", "")
    given, listed = fault.get("input"), words.replace(" or ", ", ").split(", ")
    return f"has to be {words}" + (did_you_mean(given, listed) if isinstance(given, str) else "")


def _unknown_tag(context: Mapping[str, Any], _fault: ErrorDetails) -> str:
    known = str(context["expected_tags"]).replace("'", "")
    named = str(context["discriminator"]).strip("'")
    return f"`{named}` has to be one of {known}{did_you_mean(str(context['tag']), known.split(', '))}"


def _no_tag(context: Mapping[str, Any], _fault: ErrorDetails) -> str:
    return f"`{str(context['discriminator']).strip(chr(39))}` is missing, which says what it is"


def _own_words(_context: Mapping[str, Any], fault: ErrorDetails) -> str:
    return fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


_SPOKEN: Final[Mapping[str, Callable[[Mapping[str, Any], ErrorDetails], str]]] = {
    "literal_error": _one_of,
    "enum": _one_of,
    "union_tag_invalid": _unknown_tag,
    "union_tag_not_found": _no_tag,
}
