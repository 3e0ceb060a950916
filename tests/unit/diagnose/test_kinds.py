"""Kinds of failures that mislead, three examples of each in words of our own."""

import pytest

from consumer.diagnose import diagnose
from consumer.model import JsonObject
from consumer.plan.default_ladder import RETRIES
from schemas.names import FailureType

STALLS = [
    "Two listeners sit idle while orders pile up",
    "Instance 44 remains in the state started although its host was removed",
    "The import was scheduled on Monday and has never been picked up",
    "Approval was recorded at 10:12, the run still sits at the approval gate at 16:00",
    "Every night the aggregation halts at partition 17 and waits there until somebody kills it",
    "Events arrive in the topic, no run is created for any of them",
]
CIRCUITS = [
    "CircuitBreaker 'ledger' is OPEN and does not permit further calls",
    "Polly.CircuitBreaker.IsolatedCircuitException: The circuit is manually held open",
    "opossum: Breaker is open (EOPENBREAKER)",
    "gobreaker: circuit breaker is open",
    "Hystrix: getGuests short-circuited and no fallback available",
    "pybreaker.CircuitBreakerError: Timeout not elapsed yet, circuit breaker still open",
    "dev.failsafe.CircuitBreakerOpenException",
    "Semian::OpenCircuitError",
    "Bulkhead 'search' is full and does not permit further calls",
    "aiobreaker: the circuit breaker is still open",
    "stoplight: Stoplight::Error::RedLight: payments",
    "failsafe-go: circuit breaker open",
    "Sentinel: FlowException blocked by flow control",
]
PASSING = [
    "The pod was preempted to make room for another",
    "worker 3 got OOMKilled",
    "FATAL: the database system is shutting down",
    "MySQL server has gone away (2006)",
    'Get "https://ledger.example.com/v1/entries": EOF',
    "CLUSTERDOWN The cluster is down",
    "LOADING Redis is loading the dataset in memory",
    "not primary: the replica set holds an election",
    "remaining connection slots are reserved for superusers",
    "ERR max number of clients reached",
    "the writer of the cluster failed over",
    "kubelet: node is not ready, the pod was rescheduled",
]
PAGES = [
    "JSON Parse error: Unrecognized token '<'",
    "System.Text.Json.JsonException: '<' is an invalid start of a value. Path: $",
    "Newtonsoft.Json.JsonReaderException: Unexpected character encountered while parsing value: <. Path ''",
    "com.google.gson.JsonSyntaxException: Expected BEGIN_OBJECT but was STRING at line 1 column 1 path $",
    "EOF while parsing a value at line 1 column 0",
    "No content to map due to end-of-input",
    "JSON.parse: unexpected character at line 1 column 1 of the JSON data",
    "FormatException: Unexpected end of input (at character 1)",
    "unexpected end of JSON input",
    "invalid character '<' looking for beginning of value",
    "The input does not contain any JSON tokens",
    "unexpected token at '<!DOCTYPE html>' (JSON::ParserError)",
    'malformed JSON string, neither tag, array, object, at character offset 0 (before "<html>")',
    "simplejson.errors.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
    "JSON::ParserError: unexpected token at ''",
    "serde_json: expected value at line 1 column 1",
    "lexical error: invalid char in json text. <html>",
]
TOO_LARGE = [
    "grpc: received message larger than max (9437184 vs. 4194304), ResourceExhausted",
    "The upload exceeds the maximum size of 25 MB",
    "PayloadTooLargeError: request entity too large",
    "Header fields too large",
    "The text has 9000 characters, the limit is 4096, it is too long",
]
UNDER_PRESSURE = [
    "circuit_breaking_exception: [fielddata] Data too large, data for [by_day] would be larger than limit of [6442450]",
    "[request] circuit breaker tripped, 8.1gb is larger than the limit of 7.9gb",
    "CircuitBreakingException[[in_flight_requests] Data too large, bytes exceed the maximum size]",
]
REQUIRED = [
    "Authorization is required",
    "MFA is required for this account",
    "A paid subscription is required",
    "A restart is required",
    "Manual intervention is required",
    "A signed agreement is required",
    "Verification of the business is required",
    "VPN access is required",
]
UPSELL = [
    "Too many concurrent generations on your plan, upgrade your subscription for more",
    "You may send 5 requests per second; buy a higher tier to send more",
    "Quota exceeded for 'reads per minute per user', see your billing details",
    "Free tier allows 10 RPM, please wait or add a payment method",
    "429: concurrency of 2 exceeded; purchase more parallel slots",
]
EVERYDAY = [
    "SNS subscription arn could not be confirmed",
    "The reservation of memory on the node pool failed",
    "Error reading SSH protocol banner",
    "netty codec: DecoderException",
    "Availability zone b has no more room",
    "The receipt handle is not valid any more",
    "The reservation of the IP address could not be made",
    "The event bus dropped the subscription filter",
    "Kerberos ticket expired",
]
NO_SOUND = ["The upload has 0 bytes", "backlog length 0", "The XML file is empty", "took 0 seconds"]
ABGELAUFEN = {
    "Das Zeitlimit ist abgelaufen": "retry_if_idempotent",
    "Die Wartezeit ist abgelaufen": "retry_if_idempotent",
    "Die Antwortzeit ist abgelaufen": "retry_if_idempotent",
    "Das Zugriffstoken ist abgelaufen": "needs_credential",
    "Il token di accesso è scaduto": "needs_credential",
    "Die Sitzung ist abgelaufen": "needs_credential",
    "Le délai a expiré": "retry_if_idempotent",
    "Le jeton a expiré": "needs_credential",
    "O tempo expirou": "retry_if_idempotent",
}
REFUSED = [
    "Verbindungsaufbau abgelehnt",
    "Connexion refusée",
    "Conexión rehusada",
    "Conexão recusada",
    "Connessione rifiutata",
    "Verbinding geweigerd",
    "Połączenie odrzucone",
    "В соединении отказано",  # noqa: RUF001
    "Anslutning vägrades",
    "Bağlantı reddedildi",  # noqa: RUF001
    "Spojení odmítnuto",
    "接続が拒否されました",
    "连接被拒绝",
    "연결이 거부되었습니다",
    "تم رفض الاتصال",
    "forbindelsen blev afvist",
    "Verbinding is geweigerd",
    "Připojení bylo odmítnuto",
]


def disposition(reason: str, context: JsonObject | None = None) -> str:
    return diagnose(reason, context or {}).disposition.value


@pytest.mark.parametrize("reason", STALLS)
def test_a_run_that_stands_still_is_one_without_the_word(reason: str) -> None:
    diagnosis = diagnose(reason, {})
    assert (diagnosis.failure_type, diagnosis.disposition) == ("workflow_stall", "needs_repair")


@pytest.mark.parametrize("reason", CIRCUITS)
def test_an_open_circuit_closes_by_itself(reason: str) -> None:
    diagnosis = diagnose(reason, {})
    assert diagnosis.failure_type not in {FailureType.INVALID_SCHEMA, FailureType.VOICE_GENERATION_ERROR}
    assert diagnosis.disposition == "retry_after"


@pytest.mark.parametrize("reason", PASSING)
def test_a_passing_fault_of_infrastructure_passes(reason: str) -> None:
    assert disposition(reason) in RETRIES


@pytest.mark.parametrize("reason", PAGES)
def test_a_page_or_nothing_in_place_of_json_is_no_payload_to_repair(reason: str) -> None:
    assert disposition(reason) in RETRIES


@pytest.mark.parametrize("reason", TOO_LARGE)
def test_what_is_too_large_is_too_large_again(reason: str) -> None:
    assert disposition(reason, {"error": {"code": "RESOURCE_EXHAUSTED"}} if "grpc" in reason else None) not in RETRIES


@pytest.mark.parametrize("reason", UNDER_PRESSURE)
def test_a_breaker_of_memory_closes_by_itself_though_it_speaks_of_size(reason: str) -> None:
    assert disposition(reason) == "retry_after"


@pytest.mark.parametrize("reason", REQUIRED)
def test_what_is_required_and_no_field_is_no_schema(reason: str) -> None:
    diagnosis = diagnose(reason, {})
    assert diagnosis.failure_type is not FailureType.INVALID_SCHEMA
    assert diagnosis.disposition in {"needs_credential", "needs_person", "needs_money"}


@pytest.mark.parametrize("reason", ["'amount' is required", "The field is required", "email is required"])
def test_a_field_that_is_required_is_a_schema(reason: str) -> None:
    assert diagnose(reason, {}).failure_type is FailureType.INVALID_SCHEMA


@pytest.mark.parametrize("reason", UPSELL)
def test_a_limit_by_time_or_number_passes_whatever_is_offered_beside_it(reason: str) -> None:
    assert disposition(reason, {"error": {"http_status": 429}}) == "retry_after"


@pytest.mark.parametrize("reason", EVERYDAY)
def test_one_everyday_word_among_machines_decides_no_type(reason: str) -> None:
    assert diagnose(reason, {}).failure_type is FailureType.UNKNOWN


@pytest.mark.parametrize("reason", NO_SOUND)
def test_nothing_and_zero_are_no_voice(reason: str) -> None:
    assert diagnose(reason, {}).failure_type is not FailureType.VOICE_GENERATION_ERROR


@pytest.mark.parametrize(
    "reason",
    [
        "Unsupported parameter: 'max_tokens'",
        "max_tokens must be smaller than the context",
        "`max_tokens`: unknown parameter",
    ],
)
def test_a_parameter_named_max_tokens_is_no_truncated_answer(reason: str) -> None:
    assert disposition(reason, {"error": {"http_status": 400}}) not in RETRIES


def test_a_model_that_stopped_for_its_length_is_asked_again() -> None:
    assert disposition("no answer", {"error": {"body": {"choices": [{"finish_reason": "length"}]}}}) == "retry_now"
    assert disposition("no answer", {"error": {"body": {"stop_reason": "max_tokens"}}}) == "retry_now"


@pytest.mark.parametrize(
    "reason",
    [
        "API rate limit exceeded for installation ID 9",
        "Installation 77: secondary rate limit",
        "rate limit exceeded for user installation",
    ],
)
def test_an_installations_id_is_no_failed_install(reason: str) -> None:
    assert disposition(reason, {"error": {"http_status": 403}}) == "retry_after"


@pytest.mark.parametrize(("reason", "expected"), ABGELAUFEN.items())
def test_what_has_expired_may_be_a_time_or_a_credential(reason: str, expected: str) -> None:
    assert disposition(reason) == expected


@pytest.mark.parametrize("reason", REFUSED)
def test_connection_refused_is_read_in_the_languages_of_operating_systems(reason: str) -> None:
    diagnosis = diagnose(f"connect: {reason}", {})
    assert (diagnosis.failure_type, diagnosis.disposition) == ("api_timeout", "retry_now")


@pytest.mark.parametrize(
    "reason",
    [
        "O pedido continua em processamento há três dias",
        "le connecteur n'a plus donné signe de vie depuis 14 h",
        "任务已经跑了两天还没有结束",
        "ジョブが一晩中「実行中」のままです",
        "Zlecenie wisi od wczoraj w kolejce",
        "Nothing has been written to the output topic for 3 h, offset 4411 unchanged",
        "the export ran past its deadline and nobody stopped it",
    ],
)
def test_a_stall_is_one_in_any_words(reason: str) -> None:
    assert diagnose(reason, {}).failure_type is FailureType.WORKFLOW_STALL


@pytest.mark.parametrize("reason", ["le fichier audio fait 0 octet", "o áudio saiu mudo", "音声ファイルが空です"])
def test_a_voice_that_came_silent_is_made_again_in_any_language(reason: str) -> None:
    assert diagnose(reason, {}).failure_type is FailureType.VOICE_GENERATION_ERROR
    assert disposition(reason) in RETRIES


@pytest.mark.parametrize(
    "reason",
    [
        "poll 14: the render is not ready yet",
        "Das Video ist noch nicht fertig",
        "la imagen todavía no está lista",
        "結果はまだ準備ができていません",
    ],
)
def test_what_is_not_ready_yet_is_asked_for_later(reason: str) -> None:
    assert disposition(reason) == "retry_after"


def test_a_code_that_many_providers_have_speaks_for_the_type_of_none() -> None:
    told = diagnose("Error: InternalServerError: the request failed", {"error": {"type": "InternalServerError"}})
    assert told.failure_type is FailureType.UNKNOWN
