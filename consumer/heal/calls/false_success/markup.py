"""HTML and XML bodies that say that the call failed: login and error pages, SOAP faults, error documents. Pure."""

import re
from typing import Final

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.media import is_html
from consumer.heal.calls.false_success.members import is_nothing, plain_name, plain_word, words_of
from consumer.heal.calls.false_success.page_titles import LOGIN_TITLE, is_error_title
from consumer.heal.calls.false_success.sentences import ERROR_SENTENCE
from consumer.heal.calls.false_success.xml_outline import DEEPEST, READ, Element, Outline, outline
from consumer.heal.calls.false_success.xml_protocols import GRAVE_CODES, sign_of_protocol

_MAX_TEXT: Final = 200
_RETURNED: Final = 3
"""Depth of the members of what a SOAP call returns."""
_TAG: Final = re.compile(r"<(?:input|meta)\b[^>]{0,500}", re.IGNORECASE)
_ASKS_FOR_LOGIN: Final = (
    re.compile(r"<input.*\btype\s*=\s*[\"']?password", re.IGNORECASE | re.DOTALL),
    re.compile(r"<input.*\bname\s*=\s*[\"']?(?:SAMLRequest|wresult)\b", re.IGNORECASE | re.DOTALL),
    re.compile(r"<meta(?=.*\brefresh\b).*\b(?:log-?in|sign-?in|auth|sso)\b", re.IGNORECASE | re.DOTALL),
)
_SENT_TO_LOGIN: Final = re.compile(
    r"\blocation(?:\.href)?\s*(?:=|\.replace\(|\.assign\()\s*[\"'][^\"'\s]{0,300}\b(?:log-?in|sign-?in|sso|oauth2?|saml)\b",
    re.IGNORECASE,
)
_SMALL_PAGE: Final = 4096
"""Characters: a page that does nothing but lead on is no larger."""
_SNIPPET: Final = re.compile(r"\s*<(?:title|h[1-6]|center|pre|p|div|span|br|b)\b", re.IGNORECASE)
_ANY_TAG: Final = re.compile(r"<[^<>]{0,500}>")
_CAPTIVE: Final = "WISPAccessGatewayParam"
_LOGIN_PATH: Final = re.compile(
    r"log-?_?in|log-?_?on|sign-?_?in|auth|sso|session|account|register|password", re.IGNORECASE
)
_TITLE: Final = re.compile(r"<title\b[^>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_HEADING: Final = re.compile(r"<h[12]\b[^>]{0,200}>\s*([^<]{0,300})", re.IGNORECASE)
_PARTS: Final = re.compile(r"\s*[|\u00b7\u2022:\u2014\u2013]\s*|\s+-\s+")
_CRASH: Final = re.compile(
    r"^\s*(?:<br ?/?>\s*)?<b>warning</b>\s*:|<b>(?:fatal error|parse error|uncaught exception)</b>\s*:", re.IGNORECASE
)
_ERROR_ROOTS: Final = words_of("""
    error errors errorresponse errormessage exception fault serviceexceptionreport serviceexception exceptionreport
    problem apierror responseerror
    """)
_ANSWER_ROOTS: Final = words_of("response rsp resp result reply res api xml status answer methodresponse root")
_CLASSES: Final = words_of("status responseclass result outcome")
_BELOW_ZERO: Final = re.compile(r"-\d")
_ANSWER_ENDS: Final = ("response", "result", "reply", "output", "acknowledgement", "acknowledgment", "receipt")
_ASKS_FOR_PROPERTIES: Final = frozenset(("PROPFIND", "REPORT", "SEARCH"))
_STATUS_LINE: Final = re.compile(r"\s*HTTP/\d(?:\.\d)?\s+([1-5]\d\d)")


def sign_in_page(text: str, asked: Asked) -> Sign | None:
    """Return the sign of a page that stands in the place of the one that was asked for."""
    if not is_html(text) and not _CRASH.search(text[:4096]):
        return _sign_in_snippet(text)
    head = text[:READ]
    if _CRASH.search(head):
        return Sign(why="a page with a program's crash")
    wants_login = _LOGIN_PATH.search(asked.url.partition("://")[2].partition("/")[2]) is not None
    if not wants_login and _asks_for_login(head):
        return Sign(why="a page that asks for a login", sure=False)
    return _sign_in_title(head, wants_login=wants_login, named=asked.named_by_url)


def _sign_in_title(head: str, *, wants_login: bool, named: frozenset[str]) -> Sign | None:
    if len(head) <= _SMALL_PAGE and _TITLE.search(head) is None:
        said = " ".join(_ANY_TAG.sub(" ", head).split()).strip("!. ")
        if len(said) <= _MAX_TEXT and (is_error_title(said) or ERROR_SENTENCE.match(said)):
            return Sign(why="a page that is nothing but an error's text", sure=False)
    titles = [found[1].strip() for pattern in (_TITLE, _HEADING) if (found := pattern.search(head))]
    if titles and titles[0].strip(" \t\r\n!.").lower() == "sorry":
        return Sign(why="a page that is sorry", sure=False)
    for part in (part.strip(" \t\r\n!.") for title in titles[:1] for part in _PARTS.split(title)):
        if is_error_title(part) and plain_name(part.partition(" ")[0]) not in named:  # the page about it
            return Sign(why="a page whose title is that of an error", sure=False)
        if not wants_login and LOGIN_TITLE.fullmatch(part):
            return Sign(why="a page whose title is that of a login", sure=False)
    return None


def _sign_in_snippet(text: str) -> Sign | None:
    """Return the sign of a piece of a page that is nothing but the heading of an error."""
    if len(text) > _SMALL_PAGE or not _SNIPPET.match(text):
        return None
    heading = _TITLE.search(text) or _HEADING.search(text)
    if heading is not None and is_error_title(heading[1].strip(" \t\r\n!.")):
        return Sign(why="a piece of a page with the heading of an error", sure=False)
    said = _ANY_TAG.sub(" ", text).strip(" \t\r\n!.")
    is_error = is_error_title(said) or ERROR_SENTENCE.match(said)
    return Sign(why="a piece of a page that is that of an error", sure=False) if is_error else None


def _asks_for_login(head: str) -> bool:
    # Tag by tag, so that the time is linear in the page.
    if len(head) <= _SMALL_PAGE and _SENT_TO_LOGIN.search(head):
        return True
    tags = (found[0] for found in _TAG.finditer(head))
    return _CAPTIVE in head or any(pattern.match(tag) for tag in tags for pattern in _ASKS_FOR_LOGIN)


def sign_in_xml(text: str, asked: Asked, *, claims_xml: bool) -> Sign | None:
    """Return the sign of a failure in an XML document."""
    read = outline(text)
    if not read.elements:
        return Sign(why="says that it is XML, and is not", sure=False) if claims_xml else None
    root = read.elements[0]
    sign = _sign_of_root(root, read, asked) or _sign_of_children(root, read, asked) or _sign_within(root, read, asked)
    if sign is None and claims_xml and read.is_broken:
        return Sign(why="says that it is XML, and was cut off", sure=False)
    return sign


def _sign_of_root(root: Element, read: Outline, asked: Asked) -> Sign | None:
    if root.name in _ERROR_ROOTS:
        return Sign(why=f"the document is of the kind `{root.name}`")
    faults = {(root.name, one.parent, one.depth) for one in read.elements if one.name == "fault"}
    if ("envelope", "body", 2) in faults:
        return Sign(why="a SOAP fault")
    if ("methodresponse", "methodresponse", 1) in faults:
        return Sign(why="an XML-RPC fault")
    speaks_for_itself = root.name in _ANSWER_ROOTS or not asked.reads
    for name, value in root.attributes.items():
        word = plain_word(value) or ""
        if name in {"stat", "ack"} or (name in {"status", "result", "code"} and speaks_for_itself):
            failing = word in words.FAILED or (name != "result" and words.failing_status(value) is not None)
            if failing:
                return Sign(why=f"the document says `{name}: {word}`")
        if name in words.RIGHT_WHERE_TRUE and word in {"false", "no", "0"}:
            return Sign(why=f"the document says `{name}: {word}`")
    code = next(
        (name for name in GRAVE_CODES & root.attributes.keys() if words.is_telling_number(root.attributes[name])), None
    )
    return None if code is None else Sign(why=f"the document says a `{code}` of failure", sure=not asked.reads)


def _sign_within(root: Element, read: Outline, asked: Asked) -> Sign | None:
    """Return the sign of a flag within the body of a SOAP answer, or of a status within an answer's element."""
    is_answer = root.name in _ANSWER_ROOTS or root.name.endswith(_ANSWER_ENDS)
    for one in read.elements:
        sign = sign_of_protocol(one, one.text.strip(), asked, is_answer=is_answer) or _sign_in_element(one, root, asked)
        if sign is not None:
            return sign
    return None


def _sign_in_element(one: Element, root: Element, asked: Asked) -> Sign | None:
    deepest = _RETURNED if asked.reads else DEEPEST  # deeper down it is a resource's own
    text = one.text.strip()
    word = plain_word(text)
    if not asked.reads and one.depth in {2, 3} and _is_entry_of_error(one, text):
        return Sign(why=f"the document has `{one.name}`")
    is_flag = root.name == "envelope" and one.depth <= deepest and one.name in words.RIGHT_WHERE_TRUE
    if is_flag and word in {"false", "no", "0"}:
        return Sign(why=f"the document says `{one.name}: {word}`")
    if (sign := _sign_in_returned(one, text, asked) if root.name == "envelope" else None) is not None:
        return sign
    is_outcome = not asked.reads and root.name.endswith(_ANSWER_ENDS) and one.name.endswith("status")
    if is_outcome and word in words.FAILED_RESOURCE:
        return Sign(why=f"the document says `{one.name}: {word}`")
    if one.name == "status" and one.parent in _ANSWER_ROOTS and words.failing_status(one.attributes.get("code")):
        return Sign(why="the answer within the document has a status of failure")
    return None


def _is_entry_of_error(one: Element, text: str) -> bool:
    if one.name.endswith(("errorentry", "errorlist")):
        return True
    return one.name in _ERROR_ROOTS and (one.has_content or (_has_error(one, text) and bool(one.attributes)))


def _sign_in_returned(one: Element, text: str, asked: Asked) -> Sign | None:
    """Return the sign of a member of what a SOAP call returns: an error, an outcome, an attribute that says no."""
    said_no = any(
        name in words.RIGHT_WHERE_TRUE and plain_word(value) in {"false", "no", "0"}
        for name, value in one.attributes.items()
    )
    states = {plain_word(value) for name, value in one.attributes.items() if name in _CLASSES}
    if said_no or (not asked.reads and not states.isdisjoint(words.FAILED)):
        return Sign(why=f"the document says that `{one.name}` is no success")
    is_member = one.depth == _RETURNED or (
        one.depth == DEEPEST and one.parent.endswith(("result", "results", "return", "status"))
    )
    if not is_member:
        return None
    is_empty_fault = one.name == "fault" and not one.has_content
    if one.name in words.ERRORS and _has_error(one, text) and not is_empty_fault and not words.is_right_message(text):
        return Sign(why=f"the document has `{one.name}`")
    if one.name in words.OUTCOMES and not asked.reads and plain_word(text) in words.FAILED_RESOURCE:
        return Sign(why=f"the document says `{one.name}: {plain_word(text)}`")
    return None


def _sign_of_children(root: Element, read: Outline, asked: Asked) -> Sign | None:
    is_answer = root.name in _ANSWER_ROOTS or root.name.endswith(_ANSWER_ENDS)
    for one in read.elements:
        if one.depth != 1:
            continue
        text = one.text.strip()
        if one.name in words.ERRORS and _has_error(one, text):
            return Sign(why=f"the document has `{one.name}`", sure=is_answer or not asked.reads)
        word = plain_word(text)
        is_status = root.name in _ANSWER_ROOTS and one.name in words.STATUSES and words.failing_status(text) is not None
        if is_status or (is_answer and one.name in words.CODES and _BELOW_ZERO.match(text)):
            return Sign(why=f"the document says `{one.name}: {text[:10]}`")
        if one.name in words.RIGHT_WHERE_TRUE and word in {"false", "no", "0", "fail", "failure"}:
            return Sign(why=f"the document says `{one.name}: {word}`")
        if one.name in words.WRONG_WHERE_TRUE and word in {"true", "yes"} and (is_answer or not asked.reads):
            return Sign(why=f"the document says `{one.name}: {word}`")
        is_outcome = one.name in words.OUTCOMES | {"returncode"} or (is_answer and one.name.endswith("status"))
        if is_outcome and word in words.FAILED and (is_answer or not asked.reads):
            return Sign(why=f"the document says `{one.name}: {word}`")
    return None


def _has_error(element: Element, text: str) -> bool:
    if element.has_content:
        return True
    if text:
        return not is_nothing(text)
    codes = [value for name, value in element.attributes.items() if name in words.CODES]
    return (bool(codes) and not all(map(is_nothing, codes))) or (
        element.name == "error" and "type" in element.attributes
    )


def failed_parts_of_xml(text: str, asked: Asked) -> tuple[int, int]:
    """Count the parts of a multi-status document that have a status line, and those whose status is a failure.

    Where properties are asked for, one that is not there has a status of its own, and is no failure.
    """
    told = failed = 0
    for one in outline(text).elements:
        line = _STATUS_LINE.match(one.text) if one.name == "status" else None
        if line is not None:
            told += 1
            is_property = one.parent == "propstat" and asked.method in _ASKS_FOR_PROPERTIES
            failed += not is_property and words.failing_status(line[1]) is not None
    return told, failed
