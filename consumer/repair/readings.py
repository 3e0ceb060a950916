"""From a text to the documents that may be meant: strict JSON first, then almost-JSON, then JSON within prose. Pure."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import field
from typing import Final

from consumer.repair.lenient_parser import MAX_DEPTH, LooseReader, Unread, whole_number
from consumer.repair.values import Json, RefusalCause
from schemas.json_value import same
from schemas.value import value

MAX_TEXT: Final = 4 * 1024 * 1024
"""Characters."""
_MOST_FOUND: Final = 16
_MOST_FAILED: Final = 64
_PAGE: Final = re.compile(
    r"<(?:!doctype|!--|\?xml|(?:html|head|body|title|meta|style|script|div|p|pre|br|hr|span|table|center|h[1-6]|ul|ol|svg)"
    r"[\s>/])",
    re.IGNORECASE,
)
_THOUGHTS: Final = re.compile(r"\s*<(think|thinking|thought|reasoning|scratchpad)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_MARKS: Final = re.compile(r"\)\]\}',?\s*")
_FENCE: Final = re.compile(r"\s*(```+|~~~+)[ \t]*[\w+-]*[ \t]*\n?(.*?)\n?[ \t]*\1\s*", re.DOTALL)
_ASIDE: Final = re.compile(r"\[[^\[\]{}]{0,200}\]|\{[^\[\]{}]{0,200}\}")
_PART_OF_JSON: Final = re.compile(r"[}\]]|[\"'\u201d\u2019]\s*:|:\s*[\"\u201c]\w*\s*,")
_OPENER: Final = re.compile(r'[{\[]|"(?=(?:\\+")?[{\[]\s*(?:\\|[\]}]))')
"""A bracket, or the quote before one whose own quotes are escaped."""
_SPACES: Final = " \t\r\n\ufeff\u200b\u2060"


@value(frozen=True, slots=True, kw_only=True)
class ParsedText:
    """A document, and the liberties that were taken to read it: none where the text is JSON."""

    document: Json
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def loses(self) -> bool:
        """Whether something that stood in the text is not in the document in any form."""
        return any(name.startswith("no number") for name in self.notes if self.notes[name])


def readings(text: str) -> Sequence[ParsedText]:
    """Give the documents that stand in a text; Unread where there is none, or where one is cut off."""
    if len(text) > MAX_TEXT:
        raise Unread(RefusalCause.TOO_LARGE, f"longer than {MAX_TEXT} characters")
    bare = text.strip(_SPACES)
    if not bare:
        raise Unread(RefusalCause.NOT_JSON, "the text is empty")
    strict = strictly(bare)
    if strict is not None:
        marked = Counter({"byte order mark": 1}) if "\ufeff" in text[:4] or "\u200b" in text[:4] else Counter[str]()
        return [ParsedText(document=strict.document, notes=strict.notes + marked)]
    if _PAGE.match(bare):
        raise Unread(RefusalCause.NOT_JSON, "a page of markup, not JSON")
    for before, name in ((_THOUGHTS, "thoughts before it"), (_MARKS, "marks before it")):
        if (found := before.match(bare)) is not None:
            return [_noted(reading, name) for reading in readings(bare[found.end() :])]
    fenced = _FENCE.fullmatch(bare)
    if fenced is not None and fenced[2].strip() and "```" not in fenced[2]:
        return [_noted(found, "fence") for found in readings(fenced[2])]
    whole = _whole(bare)
    return [whole] if whole is not None else _within(bare)


def strictly(text: str) -> ParsedText | None:
    """Read JSON as it is defined; None where it is not."""
    notes: Counter[str] = Counter()

    def member(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        members = dict(pairs)
        if len(members) < len(pairs):
            _refuse_rivals(pairs, members)
            notes["repeated key"] += 1
        return members

    def constant(name: str) -> None:
        if name != "NaN":
            raise Unread(RefusalCause.OUT_OF_RANGE, "an infinity is no JSON number")
        notes["no number (NaN) taken for null"] += 1

    try:
        document = json.loads(
            text, object_pairs_hook=member, parse_constant=constant, parse_int=whole_number, parse_float=_fraction
        )
    except ValueError:
        return None
    except RecursionError:
        raise Unread(RefusalCause.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None
    return ParsedText(document=document, notes=notes)


def decoded(text: str) -> Json:
    """Read the JSON that a string of a document holds: the whole of it, and nothing beside it."""
    strict = strictly(text)
    if strict is not None and not strict.notes:
        return strict.document
    reader = LooseReader(text)
    document = reader.value()
    reader.skip()
    if reader.at < len(text) or reader.notes["no number (NaN) taken for null"]:
        raise Unread(RefusalCause.NOT_JSON, "more than one value")
    return document


def _fraction(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise Unread(RefusalCause.OUT_OF_RANGE, "a number beyond what a double holds")
    return number


def _refuse_rivals(pairs: list[tuple[str, Json]], members: dict[str, Json]) -> None:
    for key, member in pairs:
        if not same(members[key], member):
            raise Unread(RefusalCause.AMBIGUOUS, f"the key {key[:64]!r} stands twice, with different values")


def within(outer: ParsedText, inner: ParsedText) -> ParsedText:
    """Give what was read from the text that another reading came to."""
    return ParsedText(document=inner.document, notes=outer.notes + inner.notes + Counter({"JSON within a string": 1}))


def _noted(found: ParsedText, note: str) -> ParsedText:
    return ParsedText(document=found.document, notes=found.notes + Counter({note: 1}))


def _whole(text: str) -> ParsedText | None:
    """Read a text that is one value without brackets, or whose quotes are escaped throughout."""
    if text.startswith(('{\\"', '[\\"', '[{\\"', "[\\n", "{\\n")):
        unescaped = strictly(f'"{text}"')
        if unescaped is None or not isinstance(unescaped.document, str):
            raise Unread(RefusalCause.NOT_JSON, "escaped in part")
        inner = strictly(unescaped.document)
        if inner is None:
            raise Unread(RefusalCause.TRUNCATED, "escaped JSON that does not end")
        return _noted(inner, "escaped quotes")
    if text[0] in "{[":
        return None
    reader = LooseReader(text)
    try:
        document = reader.value()
        reader.skip()
    except Unread as unread:
        if unread.cause is RefusalCause.TRUNCATED and text[0] == '"':
            raise
        return None
    return (
        ParsedText(document=document, notes=+reader.notes or Counter({"odd white space": 1}))
        if reader.at == len(text)
        else None
    )


def _within(text: str) -> Sequence[ParsedText]:
    """Find the values that stand in prose; what is around them must not look like the rest of a larger one."""
    found: list[ParsedText] = []
    around: list[str] = []
    at = failed = 0
    while (opener := _OPENER.search(text, at)) is not None:
        around.append(text[at : opener.start()])
        reader = LooseReader(text, opener.start())
        try:
            document = reader.value()
            found.append(ParsedText(document=document, notes=+reader.notes))
            at = reader.at
        except Unread as unread:
            aside = _ASIDE.match(text, opener.start())
            failed += 1
            if unread.begun or aside is None or failed > _MOST_FAILED:
                raise
            at = aside.end()
        if len(found) > _MOST_FOUND:
            raise Unread(RefusalCause.AMBIGUOUS, f"more than {_MOST_FOUND} values in one text")
    around.append(text[at:])
    if not found:
        raise Unread(RefusalCause.NOT_JSON, "there is no JSON in the text")
    if any(_PAGE.search(piece) for piece in around):
        raise Unread(RefusalCause.NOT_JSON, "a page of markup, not JSON")
    if any(_PART_OF_JSON.search(piece) for piece in around):
        raise Unread(RefusalCause.TRUNCATED, "parts of a larger value stand around what can be read")
    if len(found) > 1 or any(piece.strip(_SPACES) for piece in around):
        return [_noted(one, "text around it") for one in found]
    # It was not JSON to a strict reader, so something was odd: white space of another kind, if nothing else.
    return [one if +one.notes else _noted(one, "odd white space") for one in found]
