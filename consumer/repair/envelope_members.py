"""What the members of an envelope say, by their names: of its content, of how it came, and whether it failed. Pure."""

from typing import Final

from consumer.repair.key_names import plain
from consumer.repair.known_words import ASIDES
from consumer.repair.qualifying_members import says_words
from consumer.repair.values import Json

_METADATA: Final = frozenset({
    "status", "statuscode", "state", "ok", "success", "succeeded", "code", "message", "msg", "detail", "error",
    "errors", "warnings", "meta", "metadata", "links", "timestamp", "time", "requestid", "traceid", "correlationid",
    "version", "apiversion", "schema", "type", "kind", "object", "source", "took", "duration", "elapsed", "page",
    "total", "count", "limit", "offset", "next", "cursor", "more", "hasmore", "id", "role", "model", "usage", "index",
    "finishreason", "stopreason", "stopsequence", "logprobs", "refusal", "annotations", "created",
    "systemfingerprint", "iserror", "name", "callid", "tookms", "durationms", "elapsedms", "latencyms", "ts",
    "servertime", "createdat", "generatedat", "receivedat", "trace", "server", "host", "env", "environment", "region",
    "attempt", "attempts", "retries", "cached", "etag", "checksum", "jsonrpc", "specversion", "datacontenttype",
})  # fmt: skip
_TRANSPORT: Final = frozenset({
    "status", "statuscode", "ok", "success", "succeeded", "error", "errors", "warnings", "requestid", "traceid",
    "correlationid", "links", "took", "elapsed", "apiversion",
})  # fmt: skip
"""What an envelope may say of a single text or number without changing what that means."""
_SUCCESS_WORDS: Final = frozenset({"ok", "success", "succeeded", "successful", "true", "200", "201", "202", "none"})
_FAILURE_WORDS: Final = frozenset({"error", "fail", "failed", "failure", "ko", "invalid", "rejected", "denied"})
_FAILURE_FLAGS: Final = frozenset({"iserror", "haserror", "haserrors", "isfailure", "failed", "failure", "isfault"})
WRAPPERS: Final = frozenset({
    "value", "data", "result", "results", "response", "payload", "body", "content", "contents", "text", "output",
    "answer", "item", "items", "record", "records", "object", "document", "json", "arguments", "args", "parameters",
    "params", "input", "function", "message", "entity", "choices", "candidates", "parts", "toolcalls", "toolcall",
    "functioncall", "structuredcontent", "outputtext", "completion", "generatedtext", "responsetext", "responsebody",
    "responsedata", "resultdata", "daten", "ergebnis", "inhalt", "nutzdaten", "données", "donnees", "résultat",
    "resultat", "contenu", "datos", "resultado", "contenido", "dados", "conteúdo", "dati", "risultato", "contenuto",
    "gegevens", "dane", "wynik", "uppgifter", "tiedot", "adatok", "veri", "veriler", "данные", "результат", "дані",
    "データ", "結果", "数据", "结果", "데이터", "결과", "البيانات", "נתונים",
})  # fmt: skip


def is_set_aside(key: str) -> bool:
    """Return whether a name says that what it holds is no document: a draft, an example, what was before."""
    return not says_words(key).isdisjoint(ASIDES)


def may_be_dropped(others: dict[str, Json], *, known: bool) -> bool:
    """Return whether members beside a content say nothing of its meaning; `known` is a content under a known name."""
    return all(_is_metadata(name, value) for name, value in others.items()) and (
        known or all(plain(name) in _METADATA for name in others)
    )


def is_transport(name: str, value: Json) -> bool:
    """Return whether a member tells of a single value only how it came."""
    word = plain(name)
    if word in {"status", "statuscode"} and str(value).strip().lower() not in _SUCCESS_WORDS:
        return False
    return word in _TRANSPORT


def _is_metadata(name: str, value: Json) -> bool:
    if plain(name) == "warnings" and value:  # of what was done to the content
        return False
    return (
        plain(name) in _METADATA
        or name.startswith(("@", "$", "__"))
        or value is None
        or isinstance(value, bool)
        or value in ("", [], {})
    )


def reports_failure(members: dict[str, Json]) -> bool:
    """Return whether a member says that what the others hold has failed."""
    for key, said in members.items():
        word = plain(key)
        if (
            word in {"status", "state", "result", "outcome"}
            and isinstance(said, str)
            and said.strip().lower() in _FAILURE_WORDS
        ):
            return True
        if word in {"ok", "success", "succeeded"} and said is False:
            return True
        if word in _FAILURE_FLAGS and said is True:
            return True
        if word in {"error", "errors"} and said not in (None, False, "", [], {}, 0):
            return True
        if word in {"status", "statuscode", "code"} and isinstance(said, int) and said >= 400:  # noqa: PLR2004 - as HTTP
            return True
    return False
