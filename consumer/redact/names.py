"""Classifies a field's name: whether its value is a secret, perhaps one, or an id that only looks random. Pure.

The words are written in lower case: they are matched against lowered text. Alternatives that begin with different
letters let `re` skip to a letter that may begin one; `first_letters` arranges them so.
"""

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Final


class Kind(IntEnum):
    """What a field's name implies for the value under it; the greater redacts more."""

    OPEN = 0  # an id, a digest, a cursor: a value that looks random is no secret
    NEUTRAL = 1  # only values with the shape of a secret are redacted
    DOUBTFUL = 2  # redacted where it looks like a credential, as a `key` or a `signature` may be
    SECRET = 3  # always redacted, whatever it looks like


def first_letters(words: Iterable[str], *, before: str) -> str:
    """Build a regex alternation grouped by first letter; a word with `^` may not follow what `before` matches."""
    grouped: dict[str, list[str]] = {}
    for word in words:
        first = word.removeprefix("^")[0]
        guard = rf"(?<!{before}{first})" if word[0] == "^" else ""
        grouped.setdefault(first, []).append(guard + word.removeprefix("^")[1:])
    return "(?:" + "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in grouped.items()) + ")"


KEY_KINDS: Final = (
    "api", "access", "private", "signing", "encryption", "decryption", "auth", "account", "master", "subscription",
    "shared", "ssh", "deploy", "license", "licence", "functions", "webhook", "hmac", "admin", "consumer", "app",
    "application", "service[_. -]?role",
)  # fmt: skip
FOREIGN: Final = (
    "contrase[nñ]a", "^senha", "mot[_ -]?de[_ -]?passe", "^mdp(?![a-z])", "kennwort", "wachtwoord", "^parola(?![a-z])",
    "l[oö]senord", "^has[lł]o(?![a-z])", "^heslo(?![a-z])", "jelsz[oó]", "^sifre(?![a-z])", "şifre",
    "salasana", "adgangskode", "geheimnis", "zugangsdaten", "пароль", "секрет(?!ар)",  # noqa: RUF001
    "密码", "密碼", "口令", "密钥", "密鑰", "パスワード", "비밀번호", "암호(?!화)", "m[aậ]t[_ ]?kh[aẩ]u",
    "كلمة المرور", "סיסמה", "पासवर्ड",
    "clave[_ -]?(?:secreta|api|privada|de[_ -]?acceso)", "chave[_ -]?(?:secreta|api|privada|de[_ -]?acesso)",
    "cl[eé][_ -]?(?:secr[eè]te|api|priv[eé]e)",
)  # fmt: skip
_PLACES: Final = (
    "page", "next", "continuation", "sync", "pagination", "cursor", "client[_ -]request", "clientrequest", "stop",
    "special", "first", "last", "max", "total", "per", "prompt", "completion", "unexpected", "cancellation", "fencing",
    "design", "eos", "bos", "pad", "unk", "forward", "backward", "sequence", "starting", "invalid", "unknown",
)  # fmt: skip
"""A `token` after one of these is a pagination cursor, a piece of a text or of a count, or prose: no secret."""
# Lookbehinds: the words before it are only checked once `token` itself has matched.
_TOKEN: Final = "token" + "".join(rf"(?<!{word}token)(?<!{word}[_ -]token)" for word in _PLACES)

ANYWHERE: Final = (
    "passw(?:or)?d", "passwort", "passord", "passphrase", "passcode", "^pwd",
    "secret(?!ar|://|s?[_ -]?(?:arn|name|manager))", "credential",
    *(f"{kind}[_. -]?key" for kind in KEY_KINDS), *FOREIGN,
)  # fmt: skip
"""A name that contains one of these is a secret's, whatever follows."""
_BY_NAME: Final = (
    "jwt", "bearer", "otp", "totp", "cvv2?", "cvc2?", "psk", "pw", "phpsessid", "jsessionid", "sessid",
    r"asp\.net_sessionid", r"connect\.sid",
)  # fmt: skip
AT_THE_END: Final = (
    "authorization", "^auth", "cookies?2?", f"{_TOKEN}(?:[_-]?(?:value|string))?", *(f"^{word}" for word in _BY_NAME),
    *(f"^{whose}[_-]?pass" for whose in ("db", "smtp", "ftp", "sftp", "mysql", "pg", "redis", "mail", "root", "admin")),
)  # fmt: skip
"""A name that ends with one of these is a secret's."""

_BOUNDARY: Final = "[a-z]"
_SECRET: Final = re.compile(
    first_letters((*ANYWHERE, *(f"{word}$" for word in AT_THE_END), "cookie"), before=_BOUNDARY)
)
_DOUBTFUL: Final = re.compile(
    r"(?:.*[_.-])?(?:sig|signature|hmac|sas)|(?:x[_-])?(?:(?:client|server|session|service|user|write|project|bot)[_-])?"
    r"key"
)
_WORDS: Final = re.compile(r"[^a-z0-9]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPEN_WORDS: Final = _words_of(
    """
    id ids uuid guid oid digest sha sha1 sha256 sha384 sha512 md5 etag etags commit rev revision trace traceparent
    tracestate span hash hashes checksum crc fingerprint thumbprint cursor version integrity idempotency dedup
    deduplication correlation ref reference container layer block tx txn transaction merkle address marker nonce
    base64 b64 thumbnail image audio video png jpeg jpg wav mp3 pdf blob bytes filename file path checkpoint offset
    certificate cert x5c publickey pubkey voice model asset after before
    """
)
_LONGEST_CACHED: Final = 64
_WORKING_DIRECTORY: Final = frozenset(("PWD", "OLDPWD"))


def kind_of(name: str) -> Kind:
    """Classify a field's name; camelCase, snake_case, kebab-case and dots are treated alike."""
    # Long keys are user data: they must not fill the cache's memory.
    return _cached_kind(name) if len(name) <= _LONGEST_CACHED else _kind_of(name)


def _kind_of(name: str) -> Kind:
    if name in _WORKING_DIRECTORY:
        return Kind.OPEN
    lower = _HUMP.sub("_", name).lower()
    if _SECRET.search(lower):
        return Kind.SECRET
    if _DOUBTFUL.fullmatch(lower):
        return Kind.DOUBTFUL
    words = _WORDS.split(lower[-256:])
    if not _OPEN_WORDS.isdisjoint(words) or ("public" in words and "key" in words):
        return Kind.OPEN
    return Kind.NEUTRAL


_cached_kind = lru_cache(maxsize=4096)(_kind_of)
