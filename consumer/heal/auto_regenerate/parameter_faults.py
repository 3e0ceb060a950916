"""Errors that the same order would meet again, by the parameter that they name. Pure.

A parameter is named beside what is wrong with it, on either side. What came out wrong (an image of another size, a
sound that is empty) is no fault of a parameter: that is what making it again is for.
"""

import re
from typing import Final

from consumer.model import Failure
from schemas.context import error_of

_READ: Final = 4000
_BEFORE: Final = (
    r"(?:invalid|unknown|unsupported|unrecogni[sz]ed|illegal|bad|missing)[ _](?:(?:required|output|image)[ _])?"
)
_BOUND: Final = r"(?:be (?:less|greater|one of|at (?:most|least)|between|a multiple)|have at most)"
_AFTER: Final = (
    r"(?:[ _:]*(?:['\"`][^'\"`]{0,60}['\"`]|\w+))?(?: (?:is|are|was|were))?:?[ _]"
    r"(?:not[ _](?:found|supported|allowed|licen[cs]ed|available|permitted|valid|recogni[sz]ed)|unsupported|invalid"
    r"|unknown|does(?: not|n't) exist|must be|out of range|exceeds?)\b"
)
_TOO_LONG: Final = r"[\w ]{0,24}?(?:too[ _]long|exceeds?\b|above_max_length)"
_WHAT_CAME: Final = re.compile(
    r"\b(?:got|returned|came|produced|instead|html|(?:file|content|output|result) (?:is|was|has))\b", re.IGNORECASE
)
_OF_WHAT_CAME_TOO: Final = frozenset({"format", "width and height"})
"""Words for a parameter that are also said of what was made."""
_A_FILE: Final = (
    r"(?![ _-]?(?:clip|recording|note|file|over|asset|message|track|line|memo|audio|generation|output)s?\b)"
)
"""After `voice`: the sound itself, and not the speaker."""


def _named(nouns: str, *more: str) -> re.Pattern[str]:
    found = "|".join((rf"\b{_BEFORE}(?:{nouns})\b", rf"\b(?:{nouns})\b{_AFTER}", *more))
    return re.compile(found, re.IGNORECASE | re.DOTALL)


_PARAMETERS: Final = (
    (
        "voice",
        _named(
            rf"voices?{_A_FILE}(?:[ _]ids?)?|voice_uuid|speakers?(?:[ _]ids?)?|uid",
            rf"voice{_A_FILE}[\w ]{{0,20}}?(?:not[ _]found|unknown|does not exist|not_fine_tuned)|voice_access_denied",
        ),
    ),
    (
        "prompt",
        _named(
            r"ssml|prompt",
            rf"(?:text|prompt|input|string){_TOO_LONG}",
            r"character_limit|\bempty[_ ](?:text|prompt|input)|(?:text|prompt|input) (?:is|must not be) empty",
            r"maximum (?:context|prompt) length|\bcopyrighted|\btrademark|intellectual property",
        ),
    ),
    ("format", _named(r"(?:output_|response_|image_|audio_)?format|codec|sample[ _]rate|bit[ _]?rate|mime[ _]type")),
    (
        "width and height",
        _named(
            r"size|dimensions?|width|height|resolution|aspect[ _]ratio|height_or_width|sdxl\w*",
        ),
    ),
    (
        "parameters",
        _named(
            r"parameters?|arguments?|options?|values?|languages?(?:[ _]codes?)?|speed|style|quality|seed",
            "licen[cs]e",
            rf"\b(?:input|string|value) should {_BOUND}",
            r"\bmust be one of\b",
            r"\bonly \w+ (?:is )?supported",
        ),
    ),
)


def parameter_fault(failure: Failure) -> str | None:
    """Return which parameter the failure's own error names, and that it is to be mended; None where it names none."""
    error = error_of(failure.context)
    said = " ".join(filter(None, (error.code, error.type, error.message, failure.failure_reason)))[:_READ]
    for name, pattern in _PARAMETERS:
        if pattern.search(said) and not (name in _OF_WHAT_CAME_TOO and _WHAT_CAME.search(said)):
            place = "context.asset.parameters" if name == "parameters" else f"context.asset.{name}"
            return f"{place}: the generator refuses it, and would again: mend it, and send the failure anew"
    return None
