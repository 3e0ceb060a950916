"""Vocabulary of error texts: the patterns that prove that a call never ran, and those that make it doubtful.

Every pattern is for text in the plain form of `try_texts.plain`: lower case, words apart, addresses and proofs replaced
by one character. The lists are applied in this order: harmless words are removed, a proof becomes `PROOF`, and what
then mentions an outcome (`DOUBT`) or a further try (`SEVERAL`) counts. A word that is missing in `HARMLESS` or
`PROOFS` makes a call be refused; one that is missing in `DOUBT` or `SEVERAL` could make it be repeated.
"""

import re
from typing import Final

PROOF: Final = "\x01"
"""Replaces words that are a proof: nothing of the call was sent, or the other side did not begin."""
ADDRESS: Final = "\x02"
"""Encloses the number of an address, so that several addresses of one connection are not counted as several tries."""

NUMBERS: Final = {"once": 1, "one": 1, "two": 2, "twice": 2, "three": 3, "thrice": 3, "four": 4, "five": 5, "six": 6,
                  "seven": 7, "eight": 8, "nine": 9, "ten": 10}  # fmt: skip
ORDINALS: Final = {
    "first": 1,
    "initial": 1,
    "1st": 1,
    "2nd": 2,
    "second": 2,
    "3rd": 3,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
}


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


NOISE: Final = re.compile(
    r"""\b[a-z][a-z0-9+.-]{1,12}://[^\s"'<>)\]]+                       # an address of the web
      | ^[ \t]*at\s+[^\n(]{1,300}\([^\n()]{0,300}\)(?:\s\{)?[ \t]*$               # frames: JVM, .NET, JavaScript
      | ^[ \t]*at\s+\S{1,300}:\d+:\d+\)?[ \t]*$
      | ^[ \t]*\.\.\.\s\d+\s(?:more|common)[^\n]*$
      | ^[ \t]*File\s"[^"\n]{0,400}",\sline\s\d+[^\n]*\n?(?:\s{4}[^\n]*)?  # Python, with its line of code
      | \b\d{4}-\d\d-\d\d[T\x20]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
PLACES: Final = re.compile(
    r"""\[[0-9a-f:.]*:[0-9a-f:.]*\](?::\d+)?
      | (?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?::\d+)?(?![\w:])
      | (?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?
      | (?<![\w.-])(?:localhost|[a-z0-9-]{1,63}+(?:\.[a-z0-9-]{1,63}+){1,10}+):\d{2,5}\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Network addresses, and hosts with a port."""

HARMLESS: Final = _any_of(
    r"(?<!on )(?<!in )(?<!the )(?<!a )(?<!each )(?<!every )\b(?:please |then )?retry(?:ing)? after\W{0,3}"
    r"(?=\d|the |a |an |some |that |this |then |now |[a-z]{3}, |$)",
    r"(?<!on )(?<!the )(?<!a )\b(?:please |then )?retry (?:later|shortly|soon|your|in \d)",
    r"\bplease (?:re ?)?try\b(?: again)?(?: later)?",
    r"\b(?:then )?try(?:ing)? again\b",
    r"\b(?:can|could|may|might|must|should|shall|you|safely|(?:safe|free|want|need|wish|able) to)(?: not| safely)?"
    r"(?: be| you)? retr(?:y|ied)\b(?! (?:failed|exhausted|gave))(?: again| then)?",
    r"\b(?:do|did|does|was|is|were|been)(?: not|n't)(?: be)? retr(?:y|ied|ying)\b|\bbefore retrying\b",
    r"\b(?:non |not )?retr[yi]able\b",
    r"\bshould retry\b",
    r"\b(?:no|0|zero|without|without any|without a) (?:retr(?:y|ies)|re ?attempts?)\b"
    r"(?: (?:was |were )?(?:attempted|made))?",
    r"\bnot retried\b|\bback off and (?:re ?)?try\b",
    r"\bretr(?:y|ies)(?: count)?\W{1,3}0\b|\bretries (?:are )?disabled\b",
    r"\bmax(?:imum)? (?:number of )?(?:retr(?:y|ies)|attempts|tries)\s*[:=(]+\s*\d++\)?+"
    r"(?! (?:were |was )?(?:reached|exceeded|exhausted|hit|failed|used))",
    r"\btoo many (?:failed |login )?attempts\b",
    r"\(attempted address(?:es)?: [^)]*\)",
    r"\b(?:tried|trying|attempted|attempting|attempt) to\b",
    r"\b(?:an?|the|this|single|only|connection|connect) attempt\b",
    r"\b(?:use|with|apply|implement) (?:an? )?(?:exponential )?back ?off\b",
    r"\bno connection established\. last error:",
    r"\bduring handling of the above exception, another exception occurred\b",
    r"\btimeout=\d+(?:\.\d+)?(?! exceeded)",
    r"\bbitte[^.\n;]{0,60}?(?:erneut|nochmals?|wieder)\b",
    r"\b(?:veuillez|intente|intentelo|por favor|tente)[^.\n;]{0,50}",
    r"请[^。;\n]{0,20}?(?:重试|再试|尝试)",
)
"""Words that are no evidence: advice for the future, settings, and the wording of a single connection's error."""
PROOFS: Final = _any_of(
    r"\b(?:connect )?econnrefused\b",
    r"\bconnect (?:etimedout|ehostunreach|enetunreach|eaddrnotavail)\b",
    r"\b(?:getaddrinfo )?(?:enotfound|eai (?:again|noname|nodata|fail))\b",
    r"\bgetaddrinfo\b|\bgaierror\b",
    r"\bconnection (?:was )?(?:actively )?refused(?: error)?\b|\bactively refused it\b",
    r"\bconnect (?:call )?failed\b|\ball connection attempts failed\b|\bfailed to connect\b",
    r"\bname or service not known\b|\bno such host\b|\bnodename nor servname provided(?:, or not known)?",
    r"\btemporary failure in name resolution\b|\bname resolution (?:error|failed|failure)\b|\bunknown host\b",
    r"\b(?:could not|couldn't|cannot|can't|failed to|unable to) resolve(?: host)?\b",
    r"\bconnection to \S+ timed out\. \(connect timeout=[^)]*\)",
    r"\b(?:http )?connect(?:ion)? timeout (?:error|exception)(?:: (?:the connection )?timed out\b)?",
    r"\bconnection timeout to host\b|\bsocket timeout exception: connect timed out\b",
    r"\b(?:http )?connect (?:timeout|timed out)(?:: (?:the connection )?timed out\b)?",
    r"\bconnect (?:error|exception)\b|\bnew connection error\b|\bclient connector (?:dns )?error\b|\bpool timeout\b",
    r"\bund err connect timeout\b",
    r"\bdial (?:tcp|udp)[46]?\b[^;\n\x01]{0,60}?: i/o timeout\b",
    r"\b(?:http(?:/[\d.]+)? )?(?:status(?: code)?\W{1,2})?(?<![\d.])(?:429|425)\b(?![.:]\d)"
    r"(?! ?(?:ms|s|sec|seconds|bytes|kb|tokens|requests|items|rows)\b)"
    r"(?:\W{1,2}(?:too many requests|too early)\b)?",
    r"\btoo many requests\b(?: error| exception)?",
    r"\brate ?limit(?:ed|(?: exceeded)? error| exceeded| reached| hit)\b",
)
"""Proofs that a call did not run: no connection was made, the name was not resolved, or the status was 429 or 425."""

_STATUS: Final = (
    r"(?<![\d.])(?:10[0-3]|20[0-8]|226|30[0-8]|40\d|41[0-8]|42[1-46-8]|431|451|499|50\d|51[01]|52\d|530|59[89])"
    r"(?![\d:]|\.\d| ?(?:/ ?(?:min|s|sec|second|minute|h|hour|day)\b"
    r"|(?:requests?|req|calls?|tokens?|items?|rows|bytes|kb|ms|s|secs?|seconds|per)\b))"
)
DOUBT: Final = _any_of(
    r"\b(?:read|write|socket|response|headers?|body|idle|inactivity|receive|server|gateway) tim(?:e ?out|ed ?out)",
    r"\besockettimedout\b|\betimedout\b|\beconnreset\b|\beconnaborted\b|\bepipe\b|\benet(?:reset|unreach)\b",
    r"\behostunreach\b|\beshutdown\b|\berr (?:network|socket|stream|http2)\b|\bund err\b",
    r"\breset (?:by|before|while|during|from|error)\b",
    r"\b(?:conn|connection|socket|stream|peer|read|write|tcp|channel|upstream|remote|backend|server|host|client)"
    r"\W{1,2}(?:\w+ ){0,3}reset\b",
    r"\bh[ua]ng ?up\b|\bsocket (?:closed|error|ended)\b|\bclosed\b|\bdisconnect(?:ed|ion)?\b|\bgo ?away\b",
    r"\b(?:connection|conn|stream|transport|session)\W{1,2}(?:\w+ ){0,3}(?:lost|dropped|broken|ended)\b",
    r"\babort\w*|\beof\b|\bend of (?:file|stream|input)\b|\bbroken pipe\b|\bprematur\w*|\bterminated\b",
    r"\binterrupted\b|\bcancell?(?:ed|ation)\b|\bincomplete\b|\btruncated\b|\bpartial(?:ly)?\b",
    r"\bchunked\b|\bprotocol error\b|\bbad status line\b",
    r"\bnever (?:arrived|came|answered|received|returned|responded)\b|\b(?:request|body|payload|call) (?:was )?sent\b",
    r"\bwaiting for (?!an? (?:free |available )?connection|connection)",
    r"\bno (?:http )?(?:response|reply|answer)\b|\bempty (?:response|reply)\b|\bnot answer(?:ed)?\b",
    r"\b(?:response|answer|reply)\W{1,2}(?:\w+ ){0,2}(?:lost|missing|cut|unread|malformed|invalid)\b",
    r"\b(?:read|write|recv|receive|send) (?:error|failed)\b|\bread (?:tcp|udp)\b|\bwrite (?:tcp|udp)\b",
    r"\bclient (?:os|payload|response|connection) error\b|\bsocket exception\b(?! ?(?:\(\d+\))?: \x01)",
    r"\bstall\w*|\bcrash\w*|\bkilled\b|\bpanic\b|\bsig(?:term|kill)\b|\boom\b",
    r"\bbad gateway\b|\bgateway time\b|\bserver error\b|\binternal error\b|\bservice (?:\w+ )?unavailable\b",
    r"\bmay have\b|\bmight have\b|\bunknown (?:outcome|result|state)\b|\bsucceeded\b|\bcommitted\b|\bduplicate\b",
    r"\balready (?:exists|processed|created|done|charged|sent|paid|submitted|completed)\b",
    r"\b(?:http(?:/[\d.]+)?|status(?:es)?(?: code)?|codes?|answered|returned|responded(?: with)?|responses?|got"
    rf"|received)\W{{1,3}}{_STATUS}",
    rf"{_STATUS} (?:ok|created|accepted|bad|internal|service|gateway|not|forbidden|unauthorized|conflict|error)\b",
    rf"\b(?:ended|failed|replied|finished|came back)(?: with| as)?(?: an?)?(?: http)?(?: status)?(?: code)?"
    rf"\W{{1,3}}{_STATUS}",
    rf"{_STATUS}\W{{1,4}}(?:[1-5]\d\d\b|\x01)|\x01\W{{0,4}}{_STATUS}",
    "zeituberschreitung|zeitlimit|zuruckgesetzt|abgebrochen|unterbrochen|tiempo de espera|delai|tempo limite|esgotado",
    "reinitialis|interromp|restableci|reinicid|przekroczon|zaman as.m|таим.?аут|истекло|прерван|сброшен",
    "超时|逾時|重置|中断|断开|タイムアウト|リセット|切断|시간 초과|끊|مهلة",
)
"""Outcomes after which a call may have run, or has."""
TIMED_OUT: Final = re.compile(r"\btim(?:e|ed|ing) ?outs?\b|\bdeadline\b|\btime limit\b")
"""A timeout of an unspecified phase: connect or read."""
MEASURED: Final = re.compile(r"\bexceeded\b|\bexpired\b|\belapsed\b|\d ?(?:ms|msec|s|secs?|seconds?|m|min|minutes?)\b")
"""Words that make a timeout more than a label: a duration, or that it was exceeded."""

_MANY: Final = rf"(?:\d{{1,4}}|{'|'.join(NUMBERS)})"
COUNTED: Final = re.compile(
    r"\b(?:attempts?|tries|try) \d{1,3}(?:(?: ?, ?| ?- ?| ?\u2013 ?| to | and | through )+(?P<upto>\d{1,3}))+\b"
    rf"|\b(?P<many>{_MANY}) (?:\w+ ){{0,2}}?(?P<what>attempts?|tries|trials|times|retr(?:y|ies)|re ?attempts?)\b"
    rf"|\b(?P<done>re ?tried|tried|failed|called|sent|repeated) (?P<often>{_MANY})\b"
    rf"|(?P<label>\b(?:attempts?|try|tries|retr(?:y|ies)|re ?attempts?)(?: count| number| no\.?| attempts?)?)"
    rf"\W{{0,3}}(?P<nth>{_MANY})\b"
    r"|\b(?P<ordinal>1st|2nd|3rd|\d{1,3}th|second|third|fourth|fifth)"
    r" (?:and \w+ )?(?:attempt|try|time|call|request|retry|error|response)\b"
    r"|[\[(](?P<of>\d{1,3})\s*/\s*\d{1,3}[\])]|(?<!\w)#(?P<hash>\d{1,3})\b"
)
"""A count of tries, or the ordinal number of one."""
LABEL: Final = re.compile(
    r"\b(?P<re>re ?)?(?:attempt|try)(?: number| no\.?)?\W{0,2}(?P<nth>\d{1,3})(?:\s*(?:/|of)\s*\d{1,3})?\b"
    r"|\b(?P<ordinal>1st|2nd|3rd|\d{1,3}th|first|initial|second|third|fourth|fifth)"
    r" (?:attempt|try|call|request|error|response)\b"
    r"|[\[(](?P<of>\d{1,3})\s*/\s*\d{1,3}[\])]|(?<!\w)#(?P<hash>\d{1,3})\b"
)
"""The ordinal number under which the outcome of one try is given."""
BEFORE: Final = re.compile(
    r"\b(?:previous|prior|earlier) (?:attempt|try|call|request|error|failure|exception|response|status)\b"
)
"""The outcome of the try before the last."""
SEVERAL: Final = _any_of(
    r"\bre ?tr(?:y|ies|ied|ying)\b|\bre ?attempt\w*|\battempt(?:s|ed)\b|\btries\b|\btried\b|\btrying\b",
    r"\b(?:first|initial|final|last|next|other|another|each|every|any|multiple|several|many|repeated|subsequent)"
    r" (?:\w+ )?(?:attempt|try|call|request|error|failure|exception|response|answer|status)\b",
    r"\bagain\b|\bonce more\b|\brepeated(?:ly)?\b|\b(?:multiple|several|many|some|few) times\b|\bstill\b",
    r"\bprevious(?:ly)?\b|\bprior\b|\bearlier\b|\bpreceding\b|\bformer(?:ly)?\b",
    r"\bre ?connect\w*|\bre ?sen[dt]\w*|\bre ?submi\w*|\bre ?deliver\w*|\breplay\w*|\bfall ?back\b",
    r"\bfail(?:ed)? ?over\b|\b(?:consecutive|successive) (?:fail|error|attempt)",
    r"\bgiving up\b|\bg[ai]ven? up\b|\bback(?:ing|ed)? ?off\b|\bthen\b|\beventually\b|\bfinally\b|\bafter which\b",
    r"\bafterwards?\b|\bsubsequently\b|(?:^|\n)[ \t]*[2-9][.)]\s|(?<![\w(:])[2-9]\)\s",
    "versuch|wiederhol|erneut|nochmals|intento|reintent|tentativ[aio]|reessa|ritent|ponown|попыт|повтор|poging",
    r"\d tentative|\bnouvelle tentative|\btentative \d|\bprob[ay]\b",
    "opnieuw|deneme|尝试|嘗試|重试|重試|再试|再試行|リトライ|試行|回目|시도|محاول",
)
"""Words for more than one try, without a number."""
EACH: Final = re.compile(
    r"\b(?:each|every)(?: one)?(?: of)?(?: the| its)?(?: \w+)? (?:attempts?|try|tries|time)\b[^,;:\n\x01]{0,40}\x01"
)
"""One outcome that is stated for all tries."""
