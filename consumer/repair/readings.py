"""Extracts the candidate documents from a text: strict JSON first, then lenient, then JSON embedded in prose. Pure."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import field
from typing import Final

from consumer.repair import brackets
from consumer.repair.disowned import is_disowned
from consumer.repair.lenient_parser import MAX_DEPTH, LenientParser, whole_number
from consumer.repair.string_reader import QUOTES, ParseError
from consumer.repair.transports import Undone, undone
from consumer.repair.values import Json, RefusalCause
from schemas.json_value import same
from schemas.value import value

MAX_TEXT: Final = 4 * 1024 * 1024
"""Maximum length of a text, in characters."""
_MAX_FOUND: Final = 16
_MAX_FAILED: Final = 64
_MAX_ESCAPED: Final = 4
_ODD_SPACE: Final = Counter({"odd white space": 1})
_MARKUP: Final = re.compile(
    r"<(?:!doctype|!--|\?xml|(?:html|head|body|title|meta|style|script|div|p|pre|br|hr|span|table|center|h[1-6]|ul|ol|svg)"
    r"[\s>/])",
    re.IGNORECASE,
)
_THINKING: Final = re.compile(
    r"(?P<tag>[<\[\u25c1])(?P<end>/?)(?:[a-z]+:)?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad|analysis"
    r"|inner_monologue|antthinking|draft)(?(tag)(?:\s[^<>\[\]]{0,200})?[>\]\u25b7])"
    r"|<\|(?:begin_of_thought|channel\|>(?:analysis|commentary)<\|message)\|>"
    r"|(?P<over><\|(?:end_of_thought|channel\|>final<\|message)\|>)",
    re.IGNORECASE,
)
"""Where the thoughts of a model begin and end, in the marks of several."""
_ANTI_HIJACK_PREFIX: Final = re.compile(r"\)\]\}',?\s*")
_JSONP: Final = re.compile(
    r"(?:/\*[^*]{0,200}\*/\s*)?[A-Za-z_$][\w$.]*\s*\(\s*"
    r"(?:([{\[].*[}\]])\s*\)\s*;?|(\"(?:[^\"\\]|\\.)*\"|-?\d[\d.eE+\-]*|true|false|null)\s*\)\s*;)",
    re.DOTALL | re.ASCII,
)
_ESCAPED: Final = re.compile(r"[\[{\s]*[\[{]\s*(?:\\+[nrt]\s*)*\\+\"|[\[{]\\+n")
"""Start of JSON whose quotes, or line breaks, are escaped once more."""
_FENCE: Final = re.compile(r"\s*(`{3,9}|~{3,9})[ \t]*[\w+-]*[ \t]*\n?(.*?)\n?[ \t]*\1\s*", re.DOTALL)
_FENCED: Final = re.compile(r"```[ \t]*(?:json[c5]?)?[ \t]*\n?([{\[].*[}\]])\s*```", re.DOTALL | re.IGNORECASE)
_ASIDE: Final = re.compile(r"\[[^\[\]{}]{0,200}\]|\{[^\[\]{}]{0,200}\}")
_PART_OF_JSON: Final = re.compile(r"[}\]]|[\"'\u201d\u2019]\s*:|:\s*[\"\u201c]\w*\s*,")
_CLOSERS: Final = re.compile(r"\s*}[}\s]*")
_STRING_OR_ESCAPE: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|\\[nrt]", re.DOTALL)
_OPENER: Final = re.compile(r'[{\[]|"(?=(?:\\+")?[{\[]\s*(?:\\|[\]}]))')
"""Start of an embedded value: a bracket, or the quote before one whose own quotes are escaped."""
BRACKETS_TOO_MANY: Final = "closing brackets too many"
"""Note of a document with more closing brackets after it than it opens: the inner end of a larger one looks so, too."""
ONE_A_LINE: Final = "items without their list"
"""Note of a list whose items stand one after the other, as lines of JSON; each of them is a document, too."""
_COMMENT: Final = re.compile(r"/\*[^*]{0,200}\*/|(?://|#)[^\n]*")
_SPACES: Final = " \t\r\n\ufeff\u200b\u2060"


@value(frozen=True, slots=True, kw_only=True)
class ParsedText:
    """A parsed document, with the deviations from strict JSON that were accepted: none where the text is JSON."""

    document: Json
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def loses(self) -> bool:
        """Whether parsing lost something: part of the text is not in the document in any form."""
        return any(name.startswith("no number") for name in self.notes if self.notes[name])


def readings(text: str) -> Sequence[ParsedText]:
    """Return the documents in a text; raises ParseError where there is none, or where one is truncated."""
    if len(text) > MAX_TEXT:
        raise ParseError(RefusalCause.TOO_LARGE, f"longer than {MAX_TEXT} characters")
    bare = text.strip(_SPACES)
    if not bare:
        raise ParseError(RefusalCause.NOT_JSON, "the text is empty")
    strict = strictly(bare)
    if strict is not None:
        marked = Counter({"byte order mark": 1}) if "\ufeff" in text[:4] or "\u200b" in text[:4] else Counter[str]()
        return [ParsedText(document=strict.document, notes=strict.notes + marked)]
    if _MARKUP.match(bare):
        raise ParseError(RefusalCause.NOT_JSON, "a page of markup, not JSON")
    if (inner := _peeled(bare)) is not None:
        return [_with_note(reading, inner.note) for reading in readings(inner.text)]
    if (spaced := _with_its_white_space(bare)) is not None:
        return [spaced]
    whole = _parse_whole(bare) or _with_its_brackets(bare)
    return [whole] if whole is not None else _find_embedded(bare)


def _with_its_white_space(text: str) -> ParsedText | None:
    """Parse a text between whose strings line breaks and tabs are written as escapes; None where it is none."""
    if text[0] not in "{[" or "\\" not in text:
        return None
    undone_text = _STRING_OR_ESCAPE.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)
    parsed = strictly(undone_text) if undone_text != text else None
    return None if parsed is None else _with_note(parsed, "white space written as escapes")


def _with_its_brackets(text: str) -> ParsedText | None:
    """Parse a text in whose middle one bracket is lost or too many."""
    found = brackets.mended(text, lambda one: strictly(one) is not None) if text[0] in "{[" else None
    parsed = strictly(found[0]) if found is not None else None
    return None if found is None or parsed is None else _with_note(parsed, found[1])


def _peeled(text: str) -> Undone | None:
    """Return what is within a text that is nothing but a known wrapping of it, None where it is none."""
    if (text[0] not in "{[" or _THINKING.match(text)) and (rest := _after_thoughts(text)) is not None:
        return Undone(rest, "thoughts before it")
    if (mark := _ANTI_HIJACK_PREFIX.match(text)) is not None:
        return Undone(text[mark.end() :], "marks before it")
    if (call := _JSONP.fullmatch(text)) is not None:
        return Undone(call[1] or call[2], "a call around it")
    fenced = _FENCE.fullmatch(text)
    if fenced is not None and fenced[2].strip() and "```" not in fenced[2]:
        return Undone(fenced[2], "fence")
    return undone(text)


def _after_thoughts(text: str) -> str | None:
    """Return what follows the thoughts, None where there are none; what is within them is a draft, and no answer."""
    open_tags, end = 0, 0
    for tag in _THINKING.finditer(text):
        open_tags = max(open_tags - 1, 0) if tag["end"] or tag["over"] else open_tags + 1
        end = tag.end()
    if open_tags:
        raise ParseError(RefusalCause.TRUNCATED, "thoughts that do not end, and no answer after them")
    if not end:
        return None
    if not text[end:].strip(_SPACES):
        raise ParseError(RefusalCause.TRUNCATED, "thoughts, and no answer after them")
    return text[end:]


def strictly(text: str) -> ParsedText | None:
    """Parse strict JSON (NaN and repeated keys are noted); None where the text is not JSON."""
    notes: Counter[str] = Counter()

    def member(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        members = dict(pairs)
        if len(members) < len(pairs):
            _reject_conflicts(pairs, members)
            notes["repeated key"] += 1
        return members

    def constant(name: str) -> None:
        if name != "NaN":
            raise ParseError(RefusalCause.OUT_OF_RANGE, "an infinity is no JSON number")
        notes["no number (NaN) taken for null"] += 1

    try:
        document = json.loads(
            text, object_pairs_hook=member, parse_constant=constant, parse_int=whole_number, parse_float=_parse_float
        )
    except ValueError:
        return None
    except RecursionError:
        raise ParseError(RefusalCause.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None
    return ParsedText(document=document, notes=notes)


def decoded(text: str) -> Json:
    """Parse the JSON that a document's string holds: the whole string, with nothing beside the value."""
    strict = strictly(text)
    if strict is not None and not strict.notes:
        return strict.document
    if strict is None and _ESCAPED.match(text):
        return _unescaped(text).document
    reader = LenientParser(text)
    document = reader.value()
    reader.skip()
    if reader.at < len(text) or reader.notes["no number (NaN) taken for null"]:
        raise ParseError(RefusalCause.NOT_JSON, "more than one value")
    return document


def fenced_part(text: str) -> str | None:
    """Return what stands in the only fence of a text; None where there is none, or more than one."""
    if text.count("```") != 2:  # noqa: PLR2004 - where it begins and ends
        return None
    found = _FENCED.search(text)
    return found[1].strip() if found is not None else None


def _parse_float(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ParseError(RefusalCause.OUT_OF_RANGE, "a number beyond what a double holds")
    return number


def _reject_conflicts(pairs: list[tuple[str, Json]], members: dict[str, Json]) -> None:
    for key, member in pairs:
        if not same(members[key], member):
            raise ParseError(RefusalCause.AMBIGUOUS, f"the key {key[:64]!r} stands twice, with different values")


def within(outer: ParsedText, inner: ParsedText) -> ParsedText:
    """Return the inner document, with the notes of both levels of parsing."""
    return ParsedText(document=inner.document, notes=outer.notes + inner.notes + Counter({"JSON within a string": 1}))


def _with_note(found: ParsedText, note: str) -> ParsedText:
    return ParsedText(document=found.document, notes=found.notes + Counter({note: 1}))


def _parse_whole(text: str) -> ParsedText | None:
    """Parse a text that is one value without brackets, or whose quotes are escaped throughout."""
    if _ESCAPED.match(text):
        return _with_note(_unescaped(text), "escaped quotes")
    if text[0] in "{[":
        return _parse_brackets(text)
    reader = LenientParser(text, whole=text[0] in QUOTES)
    try:
        document = reader.value()
        reader.skip()
    except ParseError as unread:
        if unread.cause is RefusalCause.TRUNCATED and text[0] == '"':
            raise
        return None
    return ParsedText(document=document, notes=+reader.notes or _ODD_SPACE) if reader.at == len(text) else None


def _unescaped(text: str, layers: int = 0) -> ParsedText:
    """Parse JSON that is written as the inside of a string, perhaps more than once."""
    outer = strictly(f'"{text}"') if layers < _MAX_ESCAPED else None
    if outer is None or not isinstance(outer.document, str):
        raise ParseError(RefusalCause.NOT_JSON, "escaped in part")
    inner = strictly(outer.document)
    if inner is None and _ESCAPED.match(outer.document):
        inner = _unescaped(outer.document, layers + 1)
    if inner is None:
        raise ParseError(RefusalCause.TRUNCATED, "escaped JSON that does not end")
    return inner


def _parse_brackets(text: str) -> ParsedText | None:
    """Parse a text that is one value in brackets and nothing else; None where that cannot be done."""
    reader = LenientParser(text, whole=True)
    try:
        document = reader.value()
        reader.skip()
    except ParseError:
        return None  # told with more about it where the values within it are looked for
    return ParsedText(document=document, notes=+reader.notes or _ODD_SPACE) if reader.at == len(text) else None


def _find_embedded(text: str) -> Sequence[ParsedText]:
    """Parse the values embedded in prose; the text around them must not look like the rest of a larger value."""
    found: list[ParsedText] = []
    around: list[str] = []
    at = failed = 0
    while (opener := _OPENER.search(text, at)) is not None:
        around.append(text[at : opener.start()])
        reader = LenientParser(text, opener.start())
        try:
            document = reader.value()
            found.append(ParsedText(document=document, notes=+reader.notes))
            at = reader.at
        except ParseError as unread:
            aside = _ASIDE.match(text, opener.start())
            failed += 1
            if unread.begun or aside is None or failed > _MAX_FAILED:
                raise
            at = aside.end()
        if len(found) > _MAX_FOUND:
            raise ParseError(RefusalCause.AMBIGUOUS, f"more than {_MAX_FOUND} values in one text")
    around.append(_without_spare_closers(found, text[at:]))
    if not found:
        raise ParseError(RefusalCause.NOT_JSON, "there is no JSON in the text")
    _judge_surroundings(around, alone=len(found) == 1)
    if len(found) > 1 and all(isinstance(one.document, dict) for one in found) and not any(map(_says_more, around)):
        return [*found, _as_list(found)]
    if len(found) > 1 or any(piece.strip(_SPACES) for piece in around):
        return [_with_note(one, "text around it") for one in found]
    # The strict parser rejected it, so something was odd: unusual white space, if nothing else.
    return [one if +one.notes else _with_note(one, "odd white space") for one in found]


def _judge_surroundings(around: Sequence[str], *, alone: bool) -> None:
    """Raise ParseError where the texts around what was read make it none."""
    if any(_MARKUP.search(piece) for piece in around):
        raise ParseError(RefusalCause.NOT_JSON, "a page of markup, not JSON")
    if any(_PART_OF_JSON.search(piece) for piece in around):
        raise ParseError(RefusalCause.TRUNCATED, "parts of a larger value stand around what can be read")
    if alone and is_disowned("".join(around[:-1]), around[-1]):
        raise ParseError(
            RefusalCause.AMBIGUOUS, "the text around it says that it is no answer: an example, or a former one"
        )


def _without_spare_closers(found: Sequence[ParsedText], rest: str) -> str:
    """Return the rest of a text after its only object, without the closing brackets that nothing opens."""
    spare = _CLOSERS.match(rest) if len(found) == 1 and isinstance(found[0].document, dict) else None
    if spare is None:
        return rest
    found[0].notes[BRACKETS_TOO_MANY] += 1
    return rest[spare.end() :]


def _says_more(piece: str) -> bool:
    return bool(_COMMENT.sub("", piece).strip(_SPACES + ",\x1e"))


def _as_list(found: Sequence[ParsedText]) -> ParsedText:
    notes = sum((one.notes for one in found), Counter({ONE_A_LINE: 1}))
    return ParsedText(document=[one.document for one in found], notes=notes)
