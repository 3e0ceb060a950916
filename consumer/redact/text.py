"""Secrets in running text: by shape, auth scheme, URL part, the secret's name before them, or randomness. Pure.

Names are matched against lowered text, since `re` skips quickly to a letter only where case counts. Every pattern
begins at a literal or a boundary and is bounded or possessive, so that the time is linear in the text.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from consumer.redact import commands, encoded, prose, shapes, urls
from consumer.redact.entropy import has_long_runs, looks_like_a_credential, random_tokens
from consumer.redact.folding import fold, is_hidden
from consumer.redact.names import ANYWHERE, AT_THE_END, Kind, first_letters, kind_of
from consumer.redact.suspect import HAS_COMMAND, HAS_NAME, HAS_SHAPE, is_suspect
from consumer.redact.words_of_secrets import STATES

REDACTED: Final = "[redacted]"
_PASSES: Final = 6
_DEPTH: Final = 2
"""Most encodings within one another that are looked behind."""
_MAX_SECRETS: Final = 2000
"""Limit of secrets of one kind in a text: one with more is redacted as a whole, and so is one that still changes after
`_PASSES` passes."""
_LONG: Final = 64 * 1024
"""A longer text is looked through in pieces, and only pieces that may hold a secret closely."""
_PIECE: Final = 8 * 1024
_MOST_PIECES: Final = 12
"""Most of these in one text: one with more of them was made to consume CPU time, and goes as a whole."""

SCHEMES: Final = (
    "(?:bearer|basic|token|apikey|api-key|digest|negotiate|ssws|geniekey|splunk|oauth|dpop|hawk|key|deepl-auth-key|"
    "klaviyo-api-key|zoho-oauthtoken)"
)
_NOT_REFERENCE: Final = rf"(?!(?:{SCHEMES}\s{{1,3}})?secret://)"
# "Basic authentication" is prose: a credential contains a digit, a base64 character or a capital inside.
_CREDENTIAL: Final = r"(?:(?!\.(?i:bearer|basic))[A-Za-z0-9._~+/=-]){6,}"
_SCHEME: Final = re.compile(
    r"[Bb](?:(?<![A-Za-z].)|(?<=\\[nrt].)|(?<=%20.))(?i:earer|asic)(?:\s{1,4}|%20)(?!secret://|/)"
    r"(?=[A-Za-z._~/-]{0,400}(?:[0-9+]|[a-z][A-Z]|={1,2}(?![\w\"'])))"
    rf"(?P<v>{_CREDENTIAL})",
    re.ASCII,
)
_SECRET: Final = (
    rf"(?:{first_letters(ANYWHERE, before='[a-z]')}[\w.-]{{0,30}}+|{first_letters(AT_THE_END, before='[a-z]')})"
)
_AFTER_NAME: Final = (
    r"(?:"
    r"(?:\s{0,2}:\s{0,2}[a-z][\w.<>?]{0,40}(?=\s{0,2}=))?(?:\\{0,7}[\"'])?\s{0,4}(?:=>|[?:+]?=|[:\uff1a])\s{0,4}"
    rf"(?P<escape>\\{{0,7}})(?P<quote>[\"'`]){_NOT_REFERENCE}"
    r"(?P<v1>(?:[^\\\"'\r\n]++|(?P=escape)\\++[\"']?|\\++(?![\"'\\])|(?!(?P=quote))[\"'])++)"
    rf"|(?:\s{{0,4}}[?:+]?=\s{{0,4}}|%3d)(?!=){_NOT_REFERENCE}(?P<v2>(?:[^\s\"'&,;<>\\%]|%(?!26))++)"
    # After a colon and no quote, plain words are prose: "password: must be given".
    rf"|(?:\\{{0,7}}[\"'])?[:\uff1a]\s{{0,4}}{_NOT_REFERENCE}(?:{SCHEMES}\s{{1,3}})?"
    r"(?=[^\s\"'&,;<>\\0-9=+/$!%^*]{0,40}+[0-9=+/$!%^*])(?P<v3>[^\s\"'&,;<>\\]{3,}+)"
    r"|(?:\s[^<>\r\n]{0,200}+)?>(?P<v4>[^<>\r\n]{1,1000}+)(?=</)"
    r"|[\"']?\]\s{0,4}=>\s{0,4}(?!string\()(?P<v5>[^\s\"'\\][^\r\n\"'\\]{0,400})"
    r")"
)
_ASSIGNED: Final = re.compile(rf"(?P<name>{_SECRET}){_AFTER_NAME}")
_HINTED: Final = re.compile(
    r"(?:p(?<![a-z]p)(?:ass|in)|a(?<![a-z_.-]a)ccess|r(?<![a-z_.-]r)efresh)\\{0,7}[\"']?\s{0,4}(?:=>|[:=])\s{0,4}\\{0,7}(?P<quote>[\"']?)(?P<v>[^\s\"'\\,;&<>{}]{3,200})"
)
_SEED: Final = re.compile(
    r"(?:mnemonic|(?:seed|recovery|backup)[_ -]?(?:phrase|words?))[^a-z]{1,8}(?:is\s)?"
    r"(?P<v>[a-z]{3,8}(?:[ ,]{1,2}[a-z]{3,8}){11,23})"
)
_FLAG: Final = re.compile(
    rf"-(?<![\w-]-)-?(?:[a-z0-9]{{1,20}}[_-]){{0,4}}?(?P<name>{_SECRET}|pass|pin)(?:\s{{1,4}}|=)(?!-|secret://)(?P<v>\"[^\"\r\n]+\"|'[^'\r\n]+'|[^\s\"']+)"
)
_SLASHED: Final = re.compile(r"\s/(?:p|pass|password|pw|pwd|token):(?P<v>[^\s\"']{3,})")
_LOGIN: Final = re.compile(
    r"-(?<= -)(?:u|-user|-proxy-user|-creds|-src-creds|-dest-creds|U)[ =]?[\"']?"
    r"(?P<v>(?![0-9]+:[0-9]+\b)[^\s:\"'/=-][^\s:\"'/=]{0,63}:[^\s\"']{1,256})"
)
_COOKIE: Final = re.compile(
    r"cookie2?\\{0,7}[\"']?\s{0,4}:\s{0,4}\\{0,7}[\"']?(?P<v>[^\r\n\"'\\=]{1,64}+=[^\r\n\"'\\]*)"
)
_CALLED_A_KEY: Final = re.compile(
    r"(?:(?<=[a-z0-9][_-])(?:key|pat|tok|token|secret|sk|apikey))[_-](?=[A-Za-z]{0,40}[0-9])(?P<v>[A-Za-z0-9]{24,256})"
)
"""A token of an issuer that no shape names: its mark says what it is."""
_DOUBTFUL: Final = re.compile(
    r"(?:k(?<![a-z]k)ey|s(?:(?<![a-z]s)ig(?:nature)?|(?<![a-z]s)as)|h(?<![a-z]h)mac)"
    r"\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}\\{0,7}[\"']?(?P<v>[a-z0-9+/_.~=-]{16,512}+)"
)
_ARN: Final = re.compile(r"[0-9]:\Z")
Span = tuple[int, int]


class _TooManySecrets(Exception):
    """More secrets than any honest text holds: the text was made to consume CPU time (denial of service)."""


def redact_line(text: str, *, entropy: bool = True, sent: bool = False, depth: int = _DEPTH) -> str:
    """Return the text without the secrets in it.

    Without `entropy` random tokens stay, as under the name of an id. `sent`: the text is part of a request, and what
    is only in doubt stays. `depth` is how many encodings are looked behind.
    """
    if len(text) > _LONG:
        return _redact_long(text, entropy=entropy, sent=sent, depth=depth)
    if not is_suspect(text, entropy=entropy and not sent):
        return text
    return _redact_until_still(text, entropy=entropy and not sent, sent=sent, depth=depth)


def _redact_until_still(text: str, *, entropy: bool, sent: bool, depth: int) -> str:
    if is_hidden(text):
        read = fold(text)
        if read != text:
            clean = redact_line(read, entropy=entropy, sent=sent, depth=depth)
            if clean != read:
                return clean
    try:
        # Redacting can leave two secrets side by side that were one word: repeat until nothing changes.
        for _ in range(_PASSES):
            before = text
            text = _redact_once(text, entropy=entropy, sent=sent, depth=depth)
            if text == before:
                return text
    except (_TooManySecrets, commands.TooManyCommands):
        pass
    return REDACTED


def _redact_long(text: str, *, entropy: bool, sent: bool, depth: int) -> str:
    """Redact the pieces that may hold a secret, each with its neighbours; a text with too many goes as a whole."""
    ends = range(0, len(text), _PIECE)
    suspect = [is_suspect(text[at : at + _PIECE + 256], entropy=entropy and not sent) for at in ends]
    if sum(suspect) > _MOST_PIECES:
        return REDACTED
    closely = [any(suspect[max(0, n - 1) : n + 2]) for n in range(len(suspect))]
    parts: list[str] = []
    number = 0
    while number < len(closely):
        last = number
        while last + 1 < len(closely) and closely[last + 1] == closely[number]:
            last += 1
        piece = text[number * _PIECE : (last + 1) * _PIECE]
        if closely[number]:
            piece = _redact_until_still(piece, entropy=entropy and not sent, sent=sent, depth=min(depth, 1))
        parts.append(piece)
        number = last + 1
    return "".join(parts)


def _redact_once(text: str, *, entropy: bool, sent: bool, depth: int) -> str:
    """Run one pass of all patterns; a pattern is tried only where its trigger is present."""
    if depth:
        text = _redact_encoded(text, _behind(sent=sent, depth=depth - 1))
    if HAS_SHAPE.finds(text):
        for pattern in (shapes.ISSUED, *shapes.ANYWHERE):
            text = _replace_matches(text, pattern.finditer(text))
        text = replace_spans(text, shapes.headless_keys(text))
    text = _redact_urls(text, sent=sent)
    if HAS_NAME.finds(text):
        text = _redact_named(text, sent=sent)
    if " -" in text:
        text = _replace_matches(text, _LOGIN.finditer(text))
    if not sent and HAS_COMMAND.finds(text):
        text = replace_spans(text, commands.passwords_of_commands(_lower_same_length(text)))
    if not sent:
        text = _replace_matches(text, _CALLED_A_KEY.finditer(text))
    if entropy and has_long_runs(text.encode(errors="replace")):
        text = _replace_matches(text, random_tokens(text))
    return text


def _redact_encoded(text: str, inner: Callable[[str], str]) -> str:
    """Redact what stands behind an encoding."""
    text = encoded.redact_entities(text, inner)
    text = encoded.redact_percent(text, inner) if "%" in text else text
    return replace_spans(text, encoded.secrets_in_base64(text, inner))


def _redact_urls(text: str, *, sent: bool) -> str:
    """Redact by place in a URL."""
    if "://" in text:
        for pattern in urls.USERINFO:
            text = _replace_matches(text, pattern.finditer(text))
        text = replace_spans(text, urls.bare_users(text))
    if "@" in text:
        text = replace_spans(text, urls.logins_without_scheme(text))
    return replace_spans(text, urls.secrets_in_paths(text, sure=sent)) if "/" in text else text


def _behind(*, sent: bool, depth: int) -> Callable[[str], str]:
    """Return how what an encoding hides is redacted: by randomness only as it stands, since the prefilter sees that."""

    def redact(said: str) -> str:
        return redact_line(said, entropy=False, sent=sent, depth=depth)

    return redact


def _redact_named(text: str, *, sent: bool) -> str:
    """Redact what stands behind the name of a secret."""
    text = _replace_matches(text, _SCHEME.finditer(text))
    text = replace_spans(text, urls.queried(text, _lower_same_length(text)))
    for pattern in (_COOKIE, _SEED):
        text = _replace_matches(text, pattern.finditer(_lower_same_length(text)))
    text = replace_spans(text, prose.paired_secrets(_lower_same_length(text), sure=sent))
    for pattern in (_ASSIGNED, _FLAG):
        text = replace_spans(text, _assigned(pattern, text, sent=sent))
    text = _replace_matches(text, _SLASHED.finditer(_lower_same_length(text)))
    text = replace_spans(text, _find_hinted(text, sent=sent))
    text = replace_spans(text, prose.told_secrets(text, _lower_same_length(text), sure=sent))
    return replace_spans(text, _find_doubtful(text))


_DIGITS_OF_SECRETS: Final = 4
"""`cookies=3` is a count."""


def _assigned(pattern: re.Pattern[str], text: str, *, sent: bool) -> Iterator[Span]:
    low = _lower_same_length(text)
    for found in pattern.finditer(low):
        name = text[found.start("name") : found.end("name")]
        start, end = found.span(found.lastindex or 0)
        if kind_of(name.lower()) < Kind.SECRET:  # about a secret: `password_hash_algorithm`
            continue
        if _ARN.search(low, max(0, found.start() - 2), found.start()):
            continue
        value = text[start:end]
        if value.lower() == name.lower():  # a label, `<label for="password">Password</label>`
            continue
        if sent and (
            is_no_credential(value) or (name[-1:] in "sS" and value.isdigit() and len(value) < _DIGITS_OF_SECRETS)
        ):
            continue
        yield start, end


_NO_CREDENTIAL: Final = re.compile(
    r"(?:ssh|ecdsa|sk)-[\w@.-]{2,40} AAAA[\w+/=]+(?: [\w@.-]{1,100})?|"
    r"-----BEGIN (?:PUBLIC KEY|CERTIFICATE)-----(?:(?!PRIVATE)[\s\S])*|"
    r"\$\{[^{}]*\}|\$[A-Za-z_]\w*\)?|\{\{[^{}]*\}\}|<[\w -]+>|%[A-Za-z_]+%|true|false|null|none|nil|undefined|required|"
    r"optional|string|number|"
    r"boolean|n/a|yes|no|\*+|•+|x{3,}|basic|bearer|oauth2?|iam|anonymous|enabled|disabled",
    re.IGNORECASE,
)


def is_no_credential(value: str) -> bool:
    """Return whether a value under a secret's name is none: a template, a public key, a type."""
    return _NO_CREDENTIAL.fullmatch(value.strip()) is not None


def _find_hinted(text: str, *, sent: bool) -> Iterator[Span]:
    low = _lower_same_length(text)
    for found in _HINTED.finditer(low):
        value = text[found.start("v") : found.end("v")]
        if is_hinted_secret(low[found.start() : found.start() + 4], value, sent=sent):
            yield found.span("v")


def is_hinted_secret(name: str, value: str, *, sent: bool) -> bool:
    """Return whether a value under `pass`, `pin`, `access` or `refresh` is a secret and no count, state or word."""
    if "pin" in name.lower() and value.isdigit():
        return 4 <= len(value) <= 12  # noqa: PLR2004 - the lengths of PINs
    if name.lower().startswith(("acce", "refr", "seed")):
        return prose.is_strong(value) and (looks_like_a_credential(value) if sent else len(value) > 7)  # noqa: PLR2004
    if len(value) < _SHORTEST_PASS or value.lower() in STATES or value.isdigit() or value.replace(".", "").isdigit():
        return False
    return prose.is_strong(value) if sent else value.lower() not in _PASS_STATES


_SHORTEST_PASS: Final = 3
_PASS_STATES: Final = frozenset(
    (
        "pass",
        "passed",
        "fail",
        "ticket",
        "season",
        "gold",
        "silver",
        "second",
        "first",
        "through",
        "boarding",
        "day",
        "monthly",
        "annual",
    )
)


_NAME_BEFORE: Final = re.compile(r"[A-Za-z0-9_.-]+(?=[^A-Za-z0-9_.-]{1,12}\Z)")
_LONGEST_NAME: Final = 48


def _find_doubtful(text: str) -> Iterator[Span]:
    for found in _DOUBTFUL.finditer(_lower_same_length(text)):
        name = _NAME_BEFORE.search(text, max(0, found.start() - _LONGEST_NAME), found.start("v"))
        if name is not None and kind_of(name[0]) < Kind.HINT:  # `idempotency_key`, `sort_key`
            continue
        if looks_like_a_credential(text[found.start("v") : found.end("v")]):
            yield found.span("v")


def _lower_same_length(text: str) -> str:
    """Return the text in lower case at the same length, so that match positions hold in the original."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _replace_matches(text: str, found: Iterator[re.Match[str]]) -> str:
    """Replace each match with the marker: its last group, or the whole match where the pattern has no groups."""
    return replace_spans(text, (one.span(one.lastindex or 0) for one in found))


def replace_spans(text: str, spans: Iterable[Span]) -> str:
    """Replace spans with the marker; what overlaps an earlier one, or holds the marker already, is left."""
    found = sorted(islice(spans, _MAX_SECRETS + 1))
    if len(found) > _MAX_SECRETS:
        raise _TooManySecrets
    parts: list[str] = []
    at = 0
    for start, end in found:
        if start < at or text[start:end] == REDACTED:
            continue
        parts += (text[at:start], REDACTED)
        at = end
    return "".join((*parts, text[at:])) if parts else text
