"""Secrets that a sentence or an outline of settings tells: `the password is hunter2`, `password: hunter`. Pure.

A sentence says far more often how a secret is (missing, wrong) than what it is. So a bare word counts only where nothing
follows it and it is none of the words that say how a secret is; what has a digit or a sign in it counts anywhere.
"""

import re
from collections.abc import Iterator
from typing import Final

from consumer.redact.names import ANYWHERE, Kind, first_letters, kind_of
from consumer.redact.words_of_secrets import BY_NAME, SAID, STATES, TOKEN

_SPOKEN: Final = first_letters(
    (*ANYWHERE, f"{TOKEN}(?![a-z])", *(f"^{word}(?![a-z])" for word in (*BY_NAME, "pin"))),
    before="[a-z]",
)  # fmt: skip
_SAID: Final = "|".join(re.escape(word) for word in SAID)
_HOW: Final = (
    "incorrect[aoe]?s?|incorreta|invalid[aoe]?|invalide|errad[ao]|errat[ao]|falsch|ungültig|неверн(?:ый|ая)|yanlış|hatalı|geçersiz|"
    "nieprawidłowe|błędne|onjuist|fel|forkert|wrong"
)
_CODES: Final = r"(?:verification|login|access|confirmation|sms|2fa|mfa|otp)[ -]code"
_OPENS: Final = r"[\"'`«“„‘]"
_ENDS: Final = r"[\"'`»”“’]"
_FOR_WHOM: Final = r"(?:\s(?:for|of|to|von|für|pour|de|del|para|per|voor|at|on)\s[^\s:=]{1,60}(?:\s[^\s:=]{1,60})?|\sd['’][^\s:=]{1,40})?"
_SENTENCE: Final = re.compile(
    rf"(?:{_SPOKEN}|{_CODES})[^\W\d_]{{0,3}}{_FOR_WHOM}[\"'`]?\s{{1,3}}"
    rf"(?:(?:(?:has\sbeen|was|is)\s)?(?:changed|set|reset|updated)\s(?:to|as)|{_SAID})(?=[\s:])(?:\s(?:now|currently|set to|jetzt|nun|ahora|maintenant|still))?"
    rf"\s{{0,3}}:?\s{{0,3}}(?P<open>\\{{0,3}}{_OPENS})?(?P<v>(?:(?<=[\"'`«“„‘])[^\"'`»”\r\n\\]{{1,200}}|[^\s\"'`«»“”„;,<>{{}}()\[\]\\]{{2,200}}))"
)
_STATED: Final = re.compile(
    rf"{_SPOKEN}[^\W\d_]{{0,3}}\s{{1,3}}(?:{_HOW})\s{{0,2}}[:：]?\s{{0,2}}{_OPENS}?(?P<v>[^\s\"'`«»“”;,<>{{}}()\[\]\\]{{4,200}})"
)
_QUOTED: Final = re.compile(rf"{_SPOKEN}(?:\s{{1,3}}|\(){_OPENS}(?P<v>[^\"'`»”\r\n\\]{{3,200}}){_ENDS}")
_OUTLINE: Final = re.compile(
    rf"(?P<name>{_SPOKEN}[\w-]{{0,20}})(?:\\{{0,7}}[\"'])?\]?\s{{0,4}}(?P<sign>=>|[:：])\s{{0,4}}"
    r"(?:[|>][+-]?\s{0,4}(?:\n|\\n)\s{0,40}|string\([0-9]{1,4}\)\s\")?(?P<v>[^\s\"'&,;<>\\{}\[\]()|#]{3,200})"
    r"(?P<after>\s{0,4}(?:$|[\r\n,}\]\"#]|\\[nr\"]))?"
)
_BESIDE: Final = re.compile(
    rf"(?P<name>{_SPOKEN}[\w-]{{0,20}})\s{{1,3}}(?:[057]\s)?(?P<v>[^\s\"'&,;<>\\{{}}\[\]()|#=:]{{6,200}})(?=$|[\s\"'\\,;)])"
)
_PAIR: Final = re.compile(
    r"(?:name|key|id|field|property)\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}\\{0,7}[\"']?[\w.-]{0,40}?"
    rf"(?P<name>{_SPOKEN}[\w.-]{{0,30}})\\{{0,7}}[\"']?(?:\s|\\[nr]|,|/){{0,20}}"
    r"(?:\\{0,7}[\"']?values?\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}(?:\\{0,7}[\"'])?|>)(?P<v>[^\"'<>\r\n\\]{1,400})"
)
_CALLED: Final = re.compile(
    rf"\(\s{{0,4}}{_OPENS}[\w.-]{{0,40}}?(?P<name>{_SPOKEN}[\w.-]{{0,30}}){_ENDS}\s{{0,4}},\s{{0,4}}{_OPENS}(?P<v>[^\"'\r\n]{{1,400}})"
)
_ASIAN: Final = re.compile(
    r"(?:密码|密碼|口令|密钥|密鑰|令牌|凭证|助记词|パスワード|暗証番号|トークン|認証キー|apiキー|アクセスキー|秘密鍵|비밀번호|암호|토큰|รหัสผ่าน)"
    r"(?:是|为|為|は|が|가|은|는|คือ|을|를|を|错误[:：]|(?=「))\s{0,2}[\"'「“]?(?P<v>[!-~]{4,200})"
)
_DECLARED: Final = re.compile(
    rf"variable\s{{1,4}}\"[\w-]{{0,40}}?(?P<name>{_SPOKEN}[\w-]{{0,30}})\"\s{{0,4}}\{{[^{{}}]{{0,300}}?default\s{{0,4}}=\s{{0,4}}\"(?P<v>[^\"\r\n]{{1,400}})"
)
_TERM: Final = re.compile(
    rf"[{{(]\s{{0,4}}(?P<name>{_SPOKEN}[\w-]{{0,30}})\s{{0,4}},\s{{0,4}}[\"'](?P<v>[^\"'\r\n]{{1,400}})[\"']"
)
_LISTED: Final = re.compile(
    rf"<key>[\w .-]{{0,40}}?(?P<name>{_SPOKEN}[\w .-]{{0,30}})</key>\s{{0,20}}<(?:string|data)>\s{{0,20}}(?P<v>[^<>]{{1,1000}})<"
)
_FILE_OF_PASSWORDS: Final = re.compile(
    r"(?<=:)(?:[0-9]{2,5}|\*):[\w*-]{1,64}:[\w.-]{1,64}:(?P<v>[^\s:\"'\\,]{4,200})(?=$|[\s\"'\\])"
)
_PLAIN_TEXT: Final = re.compile(r"convertto-securestring\s{1,4}(?:-string\s{1,4})?[\"']?(?P<v>[^\s\"'|;]{3,200})")
_TUPLE: Final = re.compile(
    r"auth\s{0,2}=\s{0,2}\w{0,20}[(\[]\s{0,2}[\"'][^\"'\r\n]{1,100}[\"']\s{0,2},\s{0,2}[\"'](?P<v>[^\"'\r\n]{1,200})"
)
_NUMBER: Final = re.compile(
    r"(?:otp|cvv2?|cvc2?)(?<![a-z](?:otp|cvv|cvc))\s{1,3}(?:[:#]\s?)?(?P<v>[0-9]{3,8})(?![0-9])"
)
_ARGUMENT: Final = re.compile(
    r"(?:getconnection|networkcredential|basicauth|basic_auth|_connect|_login|setcredentials|set_credentials|authenticate|createcredential)"
    r"\s{0,2}\([^()\r\n]{0,200}?,\s{0,2}[\"'](?P<v>[^\"'\r\n]{3,200})[\"']\s{0,2}\)"
)
_NAMELESS: Final = (_NUMBER, _ARGUMENT, _ASIAN, _FILE_OF_PASSWORDS, _PLAIN_TEXT, _TUPLE)
_LOGIN: Final = re.compile(
    r"(?:credentials?|identifiants|zugangsdaten|credenciales|user(?:name)?\s{0,2}/\s{0,2}pass(?:word)?|log[io]n)"
    r"(?:\s(?:failed|refused|denied|rejected)\s(?:for|as|of))?\s{0,2}(?:[:=]|are|is|\(|were)?\s{0,2}[\"'(]?"
    r"[\w.@+-]{1,60}\s{0,1}[:/]\s{0,1}(?P<v>[^\s\"'/:;,()<>=]{4,200})(?!=)"
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_PROSE_ENDS: Final = (
    "ed", "ing", "able", "ible", "ly", "tion", "ment", "ness", "ada", "ado", "ida", "ido", "ata", "ato", "uta", "uto", "ée", "ert", "bar",
    "lich", "mente",
)  # fmt: skip
_NUMBERED: Final = re.compile(r"pin|otp|code|cv[vc]|pass")
_LEAST: Final = 3
_LEAST_OF_TOKENS: Final = 6
Span = tuple[int, int]


def told_secrets(text: str, low: str, *, sure: bool) -> Iterator[Span]:
    """Yield where sentences and outlines tell secrets; `sure`: only those that hold a digit beside a letter.

    `low` is the text in lower case, of the same length.
    """
    for pattern in (_SENTENCE, _OUTLINE, _QUOTED, _STATED):
        for found in pattern.finditer(low):
            start, end = found.span("v")
            end = start + len(low[start:end].rstrip(".!?)：:"))
            if _is_told(text[start:end], found, low, sure=sure or pattern is _STATED):
                yield start, end
    for found in _BESIDE.finditer(low):
        start, end = found.span("v")
        if is_strong(text[start:end]) and not _is_template(low[start:end]) and _is_secret(found["name"]):
            yield start, end


def paired_secrets(low: str, *, sure: bool) -> Iterator[Span]:
    """Yield the values beside the names of secrets: attributes, pairs of name and value, arguments, logins."""
    for pattern in (_PAIR, _CALLED, _TERM, _DECLARED, _LISTED, _LOGIN, *_NAMELESS):
        for found in pattern.finditer(low):
            value = found["v"].strip()
            if value in STATES or _is_template(value) or value.startswith(("[redacted", "secret://")):
                continue
            if pattern is not _LOGIN and pattern not in _NAMELESS and not _is_secret(found["name"]):
                continue
            if pattern is _LOGIN and (sure or not is_strong(value)):
                continue
            yield found.span("v")


def _is_secret(name: str) -> bool:
    """Return whether a name is a secret's, and not about one: `password_hash_algorithm`."""
    return kind_of(name) >= Kind.HINT


def is_strong(word: str) -> bool:
    """Return whether a word is none of prose: long enough, a letter and a digit in it, and no quantity or version."""
    return (
        len(word) > _LEAST
        and any(map(str.isdigit, word))
        and any(map(str.isalpha, word))
        and _QUANTITY.fullmatch(word) is None
    )


_QUANTITY: Final = re.compile(
    r"[0-9.]+(?:[a-z]{1,3}|st|nd|rd|th)|v[0-9.]+|(?:utf|x|base|ipv|p|rfc|http|tls|ssl|s|id|step|node|host|pod|worker|line|page|api|oauth|web|db|app|user|test|ec)-?[0-9.]{1,5}|(?:https?|wss?)://\S*|[\w.-]+\.(?:[a-z]{2,5})(?:[:/]\S*)?|/[\w/.-]*|"
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}\S*|(?:sha|md|hs|rs|es|ps|rsa|aes|hmac|argon|oauth)-?[0-9]+(?:id?|[-_][\w-]+)?",
    re.IGNORECASE,
)


def _is_told(value: str, found: re.Match[str], low: str, *, sure: bool) -> bool:
    word = value.lower()
    if len(word) < _LEAST or word in STATES or _is_template(word):
        return False
    if found.re is _OUTLINE and not _is_secret(found["name"]):
        return False
    return (
        _is_value(value, word, found, low)
        if word.isdigit() or is_strong(value)
        else not sure and _is_bare(value, found, low)
    )


def _is_value(value: str, word: str, found: re.Match[str], low: str) -> bool:
    """Return whether what has digits in it is a secret: a number only as a PIN or a code."""
    if word.isdigit():
        return _NUMBERED.search(low, found.start(), found.start("v")) is not None
    return len(value) >= _LEAST_OF_TOKENS or _OF_PASSWORDS.search(low, found.start(), found.start("v")) is not None


def _is_bare(value: str, found: re.Match[str], low: str) -> bool:
    """Return whether what has no digit in it is a secret and not prose."""
    word = value.lower()
    if _WORD.fullmatch(word) is None:
        # A sign beside letters: `correct-horse` is a password, and `must-be` hardly ever stands so.
        return found.re is not _SENTENCE or any(sign in value for sign in "!@#$%^&*+=~")
    if word.endswith(_PROSE_ENDS):
        return False
    if value != word and not value.istitle() and not value.isupper():
        return True  # a capital inside
    return _stands_last(found, low)


def _stands_last(found: re.Match[str], low: str) -> bool:
    if found.re is _QUOTED:
        return _OF_PASSWORDS.search(low, found.start(), found.start("v")) is not None
    if found.re is _OUTLINE:
        return found["after"] is not None or low[found.start("v") - 1 : found.start("v")] in ":："
    if found["open"]:
        return True
    return _LAST.match(low, found.end("v")) is not None


_OF_PASSWORDS: Final = re.compile(r"pass|pwd|pw\b|kennwort|contrase|senha|mot|parol|has[lł]o|heslo|пароль|密|口令")
_LAST: Final = re.compile(r"[.!?)]{0,3}(?:$|\s{0,2}(?:[\r\n,;(]|\\[nr]|$))")


def _is_template(word: str) -> bool:
    return word.startswith(("$", "<", "{", "%(", "%s", "[redacted", "secret://", "***", "•••", "xxxx", "****")) or set(
        word
    ) <= set("*•x.-_…")
