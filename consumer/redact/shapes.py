"""Secrets recognised by their format: one pattern of all issuers' tokens, and those that begin with no letter. Pure.

Each shape has a trigger beside it: a looser pattern that the prefilter (`suspect`) searches for in raw JSON, where `/`,
a quote and control characters may be escaped. A trigger therefore contains none of these.
"""

import re
from typing import Final

from consumer.redact.issuers import SHAPES

_WORD: Final = "[A-Za-z0-9]"
_AFTER_ESCAPE: Final = r"\\[nrt]"
"""In a JSON string within a string, a token after a line break follows the letter n of its escape."""


def _all_shapes() -> str:
    grouped: dict[str, list[str]] = {}
    for shape in SHAPES:
        grouped.setdefault(shape.pattern[0], []).append(shape.pattern[1:])
    return "|".join(
        rf"{first}(?:(?<!{_WORD}{first})|(?<={_AFTER_ESCAPE}{first}))(?:{'|'.join(rest)})"
        for first, rest in grouped.items()
    )


ISSUED: Final = re.compile(_all_shapes(), re.ASCII)
_PEM_END: Final = r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
ANYWHERE: Final = (
    re.compile(rf"-----BEGIN [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!-))*{_PEM_END}"),
    re.compile(r":(?<=[0-9]{8}:)(?P<v>AA[A-Za-z0-9_-]{32,34})(?![A-Za-z0-9_-])"),
    re.compile(r"Q~(?<=[A-Za-z0-9_~.-]{3}[0-9]Q~)(?P<v>[A-Za-z0-9_~.-]{31,34})(?![A-Za-z0-9_~-])"),
    re.compile(r"//0(?<=1//0)(?P<v>[A-Za-z0-9_-]{20,})"),
    re.compile(r"\.atlasv1\.(?P<v>[A-Za-z0-9_-]{40,})"),
    re.compile(r":(?<=[0-9]{13}:)(?P<v>[0-9a-f]{32})(?![0-9a-z])"),
    re.compile(r":(?<=[0-9a-f]{24}:)(?P<v>[0-9a-f]{64})(?![0-9a-z])"),
    re.compile(r":(?<=[0-9a-f]{4}-[0-9a-f]{12}:)(?P<v>[0-9a-f]{32})(?![0-9a-z])"),
    # Digests of passwords, as `crypt` writes them
    re.compile(r"\$(?P<v>(?:2[abxy]|[156y]|apr1|argon2(?:id|i|d)|scrypt)\$[^\s\"':,]{20,})"),
)
"""Formats that do not begin with a letter of their own."""
TRIGGERS: Final = (
    *dict.fromkeys(shape.trigger for shape in SHAPES),
    "-----(?:BEGIN|END)", ":AA[A-Za-z0-9_-]{32}", "Q~", r"1\\*/\\*/0[A-Za-z0-9_-]{20}", r"\.atlasv1\.",
    "[0-9]{13}:[0-9a-f]{32}", "[0-9a-f]{12}:[0-9a-f]{32}",
    r"\$(?:2[abxy]|[156y]|apr1|argon2(?:id|i|d)|scrypt)\$",
)  # fmt: skip
_KEY_ENDS: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LINES_OF_A_BODY: Final = re.compile(r"(?:[A-Za-z0-9+/=]+(?:\s|\\[nr])*)")
_SHORTEST_LINE: Final = 16
_LONGEST_BODY: Final = 16 * 1024


def headless_keys(text: str) -> list[tuple[int, int]]:
    """Return where the bodies of private keys stand whose first line was cut off: only their last line tells of them.

    A body is what stands before that line in lines of base64, the last of them perhaps short.
    """
    spans: list[tuple[int, int]] = []
    behind = 0
    for found in _KEY_ENDS.finditer(text):
        at = start = found.start()
        lines = list(_LINES_OF_A_BODY.finditer(text, max(behind, at - _LONGEST_BODY), at))
        for number, line in enumerate(reversed(lines)):
            if line.end() != start or (number and len(line[0].rstrip()) < _SHORTEST_LINE):
                break
            start = line.start()
        if at - start >= _SHORTEST_LINE:
            spans.append((start, found.end()))
        behind = found.end()
    return spans
