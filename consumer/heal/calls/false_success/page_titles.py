"""Titles of pages that stand in the place of another: errors, maintenance, logins, in many languages. Pure."""

import re
from typing import Final

ERROR_TITLE: Final = re.compile(
    r"(?:http )?(?:status )?(?:error )?[45]\d\d(?:\W.{0,60})?|error \d{3,4}|something went wrong"
    r"|whitelabel error page|error report|exception caught|(?:your )?session (?:has )?(?:expired|timed out)"
    r"|cookies? (?:are )?required|checking your browser.{0,40}|human verification|blocked by policy"
    r"|(?:domain|account|site|website) suspended|web filter violation|welcome to nginx!?|.{0,20} default page"
    r"|(?:oops|uh.?oh)\W+.{1,60}|sorry\W+(?:we|you|something|this|the page)\b.{1,60}"
    r"|we(?:['\u2019]ll| will) be (?:right )?back(?: soon| shortly)?|pardon our interruption|incapsula incident.{0,60}"
    r"|request unsuccessful.{0,60}|(?:an )?error(?: occurred| page| has occurred)?"
    r"|(?:\d{3} )?(?:bad gateway|gateway time-?out|service (?:temporarily )?unavailable|internal server error"
    r"|application error|server error|page not found|access denied|forbidden|unauthorized|request rejected"
    r"|too many requests|runtime error|proxy error|bad request)"
    r"|(?:(?:the|our|site|website|server|system|is|are|we|currently|scheduled|planned|under|down|for|in)\s+){0,6}"
    r"maintenance(?: mode| page| break)?|temporarily unavailable|attention required"
    r"|(?:an )?error occurred while .{1,60}|\w{3,40}(?:error|exception) at /.{0,100}|.{0,60}\bwerkzeug debugger"
    r"|.{0,100}\([45]\d\d [a-z ]{3,40}\)|.{0,40}\b(?:threshold|limit|quota) exceeded|unavailable|oops|uh.?oh"
    r"|(?:service|system|network|connection|gateway|request|page|script|query|unknown|unexpected|fatal|critical) error"
    r"|database error|error establishing a database connection|fastly error|software error:?"
    r"|backend fetch failed|upstream (?:error|unavailable)|application is not available"
    r"|just a moment|verify(?:ing)? you are human|(?:security|browser) (?:check|verification)",
    re.IGNORECASE,
)
LOGIN_TITLE: Final = re.compile(
    r"(?:please )?(?:log ?-?in|log ?on|sign ?-?in|web authentication|captive portal|(?:guest )?wi-?fi (?:login|access)"
    r"|hotspot(?: login)?|anmelden|anmeldung|se connecter|connexion|iniciar sesi[oó]n|entrar|accedi|inloggen"
    r"|zaloguj się|logowanie|вход|войти|登录|登入|ログイン|サインイン|로그인)"
    r"(?: (?:to|in|with|required)\b.{0,60})?",
    re.IGNORECASE,
)

_MAX_MESSAGE: Final = 200
LOCAL_ERROR: Final = re.compile(
    # German, French
    r"(?:wartung(?:sarbeiten|smodus|spause)?|in wartung|seite nicht gefunden|(?:interner )?(?:server)?fehler(?: \d{3})?"
    r"|(?:dienst|service|server|seite) (?:ist )?(?:derzeit |momentan )?nicht (?:verf[uü]gbar|erreichbar)"
    r"|zugriff verweigert|nicht berechtigt|sitzung abgelaufen|zu viele anfragen"
    r"|page (?:introuvable|non trouv[ée]e)|erreur(?: \d{3})?(?: interne)?(?: du serveur)?"
    r"|acc[èe]s (?:refus[ée]|interdit)"
    r"|(?:le )?(?:service|site|serveur) (?:est )?(?:temporairement |momentan[ée]ment )?(?:indisponible|en maintenance)"
    r"|(?:en|site en) maintenance|session expir[ée]e|trop de requ[êe]tes"
    r"|une erreur (?:s['\u2019]est produite|est survenue)"
    # Spanish, Portuguese, Italian
    r"|erro?r? (?:interno|inesperado)(?: (?:del?|do) (?:servidor|sistema))?|p[áa]gina n(?:o|ão) encontrada"
    r"|(?:el )?(?:servicio|sitio|servidor) (?:no|temporalmente no) (?:est[áa] )?disponible"
    r"|acceso (?:denegado|prohibido)"
    r"|(?:en|sitio en) mantenimiento|sesi[óo]n (?:expirada|caducada)|demasiadas (?:solicitudes|peticiones)"
    r"|(?:ha ocurrido|se ha producido|ocurri[óo]) un error.{0,40}|ocorreu um erro.{0,40}"
    r"|(?:servi[çc]o|site|servidor|sistema) (?:est[áa] )?(?:temporariamente )?(?:indispon[íi]vel|em manuten[çc][ãa]o)"
    r"|em manuten[çc][ãa]o|acesso (?:negado|proibido)|sess[ãa]o expirada"
    r"|muitas (?:solicita[çc][õo]es|requisi[çc][õo]es)"
    r"|errore(?: \d{3})?(?: interno)?(?: del server)?|pagina non trovata|servizio (?:temporaneamente )?non disponibile"
    r"|accesso (?:negato|vietato)|(?:in|sito in) manutenzione|sessione scaduta|si [èe] verificato un errore.{0,40}"
    # Dutch, Polish, Russian
    r"|pagina niet gevonden|(?:in |gepland )?onderhoud|toegang geweigerd|er is (?:iets misgegaan|een fout opgetreden)"
    r"|(?:interne )?serverfout|dienst niet beschikbaar|nie znaleziono strony|strona nie (?:znaleziona|istnieje)"
    r"|przerwa techniczna|b[łl][ąa]d(?: wewn[ęe]trzny)?(?: serwera)?|brak dost[ęe]pu|odmowa dost[ęe]pu"
    r"|us[łl]uga (?:jest )?niedost[ęe]pna|страница не найдена|(?:ведутся )?технические работы"
    r"|доступ (?:запрещ[её]н|закрыт)"
    r"|сервис (?:временно )?недоступен|(?:внутренняя )?ошибка(?: \d{3})?(?: сервера)?|слишком много запросов"
    # Swedish, Danish, Norwegian, Finnish, Czech, Turkish
    r"|sidan (?:hittades inte|kunde inte hittas)|siden (?:blev ikke fundet|ble ikke funnet|findes ikke)|underh[åa]ll"
    r"|(?:internt )?serverfe(?:l|jl|il)|sivua ei l[öo]ydy|palvelinvirhe|str[áa]nka nenalezena|chyba serveru"
    r"|[úu]dr[žz]ba"
    r"|sayfa bulunamad[\u0131i]|sunucu hatas[\u0131i]"
    r"|bak[\u0131i]m (?:modu|[çc]al[\u0131i][şs]mas[\u0131i])|bak[\u0131i]mday[\u0131i]z"
    # Japanese, Chinese, Korean
    r"|(?:ただいま|現在)?(?:システム)?メンテナンス中(?:です)?.{0,20}|(?:サーバー?|システム)?エラー(?:が発生しました)?"
    r"|(?:お探しの)?ページが(?:見つかりません|存在しません).{0,10}|アクセスが?(?:拒否|禁止)(?:されました)?"
    r"|(?:系统|网站|服务器?)?(?:正在)?(?:维护中?|升级中)|(?:系统|服务器|内部|服务)(?:内部)?(?:错误|异常|繁忙)"
    r"|(?:页面|网页)(?:不存在|未找到|找不到)|(?:访问|拒绝)(?:被拒绝|访问)|服务(?:暂时)?不可用|请求过于频繁|維護中|系統維護中?"
    r"|(?:시스템|서버|서비스)? ?(?:점검 ?중(?:입니다)?|오류(?:가 발생했습니다)?)"
    r"|페이지를 찾을 수 없습니다|접근(?:이)? 거부(?:되었습니다)?)",
    re.IGNORECASE,
)
"""Titles and messages of errors in other languages than English, whole."""


def is_error_title(text: str) -> bool:
    """Return whether a title is that of an error, of maintenance, or of a check that a browser has to pass."""
    return ERROR_TITLE.fullmatch(text) is not None or LOCAL_ERROR.fullmatch(text) is not None


def is_error_in_words(text: str) -> bool:
    """Return whether a message, in another language than English, is nothing but that something has failed."""
    return LOCAL_ERROR.fullmatch(text[:_MAX_MESSAGE].strip(" \t\r\n.!\u3002")) is not None
