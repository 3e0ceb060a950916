"""Reads one string of a text that only looks like JSON: its quotes, escapes and line breaks, whatever they are."""

import re
from collections import Counter
from typing import Final, NoReturn

from consumer.repair.values import RefusalCause

_DOUBLE: Final = "\u201c\u201d"
_SINGLE: Final = "\u2018\u2019"
_CLOSERS: Final = {
    '"': '"',
    "'": "'",
    "`": "`\u00b4",
    "\u00ab": "\u00bb",
    **dict.fromkeys("\u201c\u201d\u201e", _DOUBLE),
    **dict.fromkeys("\u2018\u2019\u201a", _SINGLE),
}
_CHUNKS: Final = {closers: re.compile(rf"[^\\\x00-\x1f{closers}]*") for closers in (*dict.fromkeys(_CLOSERS.values()),)}
_CONTROL_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SELF_ESCAPES: Final = frozenset("\"'\\/`")
_HEX: Final = re.compile(r"u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})", re.ASCII)
_HIGH: Final = 0xD800
_LOW: Final = 0xDC00
"""First code points of the high and the low surrogates."""
QUOTES: Final = frozenset(_CLOSERS)


_LAST_WORD: Final = re.compile(r"[\w.+\-$]*")


class ParseError(Exception):
    """Parse error, with its cause; `begun` means that the text was JSON up to there."""

    def __init__(self, cause: RefusalCause, reason: str, *, begun: bool = True) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        self.begun = begun


class StringReader:
    """A position in a text, and the deviations from strict JSON that were accepted up to there."""

    def __init__(self, text: str, start: int = 0, *, whole: bool = False) -> None:
        self.text = text
        self.at = start
        self.notes: Counter[str] = Counter()
        self.depth = 0
        self.begun = False
        self.whole = whole
        """Whether the text is nothing but JSON: a word in brackets is an item of a list then, and no remark."""

    def fail(self, why: str) -> NoReturn:
        """Raise ParseError: truncated where the text ends here, or says that something is left out."""
        if self.text.startswith(("...", "\u2026"), self.at):
            raise ParseError(RefusalCause.TRUNCATED, "something is left out: ...", begun=self.begun)
        if self.depth and _LAST_WORD.fullmatch(self.text, self.at):
            raise ParseError(RefusalCause.TRUNCATED, "the text ends within a word or a number")
        raise ParseError(RefusalCause.NOT_JSON, f"{why} at character {self.at}", begun=self.begun)

    def string(self) -> str:
        """Parse the string at the current position."""
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
            elif here in closers and (opener == '"' or not self._within_a_word()):
                self.at += 1
                break
            else:
                self.notes["raw line break or quote in a string"] += 1
                pieces.append(here)
                self.at += 1
        if odd and letters:
            self.fail("backslashes of two kinds in the string that ends")
        if opener == "`" and any("${" in piece for piece in pieces):
            self.fail("a template in the string that ends")
        self.notes["lone backslash"] += odd
        self.begun = True
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
        if sign in _SELF_ESCAPES or sign in QUOTES:
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
            self.fail("half an escape")
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
            self.fail("no character")
        return chr(number)
