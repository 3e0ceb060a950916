"""Lenient JSON parser: one pass, and only deviations with one possible meaning. It never completes truncated text."""

import re
from typing import Final

from consumer.repair import bare_texts
from consumer.repair.string_reader import QUOTES, ParseError, StringReader
from consumer.repair.values import Json, RefusalCause
from schemas.json_value import same

MAX_DEPTH: Final = 100
"""Maximum nesting of objects and lists; the database stores no deeper."""

_SPACE: Final = re.compile(r"[\s\ufeff\u200b\u2060]*")
_COMMENT: Final = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![\w.+:-])", re.ASCII)
_ODD_NUMBER: Final = re.compile(r"[+-]?[\w.]+(?:(?<=[eE])[+-][0-9]+)?", re.ASCII)
_OTHER_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII
)
_LEADING_ZERO: Final = re.compile(r"[+-]?0[0-9]+", re.ASCII)
_WORD: Final = re.compile(r"[^\W\d][\w$\-]*|\$[\w$\-]*")
_WORDS: Final[dict[str, Json]] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None,
    "TRUE": True, "FALSE": False, "NULL": None, "Null": None,
}  # fmt: skip
_NULL_WORDS: Final = frozenset({"NaN", "nan", "undefined"})
_STRICT_WORDS: Final = frozenset({"true", "false", "null"})
_JOIN: Final = re.compile(r"\s*\+\s*(?=[\"'])")
_PYTHONS_TEXT: Final = re.compile(r"[uU](?=[\"'])")
_COLON: Final = re.compile(r":|=>|=(?!=)")
_HALF_QUOTED: Final = re.compile(r"\"(?=\s*:)")
_VALUE_BEGINS: Final = re.compile(r"[\"'{\[\-0-9\u201c]|(?:true|false|null|True|False|None)\b", re.ASCII)
_SURE_VALUE: Final = re.compile(r"[{\[]|(?:-?\d+(?:\.\d+)?|true|false|null)\s*[,}]", re.ASCII)
"""A value that no text can be taken for, where nothing stands between it and its key."""
_STRING_BEGINS: Final = re.compile(r"[\"'\u201c]")
_IN_TEXTS: Final = frozenset(tuple('.@+-%&*!?=~:"'))
_BEFORE_TEXT: Final = frozenset({",", ":", "[", "=", ">", "/"})
_AFTER_STRING: Final = re.compile(r"[\"'\u201d\u2019][ \t]*$")
_MAX_GAP: Final = 200
_NEXT_WORD: Final = re.compile(r"[ \t]+([^\W\d]\w*)(?!\w*[ \t]*:)")
_WRONG_BRACKET: Final = "wrong bracket"


class LenientParser(StringReader):
    """Parses one value from a position in a text; counts each deviation from strict JSON that it accepted."""

    def value(self) -> Json:
        """Parse the value at the current position."""
        self.skip()
        here = self._peek()
        if here in QUOTES:
            return self._joined(self.string())
        if here in "{[(":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise ParseError(RefusalCause.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
            value = self._object() if here == "{" else self._list("]" if here == "[" else ")")
            self.depth -= 1
            return value
        if here in "+-.0123456789":
            return self._number()
        return self._word()

    def _joined(self, text: str) -> str:
        """Parse what a program joins to a string by `+`."""
        while (self.depth or self.whole) and (found := _JOIN.match(self.text, self.at)) is not None:
            self.notes["strings joined by +"] += 1
            self.at = found.end()
            text += self.string()
        return text

    def skip(self) -> None:
        """Skip white space and comments."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if not self.text.startswith(("//", "/*", "#"), self.at):
                return
            comment = _COMMENT.match(self.text, self.at)
            if comment is None:
                raise ParseError(RefusalCause.TRUNCATED, "the text ends within a comment")
            self.notes["comment"] += 1
            self.at = comment.end()

    def _peek(self) -> str:
        if self.at >= len(self.text):
            raise ParseError(RefusalCause.TRUNCATED, "the text ends before its last bracket")
        return self.text[self.at]

    def _object(self) -> Json:
        self.at += 1
        members: dict[str, Json] = {}
        comma = True
        signs: set[str] = set()
        while True:
            self.skip()
            here = self._peek()
            if here == "}" or (here == "]" and (members or not comma)):
                self.notes[_WRONG_BRACKET] += here == "]"
                self._close(trailing=comma and bool(members), signs=signs)
                return members
            if here == "," or (here == ";" and not comma):
                signs.add(here)
                self.notes["doubled comma" if members else "leading comma"] += comma
                comma = True
                self.at += 1
                continue
            self._between(signs, comma=comma)
            self._member(members, comma=comma)
            comma = False

    def _member(self, members: dict[str, Json], *, comma: bool) -> None:
        quoted = self._peek() in QUOTES
        key = self._key(half=comma)
        self.skip()
        if (sign := _COLON.match(self.text, self.at)) is not None:
            self.notes["another sign for a colon"] += sign[0] != ":"
            self.at = sign.end()
        elif (
            comma
            and (self.text[self.at - 1].isspace() or (quoted and _SURE_VALUE.match(self.text, self.at)))
            and (_VALUE_BEGINS if quoted else _STRING_BEGINS).match(self.text, self.at)
        ):
            self.notes["missing colon"] += 1
        else:
            self.fail("no colon after the key")
        self.begun = True
        value = self.value()
        if key in members:
            if not same(members[key], value):
                raise ParseError(RefusalCause.AMBIGUOUS, f"the key {key[:64]!r} stands twice, with different values")
            self.notes["repeated key"] += 1
        members[key] = value

    def _key(self, *, half: bool) -> str:
        if self._peek() in QUOTES:
            return self.string()
        if _PYTHONS_TEXT.match(self.text, self.at):
            self.notes["another language's text"] += 1
            self.at += 1
            return self.string()
        found = bare_texts.KEY.match(self.text, self.at)
        if found is None:
            self.fail("no key")
        self.at = found.end()
        if _HALF_QUOTED.match(self.text, self.at):
            if not half:
                self.fail("a quote and a comma that are missing")
            self.notes["missing opening quote"] += 1
            self.at += 1
        elif not half and _AFTER_STRING.search(self.text, max(0, found.start() - _MAX_GAP), found.start()):
            self.fail("a comma that is missing, or a quote within quotes")
        else:
            self.notes["unquoted key"] += 1
        return found[0]

    def _list(self, closer: str) -> Json:
        self.at += 1
        items: list[Json] = []
        comma = True
        signs: set[str] = set()
        while True:
            self.skip()
            here = self._peek()
            if here == closer or (here == "}" and closer == "]" and items):
                self.notes[_WRONG_BRACKET] += here != closer
                if closer == ")":
                    if len(items) == 1 and not comma:
                        self.fail("a value in parentheses")
                    self.notes["tuple"] += 1
                self._close(trailing=comma and bool(items) and closer == "]", signs=signs)
                return items
            if here == "," or (here == ";" and not comma):
                signs.add(here)
                if comma and (items or self.notes["leading comma"]):
                    self.fail("nothing between two commas")
                self.notes["leading comma"] += comma
                comma = True
                self.at += 1
                continue
            self._between(signs, comma=comma)
            items.append(self.value())
            comma = False
            self.begun = True

    def _between(self, signs: set[str], *, comma: bool) -> None:
        if not comma:
            self.notes["missing comma"] += 1
            signs.add("")

    def _close(self, *, trailing: bool, signs: set[str]) -> None:
        if ";" in signs and len(signs) > 1:
            self.fail("semicolons beside another separator, as of a matrix's rows, in what ends")
        self.notes["semicolon for a comma"] += ";" in signs
        self.notes["trailing comma"] += trailing
        self.at += 1

    def _number(self) -> Json:
        begins_text = bare_texts.STAMP.match(self.text, self.at) or bare_texts.NO_NUMBER.match(self.text, self.at)
        if begins_text and (stamp := self._bare_text()) is not None:
            return stamp
        found = _NUMBER.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            return self._to_number(found[0], whole=found[1] is None and found[2] is None)
        odd = _ODD_NUMBER.match(self.text, self.at)
        text = odd[0] if odd else ""
        if text.lstrip("+-") in {"Infinity", "inf", "Inf"}:
            raise ParseError(RefusalCause.OUT_OF_RANGE, "an infinity is no JSON number")
        if _LEADING_ZERO.fullmatch(text):
            self.notes["number with leading zeros"] += 1
            self.at += len(text)
            return text
        if not _OTHER_NUMBER.fullmatch(text) or (text.lstrip("+-")[:2].isdigit() and text.lstrip("+-")[0] == "0"):
            self.fail("no JSON number")
        if self.text[self.at + len(text) : self.at + len(text) + 1] in {"-", ":"}:
            self.fail("no JSON number, but two")
        self.notes["number in another notation"] += 1
        self.at += len(text)
        plain = text.replace("_", "")
        return self._to_number(plain, whole=plain.lstrip("+-").isdigit())

    def _to_number(self, text: str, *, whole: bool) -> Json:
        if whole:
            return whole_number(text)
        number = float(text)
        if abs(number) == float("inf"):
            raise ParseError(RefusalCause.OUT_OF_RANGE, "a number beyond what a double holds")
        return number

    def _word(self) -> Json:
        found = _WORD.match(self.text, self.at)
        word = found[0] if found else ""
        if word in {"u", "U"} and self.text[self.at + 1 : self.at + 2] in {'"', "'"}:
            self.at += 1
            return self.string()
        if (begin := bare_texts.call_at(self.text, self.at)) is not None:
            return self._argument(begin)
        if word in _NULL_WORDS:
            self.notes["no number (NaN) taken for null"] += 1
        elif word in {"Infinity", "inf"}:
            raise ParseError(RefusalCause.OUT_OF_RANGE, "an infinity is no JSON number")
        elif word not in _WORDS or self._goes_on(self.at + len(word)):
            bare = self._bare_text()
            return self.fail("no JSON value") if bare is None else bare
        if len(self.text) == self.at + len(word) and self.depth:
            raise ParseError(RefusalCause.TRUNCATED, "the text ends before its last bracket")
        self.notes["another language's word"] += word not in _STRICT_WORDS and word not in _NULL_WORDS
        self.at += len(word)
        return _WORDS.get(word)

    def _goes_on(self, at: int) -> bool:
        """Return whether a word is the first of a longer text: `true story`."""
        if (after := self.text[at : at + 1]) not in {" ", "\t"}:
            return after in _IN_TEXTS
        following = _NEXT_WORD.match(self.text, at)
        return following is not None and following[1] not in _WORDS

    def _bare_text(self) -> str | None:
        if not (self.depth and (self.begun or self.whole)):
            return None
        before = self.text[max(0, self.at - _MAX_GAP) : self.at].rstrip()[-1:]
        if before not in _BEFORE_TEXT:  # where a comma is missing, it may be a quote that is lost
            return None
        found = bare_texts.text_at(self.text, self.at)
        if found is None:
            return None
        text, self.at, half = found
        self.notes["missing opening quote" if half else "text without quotes"] += 1
        self.begun = True
        return text

    def _argument(self, begin: int) -> Json:
        self.at = begin
        value = self.value()
        self.skip()
        if self._peek() != ")" or isinstance(value, dict | list):
            self.fail("a call of more than one value")
        self.at += 1
        self.notes["a call around a value"] += 1
        return value


def whole_number(text: str) -> int:
    """Parse an integer; raises ParseError where it has too many digits."""
    try:
        return int(text)
    except ValueError:
        raise ParseError(RefusalCause.OUT_OF_RANGE, "an integer of too many digits") from None
