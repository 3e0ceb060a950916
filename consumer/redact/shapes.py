"""Secrets recognised by their format: the token prefixes that issuers chose so that they can be found. Pure.

Each shape has a trigger beside it: a looser pattern that the prefilter (`suspect`) searches for in raw JSON, where `/`,
a quote and control characters may be escaped. A trigger therefore contains none of these.
"""

import re
from typing import Final, NamedTuple


class SecretShape(NamedTuple):
    """One issuer's token format, and the trigger that announces it."""

    pattern: str
    """Begins with a letter."""
    trigger: str


_WORD: Final = "[A-Za-z0-9]"
_URLSAFE: Final = "[A-Za-z0-9_-]"
_BESIDE: Final = r"(?:\\{0,4}[\s:,;|\"'=]){1,10}"

SHAPES: Final = (
    # Clouds. The secret half of a key pair has no shape of its own: it is found by the key id before it.
    SecretShape(
        rf"A(?:[KS]IA|ROA|IDA|BIA|CCA)[A-Z0-9]{{16}}(?![A-Za-z0-9])(?:{_BESIDE}[A-Za-z0-9/+]{{40}}(?![A-Za-z0-9/+]))?",
        "A(?:[KS]IA|ROA|IDA|BIA|CCA)[A-Z0-9]{16}",
    ),
    SecretShape(f"AIza{_URLSAFE}{{30,}}", "AIza"),
    SecretShape(rf"ya29\.{_URLSAFE}{{16,}}", r"ya29\."),
    SecretShape(f"GOCSPX-{_URLSAFE}{{20,}}", "GOCSPX-"),
    SecretShape("LTAI[A-Za-z0-9]{12,20}(?![A-Za-z0-9])", "LTAI[A-Za-z0-9]{12}"),
    SecretShape("do[oprt]_v1_[0-9a-f]{20,}", "do[oprt]_v1_"),
    SecretShape("dapi[0-9a-f]{32}(?:-[0-9])?", "dapi[0-9a-f]{32}"),
    SecretShape("HRKU-[0-9A-Za-z-]{30,}", "HRKU-"),
    # Forges and registries
    SecretShape("gh[pousr]_[A-Za-z0-9]{20,}", "gh[pousr]_"),
    SecretShape("github_pat_[A-Za-z0-9_]{20,}", "github_pat_"),
    SecretShape(rf"gl(?:pat|ptt|dt|rt|cbt|imt|ft|soat|agent|oas|ffct)-{_URLSAFE}{{16,}}", "gl[a-z]{2,5}-"),
    SecretShape(f"GR1348941{_URLSAFE}{{16,}}", "GR1348941"),
    SecretShape("npm_[A-Za-z0-9]{20,}", "npm_"),
    SecretShape(f"pypi-{_URLSAFE}{{30,}}", f"pypi-{_URLSAFE}{{30}}"),
    SecretShape(f"dckr_[a-z]{{3}}_{_URLSAFE}{{16,}}", "dckr_"),
    SecretShape("rubygems_[0-9a-f]{32,}", "rubygems_"),
    SecretShape("ATATT3[A-Za-z0-9_=-]{20,}", "ATATT3"),
    SecretShape("ATBB[A-Za-z0-9]{24,}", "ATBB[A-Za-z0-9]{24}"),
    # Money and shops
    SecretShape("sk_(?:live|test)_[A-Za-z0-9]{8,}", "sk_(?:live|test)_"),
    SecretShape("rk_(?:live|test)_[A-Za-z0-9]{8,}", "rk_(?:live|test)_"),
    SecretShape("rzp_(?:live|test)_[A-Za-z0-9]{10,}", "rzp_"),
    SecretShape("whsec_[A-Za-z0-9+/=]{16,}", "whsec_"),
    SecretShape("shp(?:at|ca|pa|ss|tka)_[A-Fa-f0-9]{16,}", "shp[a-z]{2,3}_"),
    SecretShape(f"sq0(?:atp|csp|idp)-{_URLSAFE}{{20,}}", "sq0[a-z]{3}-"),
    SecretShape(f"EAAA{_URLSAFE}{{50,}}", "EAAA"),
    # Models
    SecretShape("sk-(?=[a-z_-]{0,60}+[A-Z0-9])[A-Za-z0-9_-]{16,}", "sk-[A-Za-z0-9_-]{16}"),
    SecretShape("sk_[0-9a-f]{40,}", "sk_[0-9a-f]{40}"),
    SecretShape("hf_[A-Za-z0-9]{20,}", "hf_[A-Za-z0-9]{20}"),
    SecretShape("gsk_[A-Za-z0-9]{20,}", "gsk_"),
    SecretShape("xai-[A-Za-z0-9]{20,}", "xai-"),
    SecretShape("pplx-[A-Za-z0-9]{20,}", "pplx-"),
    SecretShape("r8_[A-Za-z0-9]{20,}", "r8_"),
    SecretShape(f"pcsk_{_URLSAFE}{{20,}}", "pcsk_"),
    # Messages
    SecretShape("xox[abeoprs]-[A-Za-z0-9-]{8,}", "xox[abeoprs]-"),
    SecretShape("xapp-[0-9]-[A-Za-z0-9-]{10,}", "xapp-"),
    SecretShape(r"hooks\.slack\.com\\?/(?:services|workflows|triggers)\\?/[A-Za-z0-9/_\\-]{16,}", r"hooks\.slack\.com"),
    SecretShape(r"discord(?:app)?\.com\\?/api\\?/webhooks\\?/[0-9]{5,}\\?/[\w-]{20,}", r"discord(?:app)?\.com"),
    SecretShape("SK[0-9a-f]{32}", "SK[0-9a-f]{32}"),
    # An account's id alone is no secret, and is in the path of every call.
    SecretShape(f"AC[0-9a-f]{{32}}{_BESIDE}[0-9a-f]{{32}}(?![0-9a-z])", "AC[0-9a-f]{32}"),
    SecretShape(rf"SG\.{_URLSAFE}{{16,}}\.{_URLSAFE}{{16,}}", r"SG\."),
    SecretShape("key-[0-9a-f]{32}(?![0-9a-z])", "key-[0-9a-f]{32}"),
    SecretShape("xkeysib-[0-9a-f]{30,}[A-Za-z0-9-]*", "xkeysib-"),
    SecretShape("pat-(?:na|eu|ap)[0-9]-[0-9a-f-]{30,}", "pat-(?:na|eu|ap)[0-9]-"),
    # Tools
    SecretShape(rf"hv[sbr]\.{_URLSAFE}{{20,}}", r"hv[sbr]\."),
    SecretShape(r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{20,}", r"dp\.[a-z]{2,5}\."),
    SecretShape("lin_(?:api|oauth)_[A-Za-z0-9]{20,}", "lin_(?:api|oauth)_"),
    SecretShape("ntn_[A-Za-z0-9]{20,}", "ntn_"),
    SecretShape("secret_[A-Za-z0-9]{30,}", "secret_"),
    SecretShape("PMAK-[0-9a-f-]{30,}", "PMAK-"),
    SecretShape(f"figd_{_URLSAFE}{{20,}}", "figd_"),
    SecretShape(r"pat[A-Za-z0-9]{14}\.[0-9a-f]{40,}", r"pat[A-Za-z0-9]{14}\."),
    SecretShape("gl(?:sa|c)_[A-Za-z0-9+/=_-]{20,}", "gl(?:sa|c)_"),
    SecretShape("NRAK-[A-Z0-9]{20,}", "NRAK-"),
    SecretShape("sntry[su]_[A-Za-z0-9+/=_-]{20,}", "sntry[su]_"),
    SecretShape("sbp_[0-9a-f]{30,}", "sbp_"),
    SecretShape(r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{16,}", "pscale_"),
    SecretShape("AGE-SECRET-KEY-1[A-Z0-9]{20,}", "AGE-SECRET-KEY-1"),
    SecretShape(r"eyJ(?<![_-]eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*", r"eyJ[A-Za-z0-9_-]{8,}\."),
    # A bot token: the user's id, the time and the digest, each in base64
    *(
        SecretShape(
            rf"{first}[A-Za-z0-9_-]{{22,27}}\.[A-Za-z0-9_-]{{6}}\.[A-Za-z0-9_-]{{27,40}}", r"\.[\w-]{6}\.[\w-]{27}"
        )
        for first in "MNO"
    ),
)
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
)
"""Formats that do not begin with a letter of their own."""
TRIGGERS: Final = (
    *dict.fromkeys(shape.trigger for shape in SHAPES),
    "-----BEGIN", ":AA[A-Za-z0-9_-]{32}", "Q~", r"1\\*/\\*/0[A-Za-z0-9_-]{20}",
)  # fmt: skip
