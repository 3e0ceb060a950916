"""How protocols written in XML tell a failure within an answer: SAML, CAS, SIRI, payments, EBICS. Pure."""

import re
from typing import Final

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.members import is_nothing, plain_word, words_of
from consumer.heal.calls.false_success.plain_text import begins_with_failure
from consumer.heal.calls.false_success.xml_outline import Element

GRAVE_CODES: Final = words_of("replycode errorcode returncode resultcode ncerror errcode retval")
"""Codes that no success has beside a few known ones."""
_STATUS_URN: Final = re.compile(r"urn:\S+:status:(?!success\b)\w+$", re.IGNORECASE)
_STATES: Final = frozenset(("status", "highestseverity", "funccode"))
_FAILED_STATES: Final = words.FAILED_RESOURCE | {"rjct"}


def sign_of_protocol(one: Element, text: str, asked: Asked, *, is_answer: bool) -> Sign | None:
    """Return a sign in one element; `is_answer` tells that the document is an answer by its own name."""
    if one.name == "statuscode" and _STATUS_URN.search(one.attributes.get("value", "")):
        return Sign(why="the document's status is none of success")
    if one.depth == 1 and one.name.endswith("failure") and (text or one.has_content):
        return Sign(why=f"the document has `{one.name}`")
    if one.depth > 1 and (is_answer or not asked.reads) and (found := _sign_of_error(one, text)) is not None:
        return found
    return None if asked.reads else _sign_of_state(one, text)


def _sign_of_error(one: Element, text: str) -> Sign | None:
    if one.name in words.ERRORS and text and not is_nothing(text) and not words.is_right_message(text):
        return Sign(why=f"the document has `{one.name}`", sure=False)
    if one.name in GRAVE_CODES and words.is_telling_number(text):
        return Sign(why=f"the document says `{one.name}: {text[:10]}`", sure=False)
    return None


def _sign_of_state(one: Element, text: str) -> Sign | None:
    is_state = one.name in _STATES or (one.name.endswith("sts") and one.depth > 1)
    if is_state and plain_word(text) in _FAILED_STATES:
        return Sign(why=f"the document says `{one.name}: {plain_word(text)}`")
    if one.has_content and one.name.endswith("errorcondition"):
        return Sign(why=f"the document has `{one.name}`")
    return Sign(why="the document has a message of a failure", sure=False) if begins_with_failure(text) else None
