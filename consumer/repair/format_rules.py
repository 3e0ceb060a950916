"""What the formats of JSON Schema are, by their RFCs. Pure; each takes time in proportion to the text.

RFC 3339 (times, durations), 1123 and 5890 (hostnames), 5321 and 6531 (mailboxes), 6570 (templates), 6901 (pointers).
"""

import ipaddress
import re
import unicodedata
from datetime import date
from typing import Final

_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_TIME: Final = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[zZ]|([+-])(\d\d):(\d\d))", re.ASCII)
_DURATION: Final = re.compile(
    r"P(?:\d+W|(?=.)(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?(?:T(?=.)(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)",
    re.ASCII,
)
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+", re.ASCII)
_WIDE_ATOMS: Final = re.compile(r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]|[^\x00-\x9f])+")
_QUOTED: Final = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"')
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_RELATIVE_POINTER: Final = re.compile(r"(?:0|[1-9]\d*)(?:#|(?:/(?:[^~/]|~[01])*)*)", re.ASCII)
_PERCENT: Final = r"%[0-9A-Fa-f]{2}"
_VARIABLE: Final = rf"(?:[A-Za-z0-9_]|{_PERCENT})(?:\.?(?:[A-Za-z0-9_]|{_PERCENT}))*(?::[1-9]\d{{0,3}}|\*)?"
_EXPRESSION: Final = re.compile(rf"[+#./;?&=,!@|]?{_VARIABLE}(?:,{_VARIABLE})*", re.ASCII)
_LITERALS: Final = re.compile(rf"(?:[^\x00-\x20\"'%<>\\^`{{|}}\x7f-\x9f]|{_PERCENT})*")
_IDN_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")
_ARABIC_DIGITS: Final = frozenset(map(chr, range(0x660, 0x66A)))
_MORE_ARABIC_DIGITS: Final = frozenset(map(chr, range(0x6F0, 0x6FA)))
_ALLOWED_IN_IDN: Final = frozenset("-\u00b7\u0375\u05f3\u05f4\u30fb\u200c\u200d\u3007\u06fd\u06fe\u0f0b\u00df\u03c2")
_NOT_IN_IDN: Final = frozenset("\u302e\u302f\u0640\u07fa\u3031\u3032\u3033\u3034\u3035\u303b")
_VIRAMA: Final = 9
_MAX_LABEL: Final = 63
_MAX_HOST: Final = 253
_MAX_LOCAL: Final = 64


def is_date(text: str) -> bool:
    """Return whether a text is a full-date of RFC 3339."""
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    try:
        date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return True


def is_time(text: str) -> bool:
    """Return whether a text is a full-time of RFC 3339: with its offset, and a leap second only where one can be."""
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    ahead, behind = (int(found[5]), int(found[6])) if found[4] else (0, 0)
    if hour > 23 or minute > 59 or second > 60 or ahead > 23 or behind > 59:  # noqa: PLR2004 - a clock
        return False
    if second < 60:  # noqa: PLR2004
        return True
    offset = (ahead * 60 + behind) * (-1 if found[4] == "-" else 1)
    return (hour * 60 + minute - offset) % 1440 == 1439  # noqa: PLR2004 - 23:59 UTC


def is_date_time(text: str) -> bool:
    """Return whether a text is a date-time of RFC 3339."""
    return text[10:11] in {"T", "t"} and is_date(text[:10]) and is_time(text[11:])


def is_duration(text: str) -> bool:
    """Return whether a text is a duration of RFC 3339, appendix A."""
    return _DURATION.fullmatch(text) is not None


def is_hostname(text: str) -> bool:
    """Return whether a text is a host name: letters, digits and inner hyphens, and A-labels that decode."""
    return 0 < len(text) <= _MAX_HOST and all(_is_label(label) for label in text.split("."))


def _is_label(label: str) -> bool:
    if len(label) > _MAX_LABEL or _LABEL.fullmatch(label) is None:
        return False
    if label[2:4] != "--":
        return True
    if label[:2].lower() != "xn":
        return False
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return False
    return not decoded.isascii() and _is_idn_label(decoded)


def is_idn_hostname(text: str) -> bool:
    """Return whether a text is an internationalised host name (RFC 5890 to 5892)."""
    labels = _IDN_DOTS.split(text) if text else []
    if not labels or len(text) > _MAX_HOST:
        return False
    return all(_is_label(label) if label.isascii() else _is_idn_label(label) for label in labels)


def _is_idn_label(label: str) -> bool:
    if len(label) > _MAX_LABEL or label[:1] == "-" or label[-1:] == "-" or label[2:4] == "--":
        return False
    if unicodedata.normalize("NFC", label) != label or unicodedata.category(label[0])[0] == "M":
        return False
    if len("xn--" + label.encode("punycode").decode("ascii")) > _MAX_LABEL:
        return False
    return all(_is_idn_letter(label, at) for at in range(len(label))) and not (
        _ARABIC_DIGITS & set(label) and _MORE_ARABIC_DIGITS & set(label)
    )


def _is_idn_letter(label: str, at: int) -> bool:
    letter = label[at]
    if letter in _NOT_IN_IDN:
        return False
    if letter in _ALLOWED_IN_IDN:
        return _fits_its_context(label, at)
    category = unicodedata.category(letter)
    return (
        category in {"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"} and unicodedata.normalize("NFKC", letter).casefold() == letter
    )


def _fits_its_context(label: str, at: int) -> bool:
    """Judge a letter that is allowed beside certain ones only (RFC 5892, appendix A)."""
    before, after = label[at - 1 : at] if at else "", label[at + 1 : at + 2]
    match label[at]:
        case "\u00b7":
            return before == after == "l"
        case "\u0375":
            return "GREEK" in unicodedata.name(after, "") if after else False
        case "\u05f3" | "\u05f4":
            return "HEBREW" in unicodedata.name(before, "") if before else False
        case "\u30fb":
            names = (unicodedata.name(other, "") for other in label if other != "\u30fb")
            return any(name.startswith(("HIRAGANA", "KATAKANA", "CJK")) for name in names)
        case "\u200c" | "\u200d":
            return bool(before) and unicodedata.combining(before) == _VIRAMA
        case _:
            return True


def is_email(text: str) -> bool:
    """Return whether a text is a mailbox of RFC 5321."""
    local, domain = _mailbox(text)
    return _is_local(local, _ATOMS) and (_is_literal(domain) or is_hostname(domain))


def is_idn_email(text: str) -> bool:
    """Return whether a text is an internationalised mailbox of RFC 6531."""
    local, domain = _mailbox(text)
    return _is_local(local, _WIDE_ATOMS) and (_is_literal(domain) or is_idn_hostname(domain))


def _mailbox(text: str) -> tuple[str, str]:
    local, _, domain = text.rpartition("@")
    return local, domain


def _is_local(local: str, atoms: re.Pattern[str]) -> bool:
    if not local or len(local.encode("utf-8", "surrogatepass")) > _MAX_LOCAL:
        return False
    if local[0] == '"':
        return _QUOTED.fullmatch(local) is not None
    return atoms.fullmatch(local) is not None and local[0] != "." and local[-1] != "." and ".." not in local


def _is_literal(domain: str) -> bool:
    if not (domain.startswith("[") and domain.endswith("]")):
        return False
    inner = domain[1:-1]
    return is_ipv6(inner[5:]) if inner[:5].lower() == "ipv6:" else is_ipv4(inner)


def is_ipv4(text: str) -> bool:
    """Return whether a text is an IPv4 address of four decimal numbers."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return text.isascii()


def is_ipv6(text: str) -> bool:
    """Return whether a text is an IPv6 address, without a zone."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return text.isascii() and "%" not in text


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID with its dashes."""
    return _UUID.fullmatch(text) is not None


def is_pointer(text: str) -> bool:
    """Return whether a text is a JSON Pointer."""
    return _POINTER.fullmatch(text) is not None


def is_relative_pointer(text: str) -> bool:
    """Return whether a text is a relative JSON Pointer."""
    return _RELATIVE_POINTER.fullmatch(text) is not None


def is_uri_template(text: str) -> bool:
    """Return whether a text is a URI template of RFC 6570."""
    at = 0
    while True:
        literals = _LITERALS.match(text, at)
        at = literals.end() if literals else at
        if at == len(text):
            return True
        end = text.find("}", at)
        if text[at] != "{" or end < 0 or _EXPRESSION.fullmatch(text, at + 1, end) is None:
            return False
        at = end + 1
