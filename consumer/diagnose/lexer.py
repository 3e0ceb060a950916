"""Tokenizer of a failure's reason: drops frames, paths and ids, splits identifiers, finds the root cause. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from sys import intern
from typing import Final

from consumer.model.marks import without_surplus_marks

READ: Final = 12_000
"""Maximum number of characters that are read, half of them from each end: causes stand at the beginning or at the
end."""
LINES: Final = 400
BESIDE: Final = 0.5
"""Factor on the weight of a word that is in a stack trace, but outside its cause."""
EXCERPT: Final = 80
"""Maximum length of a quotation in the evidence: enough to see the words in their place."""

_WORD: Final = re.compile(r"\w+(?:['\u2019]\w+)?")
_ASCII_WORD: Final = re.compile(r"[A-Za-z0-9_]+(?:'[A-Za-z0-9_]+)?")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\dA-Za-z_]+")
_ADDRESS: Final = re.compile(r"\b[a-z][a-z0-9+.-]{1,12}://([^\s/\"'<>?#:@]{1,255})[^\s\"'<>)\]]*", re.IGNORECASE)
_CALLED: Final = re.compile(r"(?:://[^\s/\"'<>?#]{1,255}|\b(?:GET|POST|PUT|PATCH|DELETE) )(/[^\s\"'<>?#,;()]{1,200})")
"""What was called: the path of an address, or of a method's target."""
_CALLS: Final = 3
_PATH: Final = re.compile(r"(?<![\w/\\.])(?:[A-Za-z]:|~|\.{1,2})?(?:[/\\][\w.@$%+-]+)+[/\\]([\w.@$%+-]+)")
_SOURCE_PLACE: Final = re.compile(
    r"\.(?:php|py|rb|[cm]?jsx?|[cm]?tsx?|go|java|cs|rs|dart|kt|swift|scala|exs?|vue|cpp):\d+"
)
_SOURCE_FILE: Final = re.compile(rf"(?<![\w$/\\-])(?:[\w$.@-]{{1,80}}[/\\]){{0,12}}[\w$-]++{_SOURCE_PLACE.pattern}")
"""A place in a program's source: its name says where it was found, not what is broken."""
_SOURCE_SUFFIX: Final = (
    *(".php", ".py", ".rb", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".go", ".java", ".cs", ".rs", ".dart"),
    *(".kt", ".swift", ".scala", ".ex", ".exs", ".vue", ".cpp"),
)
_LETTERS: Final = str.maketrans(
    {
        "\u0142": "l",
        "\u0141": "L",
        "\u00f8": "o",
        "\u00d8": "O",
        "\u0111": "d",
        "\u0110": "D",
        "\u0131": "i",
        "\u00df": "ss",
    }
    | {"\u00e6": "ae", "\u00c6": "Ae", "\u0153": "oe", "\u0152": "Oe"}
)
_ODD_LETTER: Final = re.compile(f"[{''.join(map(chr, _LETTERS))}]")
"""Letters that are no base letter with an accent: Polish, Danish, Croatian, Turkish, German, French."""
_ACCENT: Final = re.compile("[\u0300-\u036f]")
_FRAME: Final = re.compile(
    r"""\s*(?:(?<=\s)at\s.{0,400}(?:\)|:\d+|\]|:line\s\d+)\s*$  # JVM (Spring adds `~[jar:version]`), JavaScript, .NET
      | at\s[\w.$<>]{1,200}\(.{0,200}\)\s.{0,200}$         # JVM and .NET without a margin
      | (?<=\s)at\s\S{1,300}:\d+(?::\d+)?\s*$               # Rust, Swift
      | File\s"[^"\n]{0,400}",\sline\s\d+                  # Python; its line of code follows
      | \.\.\.\s\d+\s(?:more|common|frames?)
      | \#\d+\s+(?:0x|/|\{|\[|\S+:\d|\S+\(\d+\):|\S.{0,200}\((?:package|dart|file|lib):) # PHP, Dart, C
      | (?:from\s)?\S{1,300}\.(?:rb|erb|rake|go|rs|php|dart|kt|swift|exs?|cs|java|scala):\d+(?::|\s\+0x|\s*$|\s\()
      | from\s\S+:\d+:in\s
      | goroutine\s\d+
      | (?:created\sby\s)?[\w./*()-]{1,200}\.[\w.*()-]{1,200}\((?:0x[0-9a-f]|\{0x|\.\.\.\)).{0,200}$    # Go
      | \d{1,4}:\s+(?:0x[0-9a-f]+\s-\s)?
        (?:<?[\w$]+(?:\sas\s[\w:]+>)?(?:::[\w$<>{}.\#]+)+|rust_\w+|_\w+|main|start)\s*$
      | main\.main\(\)\s*$|<asynchronous\ssuspension>|(?<=\s)thrown\sin\s
      | stack\s(?:backtrace|trace):?\s*$
      | \[stacktrace\]\s*$
      | [\^~\s]+$
      | -{2,}>?\s?end\sof
      | Traceback\s\(most\srecent)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PYTHON_FRAME: Final = re.compile(r'\s*File\s"')
_MAX_LEXEMES: Final = 32_768
_CAUSED_BY: Final = re.compile(r"\s*(?:caused by|\[cause\]|root cause|cause)\s?:", re.IGNORECASE)
_DIRECT: Final = "was the direct cause of the following"
_DURING: Final = "another exception occurred"


@dataclass(slots=True)
class Text:
    """A tokenized text, as the rules match it."""

    lowered: str
    """The text in lower case, searched for fragments."""
    tokens: list[str]
    codes: list[tuple[str, str, int]]
    """Each word that is written like a code, normalised as one, as it stands, and the number of its piece."""
    _pieces: list[tuple[int, str, float, Sequence[str], Sequence[tuple[str, ...]]]]
    """The pieces read so far: position of the first token, the piece, its weight factor, its words, their parts."""

    def add(self, piece: str, factor: float) -> None:
        """Tokenize one more piece."""
        words = (_ASCII_WORD if piece.isascii() else _WORD).findall(piece)
        lexicon = _LEXICON[0]
        if len(lexicon) >= _MAX_LEXEMES:
            lexicon = _LEXICON[0] = _Lexicon()  # whoever still reads by the old one is not disturbed
        parts = list(map(lexicon.__getitem__, words))
        self._pieces.append((len(self.tokens), piece, factor, words, parts))
        self.tokens += chain.from_iterable(parts)
        codes, number = lexicon.codes, len(self._pieces) - 1
        self.codes += [(codes[word], word, number) for word in filter(codes.__contains__, words)]

    def place_of(self, word: str, number: int) -> int:
        """Return the position of the first token of a word in the piece with this number."""
        first, _, _, words, parts = self._pieces[number]
        return first + sum(map(len, parts[: words.index(word)]))

    def add_path(self, path: str) -> None:
        """Add the words of a called path, each with a slash before it, so that only phrases with one meet them."""
        self._pieces.append((len(self.tokens), path, 1.0, (), ()))
        self.tokens += [f"/{word}" for word in _ASCII_WORD.findall(path.lower())]

    @property
    def whole(self) -> bool:
        """Whether it is one piece, so that all of it has the same weight."""
        return len(self._pieces) == 1

    def factor(self, place: int) -> float:
        """Return the weight factor of the piece that holds the token at this position."""
        return self._piece(place)[2]

    def around(self, place: int) -> str:
        """Quote the text around a token: the occurrence nearest to its estimated position."""
        first, piece, *_ = self._pieces[0] if len(self._pieces) == 1 else self._piece(place)
        if len(piece) <= EXCERPT:
            return piece.replace("\n", " ")
        lowered, token = self.lowered if self.whole else piece.lower(), self.tokens[place]
        about = (place - first) * len(piece) // max(1, len(self.tokens) - first)
        nearest, after = lowered.rfind(token, 0, about + len(token)), lowered.find(token, about)
        if nearest < 0 or 0 <= after - about < about - nearest:
            nearest = after
        return quoted(piece, max(0, nearest), len(token))

    def _piece(self, place: int) -> tuple[int, str, float, Sequence[str], Sequence[tuple[str, ...]]]:
        found = self._pieces[0]
        for piece in self._pieces:
            if piece[0] > place:
                break
            found = piece
        return found


def quoted(text: str, start: int, length: int) -> str:
    """Quote at most `EXCERPT` characters around a position, in one line."""
    first = max(0, start - (EXCERPT - min(length, EXCERPT)) // 2)
    return text[first : first + EXCERPT].replace("\n", " ")


def read(reason: str) -> Text:
    """Tokenize a reason, weighted by piece."""
    if "\n" in reason:
        pieces = list(_pieces(_truncate(reason)))
        text = Text("\n".join(piece for piece, _ in pieces).lower(), [], [], [])
        for piece, factor in pieces:
            text.add(piece, factor)
    else:
        piece = _simplify(_truncate(reason))
        text = Text(piece.lower(), [], [], [])
        text.add(piece, 1.0)
    if "://" in reason or " /" in reason:
        for found, _ in zip(_CALLED.finditer(reason[:READ]), range(_CALLS), strict=False):
            text.add_path(found[1])
    return text


def folded(text: str) -> str:
    """Return a text without accents, and with wide forms of Latin letters made plain."""
    if text.isascii():
        return text
    if _ODD_LETTER.search(text) is not None:
        text = text.translate(_LETTERS)
    text = unicodedata.normalize("NFKD", without_surplus_marks(text))
    return unicodedata.normalize("NFC", _ACCENT.sub("", text))


def code_key(code: str) -> str:
    """Normalise a code over its spellings: `voice_not_found`, `VoiceNotFound`, `voice-not-found`."""
    return "".join(letter for letter in code if letter.isalnum()).lower()


class _Lexicon(dict[str, tuple[str, ...]]):
    """The parts of each word that was read: the same words recur, and a look-up costs nothing in the interpreter."""

    __slots__ = ("codes",)

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        """Of the words that are written like a code, that code."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        some, code = lexeme(word)
        parts = self[word] = tuple(map(intern, some))  # the very strings that the index has: told equal at sight
        if code:
            self.codes[word] = code
        return parts


_LEXICON: Final = [_Lexicon()]


def lexeme(word: str) -> tuple[tuple[str, ...], str]:
    """Return a word's parts in lower case, and itself as a code if it is written like one. An id has no parts."""
    plain = word.replace("'", "").replace("\u2019", "")
    if plain.isascii() and plain.isalpha() and (plain.islower() or plain[1:].islower()):
        return (plain.lower(),), ""
    parts = tuple(part.lower() for part in _PARTS.findall(plain))
    if plain.isascii() and len(plain) >= 12 and len(parts) > 2 and any(part.isdigit() for part in parts[:-1]):  # noqa: PLR2004
        return (), ""
    return parts, plain.replace("_", "").lower()


def _truncate(reason: str) -> str:
    return reason if len(reason) <= READ else f"{reason[: READ // 2]}\n{reason[-READ // 2 :]}"


def _simplify(text: str) -> str:
    if "://" in text:
        text = _ADDRESS.sub(r"\1 ", text)
    if "/" in text or "\\" in text:
        text = _PATH.sub(_last_part, text)
    if ":" in text and _SOURCE_PLACE.search(text) is not None:
        text = _SOURCE_FILE.sub("", text)
    return folded(text)


def _last_part(path: re.Match[str]) -> str:
    return "" if path[1].endswith(_SOURCE_SUFFIX) else f" {path[1]}"


def _pieces(text: str) -> Iterator[tuple[str, float]]:
    """Yield the lines that carry meaning, each with its weight factor: in a stack trace, the root cause counts most."""
    lines = _drop_frames(text.splitlines()[:LINES]) or text.splitlines()[:LINES]
    cause = _find_cause(lines)
    if cause is None:
        yield _simplify("\n".join(lines)), 1.0
        return
    first, last = cause
    for some, factor in ((lines[first:last], 1.0), (lines[:first], BESIDE), (lines[last:], BESIDE)):
        if some:
            yield _simplify("\n".join(some)), factor


def _drop_frames(lines: list[str]) -> list[str]:
    kept, code_follows = [], False
    for line in lines:
        if _FRAME.match(line):
            code_follows = _PYTHON_FRAME.match(line) is not None
        elif code_follows and line[:1].isspace():
            code_follows = False
        else:
            code_follows = False
            kept.append(line)
    return [line for line in kept if line.strip()]


def _find_cause(lines: list[str]) -> tuple[int, int] | None:
    """Return the range of lines that holds the cause; None where no marker tells."""
    caused = [number for number, line in enumerate(lines) if _CAUSED_BY.match(line)]
    if caused:
        return caused[-1], len(lines)
    for number, line in enumerate(lines):
        if _DIRECT in line:
            return 0, number
    during = [number for number, line in enumerate(lines) if _DURING in line]
    return (during[-1] + 1, len(lines)) if during and during[-1] + 1 < len(lines) else None
