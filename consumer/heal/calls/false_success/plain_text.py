"""Texts that are nothing but a failure: words, sentences, crashes of programs, replies of protocols. Pure."""

import re
from typing import Final

from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.members import (
    FAILED,
    OUTCOMES,
    TELLING_MESSAGES,
    is_negative_code,
    is_right_message,
    plain_name,
    plain_word,
)
from consumer.heal.calls.false_success.page_titles import is_error_in_words
from consumer.heal.calls.false_success.sentences import ERROR_SENTENCE, tells_what_failed

_ERROR_BEGINS: Final = re.compile(
    r"\s*(?:traceback \(most recent call last\)|error code: \d|\[?(?:fatal |internal |rpc |api |http )?err(?:or)?"
    r"(?:\s*[:\-]|\]|\s+(?=invalid|unknown|wrong))\s*\S)",
    re.IGNORECASE,
)
_STACK: Final = re.compile(r"\s*[\w.$]{1,200}(?:Exception|Error)\b[^\n]{0,500}\r?\n\s+at ")
_PHP: Final = re.compile(
    r"\s*(?:PHP )?(?:Warning|Notice|Deprecated|Fatal error|Parse error|Uncaught \w+): {1,2}[^\n]{0,500} in /?\w"
)
_CRASH: Final = re.compile(
    r"\s*(?:MSH\|[^\0]{1,1000}[\r\n]MSA\|(?:AE|AR|CE|CR)\|"
    r"|//#DWR-REPLY[^\0]{0,300}[hH]andleException\("
    r"|ORA-\d{5}: |panic: |ERROR \d{3,5}(?: \(\w{5}\))?: |-ERR\b|SQLSTATE\[|fatal: |[Ss]egmentation fault"
    r"|Allowed memory size of \d|[Oo]ut of memory\b|(?:Bus error|Killed|Aborted)\b[^\n]{0,40}core dumped"
    r"|(?:unhandled|uncaught) (?:exception|error)\b|DPY-\d{4}|SQL\d{4}N |[\w.$]{1,200}(?:Exception|Error): \S)"
    r"|[Qq]uery \w{1,60} failed: |[^\n]{1,300}\((?:[A-Z]\w*::)?[A-Z]\w*(?:Error|Exception)\)\s*(?:\n|$)"
)
"""How databases, brokers and run-times begin the text of a failure."""
_LATE: Final = re.compile(
    r"^(?:Code: \d{1,5}\. DB::Exception|ERROR: {2}|Traceback \(most recent call last\):)", re.MULTILINE
)
"""What ends a text whose first rows were sent already."""
_REPLY: Final = re.compile(
    r"[45]\d\d:?(?:[ -][45]\.\d{1,3}\.\d{1,3} \S|[ -]+(?:login|user|mailbox|permission|not|unknown|bad|invalid|service"
    r"|internal|access|authentication|command|syntax|unauthori[sz]ed|forbidden|temporarily|gateway|requested)\b)",
    re.IGNORECASE,
)
"""A reply of SMTP's and FTP's kind, or a status with its phrase."""
_FAILED_BEGINS: Final = re.compile(
    r"\s*(?:failed|failure|denied|rejected|refused|aborted|fehler|erreur|erro|errore|rejei[cç][aã]o|rechazo|rifiuto|rejet|błąd|ошибка|エラー|错误|오류)\s*[:\uff1a]"
    r"\s*[^\W\d]",
    re.IGNORECASE,
)
_ONE_ROW: Final = re.compile(r"\"?error\"?[,;\t] ?\"?[^,;\t\n]*\s[^\n]*\n?", re.IGNORECASE)
"""A table of one row, which is no header: its second cell is a sentence."""
_ONE_WORD: Final = re.compile(r"[\w.:-]+")
_NOTHING: Final = re.compile(r"no_(?!errors?\b)[a-z]{3,30}(?:_[a-z]{2,30}){0,3}|not acceptable\W*", re.IGNORECASE)
_MARKED: Final = re.compile(r"(?:ko|nok|nack|not ok|err|ng)(?:\W|$)", re.IGNORECASE)
"""A mark before the fields of a line, as of gateways for text messages."""
_UNDONE: Final = re.compile(r"\b(?:was rejected|(?:delivery|request) failed)\b", re.IGNORECASE)
_ANSWERS: Final = re.compile(r"\s*(?:[\w.-]{1,40}(?:=|:[ \t]).{0,500}(?:\r?\n|$)){2,40}\s*", re.IGNORECASE)
"""Lines of names and values, as gateways for payments and telephony answer."""
_PAIR: Final = re.compile(r"^([\w.-]{1,40})(?:=|:[ \t]+)(.*?)\r?$", re.MULTILINE)
_FAILED_VALUES: Final = FAILED | frozenset(("invalid", "malformed", "notauthed"))
_PROTOCOL: Final = re.compile(
    r"<SEVERITY>\s*(?:ERROR|FATAL)\b|(?:^|~)\s*AK[59]\*[RE]\*|(?:^|')UCI\+[^']{0,300}\+4(?=[+'])"
    r"|^exit (?:status|code):? [1-9]",
    re.IGNORECASE | re.MULTILINE,
)
"""OFX, X12 and EDIFACT acknowledgements, and what a program ended with."""
_TAIL: Final = 2000
MAX_SENTENCE: Final = 300
_FAILED_TEXTS: Final = frozenset((
    "error", "fail", "failed", "failure", "ko", "nok", "ng", "fehler", "erreur", "badauth", "nohost", "notfqdn",
    "numhost", "badagent", "dnserr", "notdonator",
))  # fmt: skip
_REFUSING_WORDS: Final = frozenset(("no", "911", "abuse", "false", "-1", "denied"))
"""Words that answer a call with an effect with no."""


def sign_of_refusal(text: str, asked: Asked) -> Sign | None:
    """Return the sign of a failure in the one line or word with which a call with an effect was answered."""
    said = text.strip()
    if (
        len(said) > MAX_SENTENCE
        or "\n" in said
        or said.startswith("<")
        or is_right_message(said)
        or asked.ordered(said)
    ):
        return None
    is_refusal = (
        (_ONE_WORD.fullmatch(said) and is_negative_code(said))
        or _NOTHING.fullmatch(said)
        or _MARKED.match(said)
        or _UNDONE.search(said)
        or said.lower() in _REFUSING_WORDS
    )
    if is_refusal or tells_what_failed(said):
        return Sign(why="a text of what could not be done", sure=False)
    return None


def sign_in_text(text: str) -> Sign | None:
    """Return the sign of a failure in a short text that is nothing but an error's."""
    if plain_word(text.strip()) in TELLING_MESSAGES | _FAILED_TEXTS:
        return Sign(why="a text that is an error's")
    if _STACK.match(text) or _PHP.match(text) or _CRASH.match(text):
        return Sign(why="a text that is a program's crash")
    said = text.strip()
    is_short = len(said) <= MAX_SENTENCE and "\n" not in said
    if is_short and (ERROR_SENTENCE.match(said) or is_error_in_words(said)):
        return Sign(why="a text that begins like an error's", sure=False)
    if _ERROR_BEGINS.match(text):
        return Sign(why="a text that begins like an error's", sure=False)
    if is_short and (_REPLY.match(said) or _FAILED_BEGINS.match(said) or _ONE_ROW.fullmatch(said)):
        return Sign(why="a text that begins like an error's", sure=False)
    return None


def sign_in_tail(text: str) -> Sign | None:
    """Return the sign of a failure that came after the first rows of a text, or among its lines."""
    if _LATE.search(text[-_TAIL:]):
        return Sign(why="its end is a program's crash")
    if _PROTOCOL.search(text[:_TAIL]) or _PROTOCOL.search(text[-_TAIL:]):
        return Sign(why="an acknowledgement that says no")
    return _sign_in_pairs(text) if len(text) <= _TAIL and _ANSWERS.fullmatch(text) else None


def _sign_in_pairs(text: str) -> Sign | None:
    """Return a sign in an answer of one name and value a line."""
    for name, value in _PAIR.findall(text):
        if plain_name(name) in OUTCOMES and plain_word(value) in _FAILED_VALUES:
            return Sign(why=f"the text says `{plain_name(name)}: {plain_word(value)}`")
    return None


def begins_with_failure(text: str) -> bool:
    """Return whether a message begins with a word of failure and a colon."""
    return _FAILED_BEGINS.match(text) is not None
