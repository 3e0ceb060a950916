"""Whoever answers names the charset: only those of the web are read, and none of them is slow."""

import codecs
from encodings.aliases import aliases

import pytest

from consumer.outbound.charsets import decode_text

ALL = sorted({*aliases, *aliases.values(), "undefined", "idna", "punycode", "unicode_escape", "raw_unicode_escape"})
BODIES = [b"xn--" + b"a" * 1000, b"\xff\xfe" + b"a" * 1000, bytes(range(1, 256)) * 4, b"ok"]
SLOW_OR_NONE = [
    "undefined",
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "utf-7",
    "hex",
    "zlib",
    "cp037",
]


@pytest.mark.parametrize("charset", ALL)
def test_no_charset_that_python_knows_raises(charset: str) -> None:
    for body in BODIES:
        decode_text(body, charset, truncated=False)
        decode_text(body, charset, truncated=True)


@pytest.mark.parametrize("charset", SLOW_OR_NONE)
def test_a_charset_that_is_slow_or_none_is_not_used(charset: str) -> None:
    for body in BODIES:
        assert decode_text(body, charset, truncated=False) == decode_text(body, None, truncated=False)


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Zürich", "ISO-8859-1"),
        ("Zürich", "windows-1252"),
        ("Zürich", "utf-8"),
        ("\u041c\u043e\u0441\u043a\u0432\u0430", "koi8-r"),
        ("\u6771\u4eac", "Shift_JIS"),
        ("\u6771\u4eac", "EUC-JP"),
        ("\u5317\u4eac", "GB18030"),
        ("\uc11c\uc6b8", "euc-kr"),
    ],
)
def test_texts_of_the_web_are_read(text: str, charset: str) -> None:
    assert decode_text(text.encode(charset), charset, truncated=False) == text


@pytest.mark.parametrize(
    "charset", [None, "", "no-such", "utf-7", "unicode_escape", "cp037", "undefined", "hex", "a\0b"]
)
def test_without_a_charset_that_is_allowed_it_is_utf_8_or_no_text(charset: str | None) -> None:
    assert decode_text("Zürich".encode(), charset, truncated=False) == "Zürich"
    assert decode_text(b"Z\xfcrich", charset, truncated=False) is None


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32", None])
def test_utf_16_is_no_text(charset: str | None) -> None:
    assert decode_text("a token".encode("utf-16-le"), charset, truncated=False) is None
    assert codecs.lookup("utf-16").name == "utf-16"


def test_a_text_with_a_nul_in_it_is_one() -> None:
    assert decode_text(b"a\0bcd", None, truncated=False) == "a\0bcd"


def test_what_was_cut_within_a_character_is_read_up_to_it() -> None:
    assert decode_text("Zürich".encode()[:2], "utf-8", truncated=True) == "Z"
