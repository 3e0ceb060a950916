"""Texts around a document that say that it is none: what not to send, an example, what was before. Pure.

Only the sentence that leads to it, and the one that follows it, are asked: what else a text says is about other things.
"""

import re
from typing import Final

_FENCE_MARK: Final = re.compile(r"^\s*(?:`{3,}|~{3,})\w*\s*$", re.MULTILINE)
_SENTENCES: Final = re.compile(r"\n|(?<=[.!?\u3002\uff01\uff1f])\s+|(?<=[\u3002\uff01\uff1f])")
_CLAUSES: Final = re.compile(
    r";\s+|[,\u2014]\s+(?=(?:(?:so|and|but|und|et|y|e)\s+)?(?:here|this\s+is|hier|voici|aqu[i\u00ed]|ecco)\b)",
    re.IGNORECASE,
)
"""Where a sentence turns to the document itself: `the former one was wrong, here is the new one`."""
_MAX_READ: Final = 400
_RIGHT: Final = re.compile(
    r"\b(?:corrected|correct|fixed|repaired|final|updated|cleaned|valid|new|korrigiert\w*|richtig\w*|corrig\w+|final\w*)\b",
    re.IGNORECASE,
)
_BEFORE: Final = re.compile(
    r"\b(?:do(?:es)?|should|must|shall)(?:\s+not|n['\u2019]?t)\s+(?:be\s+)?"
    r"(?:send|sent|use|return\w*|submit\w*|output|accept\w*|write|produce)"
    r"|\b(?:what|how)\s+not\s+to\b|\bnot\s+to\s+(?:send|use|return|do)\b|\binstead\s+of\b|\bother\s+than\b|\bnever\s+send\b"
    r"|\b(?:for|an?|another|the|bad|wrong|following|typical|this)\s+(?:\w+\s+)?(?:example|sample|template|placeholder)\b"
    r"|\be\.\s?g\.|^\W*(?:example|sample|template)\b|\btypical\s+(?:answer|response|output|result)"
    r"|\b(?:of|have|has|takes?)\s+the\s+(?:form|format|shape|structure)\b"
    r"|\b(?:former|previous|prior|old|earlier|original|last|outdated|rejected|invalid|wrong|incorrect|broken)\s+"
    r"(?:\w+\s+){0,2}(?:was|is|were|value|version|document|answer|attempt|input|payload|one|record|response|output)\b"
    r"|\b(?:first|earlier)\s+(?:attempt|try|draft)\b|\bearlier\s+i\b|\bi\s+(?:first|initially)\b"
    r"|\b(?:expected|wanted)\s+(?:something|a|an|to)\b|\bwould\s+(?:have\s+been|be|look)\b|\bsomething\s+like\b"
    r"|\b(?:failed|error|invalid)\s+(?:for|in|with|on|parsing|validating)\b|\bthis\s+is\s+(?:invalid|wrong|incorrect|not)\b"
    r"|\b(?:todo|fixme)\b|~~\s*$"
    r"|\b(?:bitte|so)\s+nicht\b|\bnicht\s+(?:so|senden|schicken|verwenden)\b|\b(?:keinesfalls|statt|anstatt|anstelle)\b|\b(?:zum\s+)?beispiel\b|\bz\.\s?b\."
    r"|\b(?:falsch|ung\u00fcltig|vorher|fr\u00fcher|bisher)\w*\b"
    r"|\bpar\s+exemple\b|\bau\s+lieu\s+de\b|\bne\s+(?:pas|jamais)\b|\bpor\s+ejemplo\b|\ben\s+(?:lugar|vez)\s+de\b"
    r"|\bno\s+(?:enviar|env\u00ede|usar)\b|\bad\s+esempio\b|\binvece\s+di\b|\bpor\s+exemplo\b|\bbijvoorbeeld\b"
    r"|\u043d\u0430\u043f\u0440\u0438\u043c\u0435\u0440|\u0432\u043c\u0435\u0441\u0442\u043e|\u4f8b\u3048\u3070|\u4f8b\u5982|\u6bd4\u5982",
    re.IGNORECASE,
)
_AFTER: Final = re.compile(
    r"^\W*(?:(?:but|which|that|this|it|and)\s+){0,3}(?:that\s+)?(?:was|is|were|are|would\s+be)\s+"
    r"(?:\w+\s+)?(?:wrong|incorrect|invalid|not|rejected|outdated|an?\s+example)\b"
    r"|^\s*~~|^\W*(?:is|was)\s+(?:wrong|invalid)|^\W*(?:ist|war)\s+(?:falsch|nicht|ung\u00fcltig)",
    re.IGNORECASE,
)


def is_disowned(before: str, after: str) -> bool:
    """Return whether the texts directly before and after a document say that it is none."""
    leading, following = _last(before), _first(after)
    if _AFTER.search(following) is not None:
        return True
    return _BEFORE.search(leading) is not None and _RIGHT.search(leading) is None


def _last(text: str) -> str:
    pieces = [one for one in _SENTENCES.split(_FENCE_MARK.sub("", text[-_MAX_READ:])) if one.strip()]
    return _CLAUSES.split(pieces[-1])[-1] if pieces else ""


def _first(text: str) -> str:
    pieces = [one for one in _SENTENCES.split(_FENCE_MARK.sub("", text[:_MAX_READ])) if one.strip()]
    return pieces[0] if pieces else ""
