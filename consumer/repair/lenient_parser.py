"""Lenient JSON parser: one pass, and only deviations with one possible meaning. It never completes truncated text."""

import re
from collections import Counter
from typing import Final, NoReturn

from consumer.repair.values import Json, RefusalCause
from schemas.json_value import same

MAX_DEPTH: Final = 100
"""Maximum nesting of objects and lists; the database stores no deeper."""

_SPACE: Final = re.compile(r"[\s\ufeff\u200b\u2060]*")
_COMMENT: Final = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![\w.+])", re.ASCII)
_ODD_NUMBER: Final = re.compile(r"[+-]?[\w.]+(?:(?<=[eE])[+-][0-9]+)?", re.ASCII)
_OTHER_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_LEADING_ZERO: Final = re.compile(r"[+-]?0[0-9]+", re.ASCII)
_WORD: Final = re.compile(r"[^\W\d][\w$\-]*|\$[\w$\-]*")
_LAST_WORD: Final = re.compile(r"[\w.+\-$]*")
_CLOSERS: Final = {'"': '"', "'": "'", "\u201c": "\u201c\u201d", "\u201d": "\u201c\u201d", "\u201e": "\u201c\u201d",
                   "\u2018": "\u2018\u2019", "\u2019": "\u2018\u2019", "\u201a": "\u2018\u2019"}  # fmt: skip
_CHUNKS: Final = {closers: re.compile(rf"[^\\\x00-\x1f{closers}]*") for closers in (*dict.fromkeys(_CLOSERS.values()),)}
_WORDS: Final[dict[str, Json]] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None,
    "TRUE": True, "FALSE": False, "NULL": None,
}  # fmt: skip
_NULL_WORDS: Final = frozenset({"NaN", "nan", "undefined"})
_STRICT_WORDS: Final = frozenset({"true", "false", "null"})
_CONTROL_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SELF_ESCAPES: Final = frozenset("\"'\\/`")
_HEX: Final = re.compile(r"u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})", re.ASCII)
_HIGH: Final = 0xD800
_LOW: Final = 0xDC00
"""First code points of the high and the low surrogates."""
_QUOTES: Final = frozenset(_CLOSERS)


class ParseError(Exception):
    """Parse error, with its cause; `begun` means that the text was JSON up to there."""

    def __init__(self, cause: RefusalCause, reason: str, *, begun: bool = True) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        self.begun = begun


class LenientParser:
    """Parses one value from a position in a text; counts each deviation from strict JSON that it accepted."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.at = start
        self.notes: Counter[str] = Counter()
        self._depth = 0
        self._begun = False

    def value(self) -> Json:
        """Parse the value at the current position."""
        self.skip()
        here = self._peek()
        if here in _QUOTES:
            return self._string()
        if here in "{[(":
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise ParseError(RefusalCause.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
            value = self._object() if here == "{" else self._list("]" if here == "[" else ")")
            self._depth -= 1
            return value
        if here in "+-.0123456789":
            return self._number()
        return self._word()

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

    def _fail(self, why: str) -> NoReturn:
        if self.text.startswith(("...", "\u2026"), self.at):
            raise ParseError(RefusalCause.TRUNCATED, "something is left out: ...", begun=self._begun)
        if self._depth and _LAST_WORD.fullmatch(self.text, self.at):
            raise ParseError(RefusalCause.TRUNCATED, "the text ends within a word or a number")
        raise ParseError(RefusalCause.NOT_JSON, f"{why} at character {self.at}", begun=self._begun)

    def _object(self) -> Json:
        self.at += 1
        members: dict[str, Json] = {}
        comma = True
        while True:
            self.skip()
            here = self._peek()
            if here == "}":
                self._close(trailing=comma and bool(members))
                return members
            if here == ",":
                if comma and not members:
                    self._fail("no key before the comma")
                self.notes["doubled comma"] += comma
                comma = True
                self.at += 1
                continue
            self.notes["missing comma"] += not comma
            self._member(members)
            comma = False

    def _member(self, members: dict[str, Json]) -> None:
        key = self._key()
        self.skip()
        if self._peek() != ":":
            self._fail("no colon after the key")
        self.at += 1
        self._begun = True
        value = self.value()
        if key in members:
            if not same(members[key], value):
                raise ParseError(RefusalCause.AMBIGUOUS, f"the key {key[:64]!r} stands twice, with different values")
            self.notes["repeated key"] += 1
        members[key] = value

    def _key(self) -> str:
        if self._peek() in _QUOTES:
            return self._string()
        found = _WORD.match(self.text, self.at)
        if found is None:
            self._fail("no key")
        self.notes["unquoted key"] += 1
        self.at = found.end()
        return found[0]

    def _list(self, closer: str) -> Json:
        self.at += 1
        items: list[Json] = []
        comma = True
        while True:
            self.skip()
            here = self._peek()
            if here == closer:
                if closer == ")":
                    if len(items) == 1 and not comma:
                        self._fail("a value in parentheses")
                    self.notes["tuple"] += 1
                self._close(trailing=comma and bool(items) and closer == "]")
                return items
            if here == ",":
                if comma:
                    self._fail("nothing between two commas")
                comma = True
                self.at += 1
                continue
            self.notes["missing comma"] += not comma
            items.append(self.value())
            comma = False
            self._begun = True

    def _close(self, *, trailing: bool) -> None:
        self.notes["trailing comma"] += trailing
        self.at += 1

    def _number(self) -> Json:
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
            self._fail("no JSON number")
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
            return self._string()
        if word in _NULL_WORDS:
            self.notes["no number (NaN) taken for null"] += 1
        elif word in {"Infinity", "inf"}:
            raise ParseError(RefusalCause.OUT_OF_RANGE, "an infinity is no JSON number")
        elif word not in _WORDS:
            self._fail("no JSON value")
        if len(self.text) == self.at + len(word) and self._depth:
            raise ParseError(RefusalCause.TRUNCATED, "the text ends before its last bracket")
        self.notes["another language's word"] += word not in _STRICT_WORDS and word not in _NULL_WORDS
        self.at += len(word)
        return _WORDS.get(word)

    def _string(self) -> str:
        opener = self.text[self.at]
        closers = _CLOSERS[opener]
        self.notes["quotes of another kind"] += opener != '"'
        chunk = _CHUNKS[closers]
        self.at += 1
        pieces: list[str] = []
        odd = letters = 0
        while True:
            found = chunk.match(self.text, self.at)
            if found is not None and found[0]:
                pieces.append(found[0])
                self.at = found.end()
            if self.at >= len(self.text):
                raise ParseError(RefusalCause.TRUNCATED, "the text ends within a string")
            here = self.text[self.at]
            if here == "\\":
                piece, plain = self._escape(curly=opener not in "\"'")
                odd += plain is None
                letters += plain is True
                pieces.append(piece)
            elif here in closers and not self._within_a_word():
                self.at += 1
                break
            else:
                self.notes["raw line break or quote in a string"] += 1
                pieces.append(here)
                self.at += 1
        if odd and letters:
            self._fail("backslashes of two kinds in the string that ends")
        self.notes["lone backslash"] += odd
        self._begun = True
        return "".join(pieces)

    def _within_a_word(self) -> bool:
        # A quote between two letters is an apostrophe: after a string no such text can follow.
        around = self.text[self.at - 1], self.text[self.at + 1 : self.at + 2]
        return around[0].isalpha() and around[1].isalpha()

    def _escape(self, *, curly: bool) -> tuple[str, bool | None]:
        """Parse an escape: its text, and True for a letter or code point, False for a quoted sign, None for neither."""
        if self.at + 1 >= len(self.text):
            raise ParseError(RefusalCause.TRUNCATED, "the text ends within a string")
        sign = self.text[self.at + 1]
        if sign in _CONTROL_ESCAPES:
            self.at += 2
            return _CONTROL_ESCAPES[sign], True
        if sign in _SELF_ESCAPES or sign in _QUOTES:
            self.at += 2
            return ('"' if curly and sign not in _SELF_ESCAPES else sign), False
        if sign == "\n":
            self.at += 2
            return "", False
        if (code := _HEX.match(self.text, self.at + 1)) is not None:
            self.at = code.end()
            return self._character(code[1] or code[2] or code[3]), True
        if sign in "uxU":
            if len(self.text) - self.at < 10:  # noqa: PLR2004 - the longest escape
                raise ParseError(RefusalCause.TRUNCATED, "the text ends within a string")
            self._fail("half an escape")
        self.at += 1
        return "\\", None

    def _character(self, digits: str) -> str:
        number = int(digits, 16)
        if _HIGH <= number < _LOW and (low := _HEX.match(self.text, self.at + 1)) and low[1]:
            second = int(low[1], 16)
            if self.text[self.at] == "\\" and _LOW <= second < _LOW + 0x400:
                self.at = low.end()
                return chr(0x10000 + ((number - _HIGH) << 10) + (second - _LOW))
        if number > 0x10FFFF:  # noqa: PLR2004 - the last character there is
            self._fail("no character")
        return chr(number)


def whole_number(text: str) -> int:
    """Parse an integer; raises ParseError where it has too many digits."""
    try:
        return int(text)
    except ValueError:
        raise ParseError(RefusalCause.OUT_OF_RANGE, "an integer of too many digits") from None
