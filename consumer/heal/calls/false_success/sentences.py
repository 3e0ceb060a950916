"""Sentences by which services, frameworks and gateways tell a failure where they tell nothing else. Pure."""

import re
from typing import Final

from consumer.heal.calls.false_success.members import is_right_message
from consumer.model import Json

ERROR_SENTENCE: Final = re.compile(
    r"\W*(?:(?:sorry|oops|uh.?oh)\W+)?(?:no healthy upstream|upstream (?:connect error|request timeout)"
    r"|default backend - 404"
    r"|404 page not found|request was throttled\b"
    r"|(?:the )?request failed with status(?: code)? [45]\d\d|too many (?:\w+ ){0,2}(?:requests|connections)\b"
    r"|(?:your |the |api |you (?:have|are) (?:\w+ )?){0,3}(?:rate limit|quota)\w*\b.{0,40}\b"
    r"(?:exceed\w*|reached|hit|is \d)"
    r"|(?:you have )?(?:exceeded|reached) (?:your|the) .{0,40}\b(?:limit|quota)\b"
    r"|you are being (?:rate limited|throttled)|thank you for using .{0,80}\bcall frequency|access (?:is )?denied\b"
    r"|there (?:was|has been) an? (?:\w+ )?(?:error|problem)\b"
    r"|(?:an )?(?:unexpected |internal |unknown )?error (?:has )?occurred|something went wrong"
    r"|limit exceeded(?=\W*$|[.,:;!]| (?:for|on|in|by|of|try|please)\b)"
    r"|(?:you are |user is )?(?:not authori[sz]ed|unauthori[sz]ed)\b|forbidden\W*$|not acceptable\W*$"
    r"|the requested url was rejected|error establishing a database"
    r"|no route matched|invalid (?:request|token|api key|parameters?|credentials|signature|session)\W*$"
    r"|cannot (?:get|post|put|patch|delete) /"
    r"|(?:the )?(?:service|server|site|system) (?:is )?(?:(?!shut)\w+ )?(?:unavailable|overloaded|down)\b"
    r"|(?:(?:we|it) (?:are|is) |we['\u2019]re |currently )?(?:down for |under |in )(?:\w+ )?maintenance)",
    re.IGNORECASE,
)
"""The beginning of a message of a gateway, a framework or a limiter."""
LONE_MESSAGE: Final = re.compile(
    r"\W*(?:(?:an?|the|your|this) )?(?:invalid|missing|unknown|bad|unsupported|unexpected|incorrect|wrong|malformed"
    r"|illegal|expired|insufficient|no (?!changes?\b|updates?\b|new\b|further\b|action\b"
    r"|(?:error|problem|issue|conflict|failure|warning)s?\b)"
    r"\w+ .{0,80}\b(?:found|matche[ds]|available|exists?)"
    r"|cannot|can't|could not|couldn't|unable to|failed to"
    r"|too many|not (?:found|authori[sz]ed|allowed|permitted|logged)"
    r"|please (?:supply|provide|specify|wait|try again|log ?in|sign ?in|slow)"
    r"|you (?:must|need to|do not have|don't have|are not)"
    r"|permission (?:denied|required)|authentication (?:failed|required))\b"
    r"|.{0,120}\b(?:has \d+ errors?\b|(?:does not exist|has expired|timed out|denied|could not be \w+)\W*$)",
    re.IGNORECASE,
)
"""A message that is the whole answer, and tells that something could not be done."""
SHORT_REASON: Final = re.compile(
    r"(?:Bad|Invalid|Missing|Expired|Unknown|Unregistered|Unauthorized|Forbidden|TooMany|Not|Unsupported|Duplicate)"
    r"[A-Z]?\w{2,60}"
)
"""A reason that is one word, as a service for messages gives it."""
_COMPLAINT: Final = re.compile(
    r"[^.]{0,120}\b(?:(?:is|are) (?:required|invalid|not valid|too (?:short|long))|may not be|must (?:be|have|contain)"
    r"|already (?:exists|taken|in use)|(?:enter )?a valid \w+)\b",
    re.IGNORECASE,
)
WRONG_REQUEST: Final = re.compile(
    r"[%\w\"'`. -]{1,60} (?:is|are|was) (?:required|invalid|missing|not valid|not allowed|malformed|not found"
    r"|not \w+(?:able|ible|ed|en))\W*$",
    re.IGNORECASE,
)
"""A message about one of the request's members."""
_FAILURE: Final = re.compile(
    r"\b(?:errors?|fail(?:ed|ure|s)?|invalid|denied|declined|rejected|refused|expired|unauthori[sz]ed|forbidden|unavailable"
    r"|insufficient|unsupported|incorrect|malformed|malfunction|exceeded|time(?:d )?-?out|conflict|no such"
    r"|does not (?:exist|match|have|support|accept)|do not have"
    r"|could not (?:be \w+(?:ed|en|nt)\b|(?!be\b)\w+)|unable to"
    r"|not (?:found|available|allowed|authori[sz]ed|permitted|valid|exist|acceptable|ok))\b"
    # German, French, Spanish, Portuguese, Italian, Dutch
    r"|fehler|fehlgeschlagen|ung\u00fcltig|nicht (?:gefunden|verf\u00fcgbar|berechtigt|erlaubt|m\u00f6glich)"
    r"|verweigert|abgelehnt|abgelaufen|erreur|\u00e9chou\u00e9|\u00e9chec|invalide|introuvable|refus\u00e9|interdit"
    r"|non autoris\u00e9|indisponible|impossible"
    r"|inv[\u00e1a]lid[oa]s?\b|fall[o\u00f3]\b|no (?:encontrad|autorizad|permitid|disponible)|denegad"
    r"|rechazad|caducad|expirad"
    r"|\berro\b|falhou|n\u00e3o (?:encontrad|autorizad|permitid|dispon)|\bnegad|recusad|\berrore\b|fallit"
    r"|rifiutat|scadut"
    r"|non (?:valid|trovat|autorizzat|disponibil)|\bfout\b|mislukt|ongeldig|niet (?:gevonden|toegestaan|beschikbaar)"
    r"|geweigerd"
    # Polish, Czech, Scandinavian, Finnish, Turkish, Russian
    r"|b\u0142\u0105d|nieprawid\u0142ow|nie znaleziono|odmow|niepowodz|\bchyb|neplatn|nenalezen|misslyck"
    r"|mislykk|ogiltig|ugyldig|\bfejl\b"
    r"|virhe|hata\b|ge\u00e7ersiz|bulunamad|ba\u015far\u0131s\u0131z|\u043e\u0448\u0438\u0431\u043a"
    r"|\u043d\u0435 \u043d\u0430\u0439\u0434\u0435\u043d|\u0437\u0430\u043f\u0440\u0435\u0449"
    r"|\u043e\u0442\u043a\u0430\u0437"
    r"|\u043d\u0435\u0432\u0435\u0440\u043d|\u043d\u0435\u0434\u043e\u0441\u0442\u0443\u043f"
    r"|\u043d\u0435 \u0443\u0434\u0430\u043b\u043e\u0441\u044c"
    # Japanese, Chinese, Korean
    r"|\u5931\u6557|\u30a8\u30e9\u30fc|\u3067\u304d\u307e\u305b\u3093|\u7121\u52b9|\u62d2\u5426"
    r"|\u898b\u3064\u304b\u308a\u307e\u305b\u3093|\u5931\u8d25|\u9519\u8bef|\u932f\u8aa4|\u65e0\u6548"
    r"|\u4e0d\u5b58\u5728|\u4e0d\u80fd\u4e3a\u7a7a"
    r"|\u62d2\u7edd|\u5f02\u5e38|\u8d85\u65f6|\u7e41\u5fd9|\u8fc7\u671f|\u6ca1\u6709\u6743\u9650"
    r"|\u4e0d\u8db3|\uc2e4\ud328|\uc624\ub958|\uc798\ubabb|\uad8c\ud55c\uc774 \uc5c6|\uac70\ubd80"
    r"|\ub9cc\ub8cc",
    re.IGNORECASE,
)
"""Words and stems of failure, anywhere in a message."""
_DONE: Final = re.compile(
    r"\b(?:clear|reset|resolv|fix|delet|remov|revok|updat|receiv|record|creat|sent|sav|pass(?:ed|es)?\b|schedul|clos|acknowledg|dismiss"
    r"|ignor|purg|skipp|plac|enabl|disabl|set to\b|undone\b|complet|finish"
    r"|retri|retry|handl|reported|logged|success|ok\b|no (?:\w+ )?(?:errors?|failures?)"
    r"|no_error|none\b"
    r"|without (?:\w+ )?errors?)"
    r"|erfolgreich|behoben|gel[\u00f6o]scht|succ[\u00e8e]s|r[\u00e9e]ussi|corrig|[\u00e9e]xito|sucesso"
    r"|successo|gelukt|\u0443\u0441\u043f\u0435\u0448|\u0438\u0441\u043f\u0440\u0430\u0432\u043b"
    r"|\u6210\u529f|\u5b8c\u4e86|\u5b8c\u6210|\u4fee\u590d"
    r"|\uc644\ub8cc|\uc131\uacf5|ba\u015far\u0131yla",
    re.IGNORECASE,
)
"""Words of a message about what was done with a failure: `Failed jobs were cleared`."""


_UNDONE: Final = re.compile(
    r"\b(?:could not|couldn't|cannot|can't|unable to|failed to|failure to|was not|were not|not be|must be|required)\b",
    re.IGNORECASE,
)
"""What makes of a message about something done one about something that was not: `could not be saved`."""
_NONE_FAILED: Final = re.compile(r":\s*0\b|\b0 (?:errors?|failed|failures?)\b", re.IGNORECASE)


def tells_what_failed(said: str) -> bool:
    """Return whether a message that is the whole answer tells that something could not be done."""
    if is_right_message(said) or _NONE_FAILED.search(said):
        return False
    if _DONE.search(said) is not None and _UNDONE.search(said) is None:
        return False
    return any(one is not None for one in (WRONG_REQUEST.match(said), LONE_MESSAGE.match(said), _FAILURE.search(said)))


def are_about_the_request(texts: Json) -> bool:
    """Return whether a list has nothing but sentences, of which one tells what was wrong with the request."""
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        return False
    return any(isinstance(one, str) and _COMPLAINT.match(one[:200]) is not None for one in texts[:20])
