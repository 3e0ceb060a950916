"""Whether the answer to a repeated call says that one before it has worked: it exists, or it is gone. Pure.

A call whose answer was lost may have worked. Then its repetition is refused, because there is nothing left to do: 409
where it creates something under a key, 404 or 410 where it deletes. The same answer to a first call is a plain refusal.
"""

import re
from typing import Final

from consumer.heal.calls.body import Content
from consumer.heal.calls.earlier_tries import provably_not_run
from consumer.model import Failure
from consumer.model.call import Ambiguous, Answer, CallResult
from consumer.model.http_status import NOT_PROCESSED
from schemas.context import RequestContext, error_of
from schemas.json_text import to_json
from schemas.names import Effect

_GONE: Final = frozenset({404, 410})
_CONFLICT: Final = 409
_UNMET: Final = 412
_MAX_READ: Final = 4096
_DONE: Final = re.compile(
    r"already[ _-]?(?:been[ _-]?)?(?:exist\w*|creat\w+|process\w+|complet\w+|submitt\w+|record\w+|register\w+|execut\w+"
    r"|charged|captured|paid|sent|done|applied|accepted|received|placed|booked|refunded|made|handled|imported|indexed"
    r"|queued|published|present|owned|added|stored|saved|posted|taken)"
    r"|(?:resource|entity|object|record|entry|item|document|row|key|alias|name)[ _-]?(?:already[ _-]?)?exists"
    r"|exists[ _-]?already|\bduplicate\b|duplicate[ _-]?(?:entry|key|record|request|order|transaction)"
    r"|unique[ _-]?(?:constraint|violation)|\b23505\b|previously[ _-](?:processed|submitted|created)|processed already"
    r"|(?:order|payment|charge|invoice|booking|user|customer|transaction)(?:[ _-](?:with this id"
    r"|\S{1,40}))?[ _-]exists\b"
    r"|existiert bereits|bereits (?:vorhanden|verarbeitet|angelegt|ausgef[uü]hrt|gebucht|erfasst)"
    r"|existe d[eé]j[aà]|d[eé]j[aà] (?:trait|cr[eé]|exist|enregistr)|j[aá] existe"
    r"|ya (?:existe|(?:fue |ha sido )?procesad)"
    r"|esiste gi[aà]|bestaat al|ju[zż] istnieje|finns redan"
    r"|уже существует|已(?:经)?存在|重复提交|(?:すで|既)に存在|이미 존재",
    re.IGNORECASE,
)
_NOT_DONE: Final = re.compile(
    r"in[ _-]?(?:use|progress)|being[ _-]processed|still[ _-](?:running|processing)|concurren\w*|locked"
    r"|(?:different|other|another)[ _-](?:payload|parameters?|request|body|arguments?|user|account|tenant|customer)"
    r"|(?:payload|parameters?|body|request)[ _-](?:mismatch|differs?|does not match)"
    r"|(?:cannot|can(?:'|\u2019)?t|unable to)(?: be)? (?:cancel|delet|updat|modif|chang|refund|ship|captur|void|edit)"
    r"|not[ _-]?(?:allowed|possible|exist)|\bno\b.{0,40}\bexists|too late"
    r"|\bby (?:someone|somebody|another|other|a different|an(?:other)? )"
    r"|por outr|por otr|par un autre|von (?:jemand )?ander"
    r"|idempotency[ _-]?(?:error|mismatch|conflict)|stale|version[ _-]?(?:conflict|mismatch)|modified",
    re.IGNORECASE,
)
"""A key that is in use, or was used for something else, says nothing of this call's effect."""


_NO_ROUTE: Final = re.compile(
    r"no route|default backend"
    r"|(?:route|path|endpoint|method|operation|api|function|handler|url) (?:was |is )?not (?:found|exist)"
    r"|unknown (?:route|path|endpoint|method|host)|no such (?:route|endpoint|host|app)|cannot (?:get|delete) /"
    r"|no (?:healthy )?upstream|nosuchbucket|host not found",
    re.IGNORECASE,
)
"""A gateway that knows no way there, or a framework that has no such call: neither knows the resource."""


def done_before(answer: Answer, content: Content, request: RequestContext) -> str | None:
    """Return what says that there is nothing left to do, or None; it counts only where a call before may have run."""
    status = answer.status
    if request.method == "DELETE" and status in _GONE:
        # A proxy that does not know the route answers 404 too, mostly with a page.
        return None if is_of_a_gateway(content) else f"answered {status}: it is gone"
    creates_once = any(
        name.lower() == "if-none-match" and said.strip() == "*" for name, said in request.headers.items()
    )
    if status == _UNMET and creates_once:
        return f"answered {status}: it is there already"
    if status != _CONFLICT or not (request.effect_or_default is Effect.KEYED or creates_once):
        return None
    if content.looks_like_a_page:
        return None
    text = _text(content)
    says_so = _DONE.search(text) is not None and _NOT_DONE.search(text) is None
    return f"answered {status}: it exists already" if says_so else None


def is_of_a_gateway(content: Content) -> bool:
    """Return whether an answer about what is not there comes from another than the service that would know it."""
    return content.looks_like_a_page or _NO_ROUTE.search(_text(content)) is not None


def may_have_run(failure: Failure) -> bool:
    """Return whether the failed call, or one of an earlier attempt, may have had its effect."""
    if failure.effect_in_doubt or failure.ladder_progress.in_doubt is not None:
        return True
    status = error_of(failure.context).http_status
    was_refused = status is not None and 400 <= status < 500 and status != 408  # noqa: PLR2004 - HTTP's refusals
    return not was_refused and not provably_not_run(failure)


def leaves_in_doubt(result: CallResult) -> bool:
    """Return whether a try of ours may have had its effect, although its answer was no success."""
    if isinstance(result, Answer):
        return (result.status >= 500 or result.status == 408) and result.status not in NOT_PROCESSED  # noqa: PLR2004
    return isinstance(result, Ambiguous)


def _text(content: Content) -> str:
    if isinstance(content.value, str):
        return content.value[:_MAX_READ]
    return to_json(content.value)[:_MAX_READ].decode("utf-8", "replace") if content.kind == "json" else ""
