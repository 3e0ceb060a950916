"""Vocabulary of JSON and XML envelopes: names of members that tell a failure, and words that do or do not. Pure."""

import re
from functools import lru_cache
from typing import Final
from unicodedata import normalize

from consumer.model import Json

_NOT_A_LETTER: Final = re.compile(r"[^\w.]+|_+")
_LETTERS: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss"})
_MARK: Final = re.compile(r"[\u0300-\u036f\u3099\u309a]")
_NAMESPACE: Final = re.compile(r"^.*[.:](?=.)")


def folded(text: str) -> str:
    """Return a text in lower case, without the marks of its letters."""
    return text.lower() if text.isascii() else _MARK.sub("", normalize("NFKD", text.lower().translate(_LETTERS)))


def words_of(text: str) -> frozenset[str]:
    """Split a text into a set of words, in the spelling in which names and words are looked up."""
    return frozenset(_NOT_A_LETTER.sub("", word) for word in folded(text).split())


ERRORS: Final = words_of("""
    error errors err fault faults exception exceptions errormessage errormessages errormsg errmsg errordescription
    errordetail errordetails errorlist errorinfo errortype errorname errorcode errcode errno errornumber errorid
    exceptionmessage exceptiontype exceptionclass faultstring faultcode usererrors validationerrors fielderrors
    nonfielderrors errorresponse errorsummary errortext inserterrors writeerrors writeerror writeconcernerror
    bulkerrors itemerrors partialfailureerror functionerror failurecode failurereason failuremessage refusalreason
    declinecode declinereason blockreason rejectreason rejectionreason errorresult lastpaymenterror modelstate
    fehler fehlermeldung fehlercode erreur erreurs erro erros errore errori errores fout fouten foutmelding blad bledy
    ошибка ошибки текстошибки помилка 错误 错误信息 错误码 エラー 오류 fel felmeddelande fejl fejlbesked feil virhe
    chyba     chyby hata hiba eroare σφάλμα lỗi kesalahan
    errorcondition validationmessages brokenrules greska greška napaka klaida kļūda viga грешка ralat خطأ خطا שגיאה
    त्रुटि ข้อผิดพลาด ত্রুটি பிழை villa errada gabim
    """)
"""Members that say what went wrong, where there is something in them."""
ERROR_NAME: Final = re.compile(
    r"(?:api|http|server|inner|system|sys|request|response|validation|field|user|form|row|record|item|data|service"
    r"|process|gateway|sub|bulk)*(?:errors?|err|exceptions?|faults?)(?:codes?|messages?|msgs?|reasons?"
    r"|types?|kind|class"
    r"|category|name|text|number|no|num|info|information|details?|description|desc|summary|list|title|data|response"
    r"|string|str|cause|stack)*"
    r"|(?:fail(?:ure)?|rej(?:ect(?:ion)?)?|ordrej|refusal|decline|denial)"
    r"(?:reasons?|code|message|msg|details?|description|text|info)"
)
"""Names of the same kind, where a member is the call's own or of what the call leaves behind."""
RIGHT_WHERE_TRUE: Final = words_of("""
    success ok succeeded successful issuccess issuccessful issuccessstatuscode isok issucceeded issucceed wassuccessful
    acknowledged exito sucesso successo erfolg erfolgreich succes reussi gelukt geslaagd sukces успех успешно 成功 성공
    basarili lyckades lykkedes onnistui uspech sikeres berhasil thanhcong zspesne powodzenie uspjeh успіх успешен
    επιτυχία نجاح הצלחה สำเร็จ सफल completato
    """)
WRONG_WHERE_TRUE: Final = words_of("""
    aborted failed failure iserror haserror haserrors errored iserrored isfailure isfailed hasfailed isfault hasfailures
    """)
COUNTS: Final = words_of("""
    failed failure failures invalid ko nok failedcount failurecount failedrecordcount failedentrycount errorcount
    errorscount
    numerrors numfailed numfailures failedrequests failedrecords totalfailed totalerrors
    """)
"""Counts of what failed in a batch; in a resource that was asked for, they may be of anything."""
LEFT_OVER: Final = words_of("""
    failed failures failedentries faileditems failedrecords unprocessed unprocesseditems unprocessedkeys
    unprocessedentries unprocessedrecords unprocessedstatements rejected rejecteditems rejectedrecords
    rejectedrecipients rejectedevents
    """)
"""Lists of what a batch did not do."""
OUTCOMES: Final = words_of("""
    statuscode resulttype status stat ack state result outcome response resultcode returncode responsestatus
    resultstatus statustext
    responsecode processingstatus apistatus callstatus requeststatus ackstatus estado statut resultado stato esito
    resultat ergebnis groupname stav durum allapot статус результат 状态 结果 状態 結果 wynik eredmeny vysledek tulos
    상태 결과 κατάσταση حالة สถานะ स्थिति funccode highestseverity responseclass completioncode
    """)
PROTOCOL_OUTCOMES: Final = words_of("stat ack response resultcode returncode responsestatus")
"""Outcomes of the call itself, in whatever is answered."""
STATUSES: Final = words_of("""
    status statuscode httpstatus httpstatuscode httpcode httpstatuscode responsecode responsestatus code cod
    """)
CODES: Final = words_of(
    "rc responsecode code retcode resultcode returncode respcode rspcode rtncode statuscode subcode ret rtn bizcode"
    " retval returnvalue replycode returnreasoncode cstat"
)
MESSAGES: Final = words_of("""
    message msg messages detail details description reason title errmsg info statusmessage resultmsg resultmessage
    retmsg returnmsg respmsg rspmsg rtnmsg statusmsg responsetext responsemessage mensaje mensagem meldung nachricht
    responsedescription diagnosticmessage messagetext messagedetail messageappendedtext statusdetail resulttext respdesc
    resultdesc retdesc rsn text remark reporttext returnauthmsg
    descrizione beschreibung descripcion descricao opis popis omschrijving kuvaus motivo motif grund przyczyna 描述 説明
    说明 理由 原因 설명 이유 사유 причина описание sebep
    meddelande besked viesti zprava mesaj uzenet
    pesan messaggio bericht melding komunikat wiadomosc сообщение 消息 信息 メッセージ 메시지 note
    information notice
    """)
WRAPPERS: Final = words_of("""
    response responses result results data d body payload output meta metadata header headers responseheader head resp
    reply return status responsestatus resultinfo statusinfo summary envelope basestatus responsemetadata messages
    promptfeedback
    """)
"""Members within which the same is looked for."""
PARTS: Final = words_of(
    """
    responses requestresponses compositeresponse batchresponses results items records replies operations entries parts
    messages batch outputs tickets choices data value incremental entry rows deliveries recipients result
    """
)
ALWAYS_PARTS: Final = words_of("responses requestresponses compositeresponse batchresponses replies incremental")
"""Parts of an answer, and not resources that were asked for."""
ENVELOPE: Final = (
    ERRORS
    | RIGHT_WHERE_TRUE
    | WRONG_WHERE_TRUE
    | OUTCOMES
    | STATUSES
    | CODES
    | MESSAGES
    | words_of("""
    type instance cause timestamp time date datetime path method requestid traceid correlationid eventid jsonrpc
    version apiversion kind metadata meta headers body isbase64encoded stack stacktrace trace help helpurl docs
    documentationurl documentation moreinfo link links hint params param severity retryable retry retryafter locale
    locales warnings suberror subcode hostid server service elapsed took duration debugid reference ref referenceid
    context extra invalidparams statusmessage data payload resource bucketname key endpoint now jsonapi extensions
    results items records rows candidates predictions htmlattributions nextpagetoken count total page global object
    responsemetadata messages messagecount codigo infocode httpcode httpmessage resourcetype issue
    statementid opindex position parameters schemas groupid field action property serviceversion messagetype msgtype
    messagenumber errorfield classname d responsedescription diagnosticmessage merchantrequestid checkoutrequestid
    innererror innerexception ttl nonce seq sequence sign signature
    """)
)
_ENVELOPE_NAME: Final = re.compile(r"\w{0,20}(?:time|timestamp|timeutc|datetime)")
"""Members that say nothing but how the call went; an answer with any other is a resource."""

FAILED: Final = words_of("""
    error errored fail failed failure fatal ko nok notok exception unavailable timeout timedout unauthorized forbidden
    unauthenticated rejected denied aborted overquerylimit overdailylimit requestdenied invalidrequest unknownerror
    internal internalerror internalservererror servererror badrequest notfound serviceunavailable badgateway
    partialfailure partialsuccess rjct resourceexhausted deadlineexceeded permissiondenied invalidargument accessdenied
    ratelimited toomanyrequests maintenance unsuccessful notsuccessful decline declined refused quotaexceeded
    authenticationfailed authfailed outofservice overloaded throttled err ng failurewithwarning undelivered
    notprocessed fehler fehlgeschlagen fehlerhaft abgelehnt echec erreur echoue refuse fallido fallo fallida rechazado
    erro falha falhou falhado recusado rejeitado errore fallito rifiutato mislukt fout geweigerd blad niepowodzenie
    неуспех שגיאה خطأ
    odrzucono misslyckades fel mislykkedes fejlet fejl feil feilet virhe epaonnistui
    chyba neuspech selhalo hata basarisiz hiba sikertelen eroare esuat gagal помилка σφάλμα αποτυχία ошибка неудача
    отказ отклонено 失败 失敗 错误 エラー 실패 오류
    """)
FAILED_RESOURCE: Final = words_of(
    "error errored notauthed fail failed failure fehlgeschlagen echec fallido falhou 失败 失敗"
)
"""What a call with an effect may not leave behind as the state of its result."""
HARMLESS: Final = words_of("""
    0 00 000 0000 00000 0.0 false none null nil no n ok okay success succeeded noerror noerrors undefined 200 na
    s1000 a00000 requestok
    """) | {""}
"""Texts in a member for errors that say that there is none, in their plain form."""
_RIGHT_CODES: Final = words_of("""
    0 1 00 000 0000 00000 000000 10000 20000 ok okay success succeeded successful created accepted done s1000 a00000
    completed complete updated deleted noerror
    """)
_RIGHT_MESSAGES: Final = re.compile(
    r"^\W*(?:ok|okay|success\w*|succeeded|done|created|accepted|updated|deleted|completed|成功|操作成功|请求成功"
    r"|처리|정상|成功しました)\W*$|\bsuccess(?:ful|fully)?\b",
    re.IGNORECASE,
)
TELLING_MESSAGES: Final = words_of("""
    internalservererror internalerror forbidden unauthorized endpointrequesttimedout serviceunavailable
    toomanyrequests notfound missingauthenticationtoken badgateway gatewaytimeout limitexceeded servererror
    networkerrorcommunicatingwithendpoint accessdenied unauthenticated badrequest requesttimeout
    servicetemporarilyunavailable somethingwentwrong authenticationcredentialswerenotprovided invalidtoken
    permissiondenied youdonothavepermissiontoperformthisaction methodnotallowed requestwasthrottled invalidcredentials
    """)
"""Messages that are the whole answer of a gateway or framework."""
TELLING_TYPE: Final = re.compile(
    r"(?:exception|error|fault|failure|denied|unavailable|throttl\w*|expired\w*|exceeded)$", re.IGNORECASE
)
FAILED_COUNT: Final = re.compile(
    r"(?:num|total)?(?:failed|rejected|errored|unprocessed)(?:puts?|records?|entr(?:y|ies)|requests?|rows?|items?|documents?"
    r"|docs?|messages?|operations?|events?|updates?|inserts?|deletes?|sends?|deliveries|recipients?)(?:count|total)?"
    r"|(?:num|total)?(?:records?|rows?|items?|messages?|events?|operations?)(?:failed|rejected)(?:count)?"
)
"""Names of counts of what failed in a batch, beside those in `COUNTS`."""
ERRORS_OF: Final = re.compile(r"(?:\w*(?:user|validation|field|row|record|item|input|mutation)errors)")
"""Lists of errors of one part of what was sent."""
LEFT_OVER_NAME: Final = re.compile(
    r"(?:item|batch|record|row|message|event)+failures"
    r"|not(?:created|updated|destroyed|deleted|inserted|saved|sent|processed)"
    r"|failed[a-z]{3,20}s"
)
NEGATIVE: Final = re.compile(
    r"\b(?:errors?|fail(?:ed|ure|s)?|invalid|denied|refused|rejected|declined|unauthori[sz]ed|forbidden|unknown|missing"
    r"|malformed|unavailable|unsupported|insufficient|exceeded|expired|throttled|throttling|timeout|timed out"
    r"|not (?:found|allowed|authori[sz]ed|acceptable|valid|supported|implemented|processed|active|available|exist)"
    r"|too many|bad request|limit reached|no route|abend)\b"
)
"""A word of failure within a code of several, such as `INVALID_USER_KEY`."""
PAST: Final = words_of("attempts history log logs events retries tries transitions timeline audit")
"""Lists of what was before."""
COMPLAINTS: Final = words_of("violations problems validationissues invalidfields missingfields")
"""Lists of what is wrong with what was sent."""
DONE: Final = words_of("""
    accepted saved sent delivered created updated deleted removed queued approved completed inserted stored published
    processed applied registered modified written confirmed routed enqueued dispatched forwarded matched captured
    authorized authorised settled granted subscribed
    """)
"""Flags of an answer that has nothing else, which say that a call with an effect had it."""
ENDS_IN_FAILURE: Final = re.compile(
    r"\w+[_ ](?:failed|failures?|errors?|declined|rejected)"
    r"|(?:rejected|declined|denied|refused)[_ ]by[_ ]\w+",
    re.IGNORECASE,
)
"""A state of several words that ends in a failure: `COMPLETED_WITH_ERRORS`."""
PARTIAL: Final = words_of("incompleteresults ispartial partialresults")
"""Members that say, where they are true, that an answer is not the whole."""
_STATE_NAME: Final = re.compile(r"(?!prev|old|last|prior|former|from|parent|initial|before)\w{2,20}(?:status|state)")
_TELLING: Final = (
    ERRORS | COMPLAINTS | RIGHT_WHERE_TRUE | WRONG_WHERE_TRUE | DONE | OUTCOMES | words_of("return etreturn messages")
)
_STATUS: Final = re.compile(r"\s*(?:http[ /]*[\d.]*\s+)?([45]\d\d)(?:\b|_)", re.IGNORECASE)
_LONGEST_WORD: Final = 64


@lru_cache(maxsize=4096)
def is_envelope_name(name: str) -> bool:
    """Return whether a member says nothing but how the call went."""
    return name in ENVELOPE or _ENVELOPE_NAME.fullmatch(name) is not None or ERROR_NAME.fullmatch(name) is not None


def is_negative_code(value: Json) -> bool:
    """Return whether a code of several words, such as `INVALID_USER_KEY` or `NoRoute`, tells a failure."""
    if not isinstance(value, str) or len(value) > _LONGEST_WORD or " " in value.strip():
        return False
    spaced = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", value)).lower().strip()
    return " " in spaced and not spaced.startswith("no error") and NEGATIVE.search(spaced) is not None


@lru_cache(maxsize=4096)
def may_tell(name: str) -> bool:
    """Return whether a member's name is one by which a failure is told, or its absence."""
    if name in _TELLING or is_error_name(name) or lists_errors(name):
        return True
    return counts_failures(name) or lists_left_over(name) or is_state_name(name)


@lru_cache(maxsize=4096)
def is_state_name(name: str) -> bool:
    """Return whether a member is the state of what a call leaves behind, and of nothing before it."""
    return name in OUTCOMES or _STATE_NAME.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def is_error_name(name: str) -> bool:
    """Return whether a member is named for an error of the call's own."""
    return ERROR_NAME.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def lists_errors(name: str) -> bool:
    """Return whether a list is named for the errors of one part of what was sent."""
    return ERRORS_OF.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def counts_failures(name: str) -> bool:
    """Return whether a number is named for what failed in a batch."""
    return name in COUNTS or FAILED_COUNT.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def lists_left_over(name: str) -> bool:
    """Return whether a list is named for what a batch did not do."""
    return name in LEFT_OVER or LEFT_OVER_NAME.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Return a member's name in one spelling: `Error_Code`, `error-code` and `odata.errorCode` are `errorcode`."""
    return _NOT_A_LETTER.sub("", _NAMESPACE.sub("", folded(name[:_LONGEST_WORD]))).rpartition(".")[2]


def plain_word(value: Json) -> str | None:
    """Return a short text in one spelling; None for what is none."""
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        return None
    return re.sub(r"[\W_]+", "", folded(value))


def is_nothing(value: Json) -> bool:
    """Return whether a member for errors says that there is none."""
    match value:
        case None | False:
            return True
        case True:
            return False
        case int() | float():
            return value == 0
        case str():
            return not value.strip() or (word := plain_word(value)) in HARMLESS or word == ""
        case list():
            return all(is_nothing(one) for one in value) and not any(isinstance(one, dict) and one for one in value)
        case dict():
            return _is_no_error(value)


def _is_no_error(value: dict[str, Json]) -> bool:
    codes = [one for name, one in value.items() if plain_name(name) in CODES and one not in (None, "")]
    if not codes or all(map(is_nothing, codes)):
        return bool(codes) or all(map(is_nothing, value.values()))
    said = [one for name, one in value.items() if plain_name(name) in MESSAGES and one]
    is_right = all(is_right_code(one) and one not in (1, "1") for one in codes)
    return is_right and all(map(is_right_message, said))


def is_right_code(value: Json) -> bool:
    """Return whether a code is one of those that services send with a success."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return value in {0, 1, 10000, 20000} or 200 <= value < 300  # noqa: PLR2004 - HTTP's success
    if isinstance(value, str) and value.lstrip().startswith("-"):
        return False
    word = plain_word(value)
    return word is None or word in _RIGHT_CODES or (word.isdigit() and len(word) == 3 and word[0] == "2")  # noqa: PLR2004


def is_telling_number(value: Json) -> bool:
    """Return whether a number, also as text, is a code of several digits, or below zero, that no success has."""
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
        return False
    return (len(digits) > 2 or text[0] == "-") and not is_right_code(value)  # noqa: PLR2004 - one or two are a state


def is_right_message(value: Json) -> bool:
    """Return whether a message says that the call has worked."""
    return isinstance(value, str) and _RIGHT_MESSAGES.search(value[:200]) is not None


def failing_status(value: Json) -> int | None:
    """Return the HTTP status from 400 that a value is, as number or text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    found = _STATUS.match(str(value)[:_LONGEST_WORD])
    whole = isinstance(value, str) or 400 <= value < 600  # noqa: PLR2004 - HTTP's failures
    return int(found[1]) if found and whole else None
