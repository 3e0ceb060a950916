"""A 2xx that says that it failed, and one that is honest: both directions, through the one door of the room."""

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest

from consumer.heal.calls.body import content_of
from consumer.heal.calls.false_success import Sign, false_success
from consumer.heal.calls.false_success.asked import asked_by
from consumer.model.call import Answer
from schemas.context import RequestContext

JSON = "application/json"


def sign(
    body: Any = b"",  # noqa: ANN401
    kind: str = "",
    status: int = 200,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    asked: dict[str, Any] | None = None,
) -> Sign | None:
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = kind or ("" if isinstance(body, bytes | str) else JSON)
    told = (("Content-Type", kind), *headers) if kind else headers
    answer = Answer(status=status, headers=told, body=raw, truncated=False, elapsed=timedelta(0))
    request = {"method": "GET", "url": "https://a.example/v1/orders/17"} | (asked or {})
    return false_success(answer, content_of(answer), asked_by(RequestContext.model_validate(request)))


WRITES = {"method": "POST", "idempotency_key": "k", "body": {"n": 1}}
SEARCHES = {"method": "POST", "effect": "none", "body": {"q": 1}}

FAILED_ENVELOPES: tuple[Any, ...] = (
    {"success": "false"},
    {"success": False},
    {"success": 0},
    {"Success": "N"},
    {"isSuccess": False, "value": None},
    {"ok": False, "error": "ratelimited"},
    {"ok": 0.0, "errmsg": "not primary", "code": 10107},
    {"status": "error", "message": "no"},
    {"status": "fail", "data": {"title": "is required"}},
    {"status": "Failed"},
    {"status": "ERROR"},
    {"stat": "fail", "code": 98, "message": "Invalid auth token"},
    {"Ack": "Failure", "Errors": [{"ErrorCode": "10001"}]},
    {"result": "error", "error-type": "quota-reached"},
    {"Response": "False", "Error": "Movie not found!"},
    {"error": "invalid_grant", "error_description": "Bad refresh token"},
    {"error": True, "message": "x"},
    {"error": {"code": 14, "message": "unavailable"}},
    {"errors": [{"status": "422", "title": "Invalid"}], "jsonapi": {"version": "1.0"}},
    {"errors": {"name": ["is too short"]}},
    {"data": None, "errors": [{"message": "x"}]},
    {"data": {"order": None}, "errors": [{"message": "x", "path": ["order"]}], "extensions": {"cost": 1}},
    [{"data": {"a": 1}}, {"errors": [{"message": "x"}]}],
    {"data": {"orderCreate": {"order": None, "userErrors": [{"field": ["n"], "message": "x"}]}}},
    {"jsonrpc": "2.0", "error": {"code": -32603, "message": "x"}, "id": 1},
    [{"jsonrpc": "2.0", "result": 1, "id": 1}, {"jsonrpc": "2.0", "error": {"code": -32603}, "id": 2}],
    {"jsonrpc": "2.0", "id": 1, "result": {"isError": True, "content": [{"type": "text", "text": "x"}]}},
    {"odata.error": {"code": "", "message": {"value": "x"}}},
    {"__type": "com.amazon.coral.service#InternalFailure"},
    {"__type": "ThrottlingException", "message": "Rate exceeded"},
    {"Response": {"Error": {"Code": "InternalError", "Message": "x"}, "RequestId": "r"}},
    {"errorMessage": "x is not defined", "errorType": "ReferenceError", "trace": []},
    {"Message": "An error has occurred.", "ExceptionMessage": "x", "ExceptionType": "System.Exception"},
    {"fault": {"faultstring": "x", "detail": {"errorcode": "y"}}},
    {"exception": "moodle_exception", "errorcode": "x", "message": "y"},
    {"errcode": 40013, "errmsg": "invalid appid"},
    {"code": 500, "message": "x"},
    {"code": "500", "msg": "x", "data": None},
    {"code": 40001, "msg": "x", "data": None},
    {"code": "invalid_request", "message": "x"},
    {"statusCode": 503, "body": "", "headers": {}},
    {"timestamp": "t", "status": 500, "error": "Internal Server Error", "path": "/x"},
    {"type": "about:blank", "title": "Not Found", "status": 404},
    {"type": "error", "message": "x"},
    {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410},
    {"meta": {"code": 400, "error_type": "OAuthException"}},
    {"status": {"error_code": 1001, "error_message": "invalid key", "elapsed": 1}},
    {"results": [], "status": "OVER_QUERY_LIMIT"},
    {"results": [], "status": "REQUEST_DENIED", "error_message": "x"},
    {"message": "Internal server error"},
    {"message": "Endpoint request timed out"},
    {"detail": "Not found."},
    {"took": 3, "errors": True, "items": [{"index": {"status": 429}}]},
    {"responses": [{"id": "1", "status": 200, "body": {}}, {"id": "2", "status": 429, "body": {}}]},
    {"responses": [{"error": {"code": 3}}]},
    {"compositeResponse": [{"body": [], "httpStatusCode": 400, "referenceId": "a"}]},
    [{"code": 200, "body": "{}"}, {"code": 400, "body": "{}"}],
    {"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": []}}},
    {"result": {"success": False}},
    {"d": {"error": {"code": "x"}}},
    {"hasErrors": True, "results": []},
    {"status": False, "message": "x"},
    {"result": False, "msg": "x"},
    {"cod": "404", "message": "city not found"},
    {"resultCode": "9999", "resultMsg": "x"},
    {"non_field_errors": ["x"]},
    {"statusCode": 200, "body": '{"error": "x"}'},
    '{"success": false}',
    "error",
    {"name": "INTERNAL_SERVICE_ERROR", "message": "x", "debug_id": "d"},
    {"code": 404, "name": "Not Found", "description": "x"},
    {"status": "0", "error-text": "x"},
    {"o:errorDetails": [{"detail": "x"}], "status": 400, "title": "x"},
    {"detail": "Authentication credentials were not provided."},
    {"detail": [{"loc": ["body"], "msg": "x", "type": "missing"}]},
    {"errors": [{"extensions": {}}]},
    {"message": "401: Unauthorized", "code": 0},
    {"jsonrpc": "2.0", "id": None, "error": {"code": 200, "message": "Odoo Server Error"}},
    {"OrderCreateResponse": {"success": False}},
    {"Result": None, "ResponseMetadata": {"RequestId": "r", "Error": {"Code": "X", "Message": "m"}}},
    {"code": "-1", "message": "system busy"},
    {"object": "error", "status": 404, "code": "object_not_found", "message": "x"},
    {"candidates": [], "promptFeedback": {"blockReason": "SAFETY"}},
    {"Note": "Thank you for using this API! Our standard call frequency is 5 calls per minute"},
    {"Information": "The rate limit is 25 requests per day"},
    {"Message": "User is not authorized to access this resource"},
    {"message": "You are being rate limited.", "retry_after": 0.5, "global": False},
    {"message": "Request failed with status code 502"},
    {"message": "no Route matched with those values"},
    {"message": "upstream connect error or disconnect/reset before headers"},
    {"message": "You have exceeded the daily quota"},
    {"status": "1", "message": "NOTOK", "result": "x"},
    {"status": "unsuccessful"},
    {"resultCode": "Refused", "refusalReason": "x"},
    {"messages": {"resultCode": "Error", "message": [{"code": "E00027", "text": "x"}]}},
    {"Result": 12, "RespMsg": "Declined"},
    {"took": 30, "timed_out": True, "hits": {}, "_shards": {"total": 5, "failed": 0}},
    {"took": 30, "timed_out": False, "hits": {}, "_shards": {"total": 5, "successful": 3, "failed": 2}},
    {"FunctionError": "Unhandled", "Payload": "{}"},
    {"partialFailureError": {"code": 3, "message": "x"}, "results": [{}]},
    {"data": {"createOrder": {"__typename": "ValidationError", "message": "x"}}},
    {"estado": "error", "mensaje": "x"},
    {"erro": True, "mensagem": "x"},
    {"Fehler": {"Code": 5, "Text": "x"}},
    {"erreur": "jeton invalide"},
    {"exito": False, "codigo": "E5"},
    {"sucesso": False},
    {"acknowledged": False},
    {"apiStatus": "FAILURE"},
    {"httpCode": "503", "httpMessage": "Service Unavailable"},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]},
    {"type": "https://example.com/probs/out-of-credit", "title": "No credit", "detail": "x"},
    {"incomplete_results": True, "items": []},
    {"rows": [], "isPartial": True},
)


@pytest.mark.parametrize("asked", [{}, SEARCHES, WRITES], ids=["get", "search", "write"])
@pytest.mark.parametrize("body", FAILED_ENVELOPES, ids=json.dumps)
def test_an_envelope_that_says_that_it_failed_is_no_success(body: Any, asked: dict[str, Any]) -> None:  # noqa: ANN401
    assert sign(json.dumps(body), JSON, asked=asked) is not None


@pytest.mark.parametrize(
    "body",
    [
        {"id": "ch_1", "amount": 5, "status": "failed"},
        {"FailedRecordCount": 1, "Records": [{"ErrorCode": "Throttled"}]},
        {"FailedEntryCount": 2, "Entries": []},
        {"Successful": [], "Failed": [{"Id": "1", "Code": "x"}]},
        {"UnprocessedItems": {"t": [{}]}},
        {"multicast_id": 1, "success": 1, "failure": 1, "results": [{"error": "NotRegistered"}, {"message_id": "1"}]},
        [{"id": None, "success": False, "errors": [{"message": "x"}]}],
        {"id": 7, "errors": ["x"]},
        {"data": {"createIssue": {"issue": None, "errors": ["x"]}}},
        {"data": {"createIssue": {"success": False, "message": "x"}}},
        {"nInserted": 1, "writeErrors": [{"index": 1, "code": 11000, "errmsg": "dup"}], "ok": 1},
        {"kind": "inserted", "insertErrors": [{"index": 0, "errors": [{"reason": "invalid"}]}]},
        {"accepted": [], "rejected": ["a@b.example"], "response": "550"},
        {"messages": [{"status": "2", "error-text": "no key"}], "message-count": "1"},
        {"id": 9, "failure_code": "card_declined", "amount": 4},
        {"Message": "The request is invalid.", "ModelState": {"a": ["x"]}},
        {"aborted": True, "id": 2},
        {"tickets": [{"status": "error", "details": {"error": "NotRegistered"}}]},
        {"data": [{"error": "x"}, {"id": 1}]},
        {"outputs": [{"error": "x"}]},
    ],
    ids=json.dumps,
)
def test_what_a_call_with_an_effect_leaves_behind_has_not_failed(body: Any) -> None:  # noqa: ANN401
    assert sign(body, asked=WRITES) is not None


HONEST: tuple[Any, ...] = (
    {"id": 7, "state": "done"},
    {"error": None, "errors": [], "ok": True, "status": "done"},
    {"error": "", "errorCount": 0, "success": True},
    {"error": False, "data": {"id": 1}},
    {"error": {"code": 0, "message": "ok"}, "data": {}},
    {"errors": {"name": []}},
    {"error": "none"},
    {"errcode": 0, "errmsg": "ok", "access_token": "x"},
    {"errorCode": "0000", "errorMessage": "Success"},
    {"errorCode": 0, "errorMessage": "Das Konto wurde geladen"},
    {"code": 0, "msg": "", "data": {"id": 1}},
    {"code": 200, "message": "OK"},
    {"code": "SUCCESS", "message": "done", "data": None},
    {"code": "00000", "msg": "一切ok"},
    {"code": 1, "msg": "操作成功"},
    {"code": 1001, "msg": "x", "data": {"id": 4}},
    {"status": "success", "data": {"post": {"id": 1}}},
    {"status": "ok"},
    {"status": 200, "message": "fine"},
    {"status": 0},
    {"stat": "ok", "photos": {}},
    {"Ack": "Success"},
    {"results": [], "status": "ZERO_RESULTS"},
    {"jsonrpc": "2.0", "result": False, "id": 1},
    {"data": {"orderCreate": {"order": {"id": 1}, "userErrors": []}}},
    {"status": {"error_code": 0, "error_message": None, "credit_count": 1}, "data": {"BTC": {}}},
    {"responseHeader": {"status": 0, "QTime": 2}, "response": {"numFound": 0, "docs": []}},
    {"took": 1, "errors": False, "items": [{"index": {"status": 201}}]},
    {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": "s"}]},
    {"Successful": [{"Id": "1"}], "Failed": []},
    {"success": 2, "failure": 0, "results": [{"message_id": "1"}, {"message_id": "2"}]},
    {"success": 0, "failed": 0},
    {"responses": [{"id": "1", "status": 200, "body": {}}]},
    {"UnprocessedItems": {}},
    {"message": "Order created"},
    {"message": "ok"},
    {"access_token": "x", "token_type": "Bearer", "expires_in": 3600},
    {"__type": "Orders.Contracts.Order", "id": 1},
    {"id": 4, "code": 404, "name": "Not so"},
    {"valid": False, "reason": "too old"},
    {"status": True, "message": "saved"},
    {"result": False},
    {"statusCode": 200, "body": '{"id": 7}'},
    {"resultCode": "0000", "resultMsg": "OK"},
    {"code": "SAVE10", "description": "10 %"},
    {"code": 404, "name": "Widget", "description": "x"},
    {"error": {"code": 200, "message": "success"}},
    {"errors": [None, ""]},
    '{"id": 7}',
    {"enabled": False, "failed_logins": 3},
    {"title": "How to fail", "id": 3},
    {"errorRate": 0.2, "id": 3},
    {"object": "list", "data": [{"id": 1}], "has_more": False},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]},
    {"type": "https://schema.org/Book", "title": "x", "detail": "y"},
    {"incomplete_results": False, "items": []},
    {"choices": [{"finish_reason": "stop", "message": {"content": "x"}}]},
    {"object": "charge", "id": "ch", "failure_code": None, "failure_message": None},
    {"note": "Quota of seats: 5"},
    {"message": "Error budget review is on Friday", "id": 3},
    {"title": "Access denied", "year": 1999},
    {"messages": [{"status": "0", "message-id": "x"}], "message-count": "1"},
    {"data": {"createOrder": {"ok": True}, "order": {"__typename": "Order"}}},
    {"took": 3, "timed_out": False, "_shards": {"total": 5, "successful": 5, "failed": 0}, "hits": {}},
    {"completed": False, "id": 3, "title": "x"},
    {"rejected": [], "accepted": ["a"]},
    {"erro": False, "fehler": None, "dados": [1]},
    {"estado": "activo", "id": 3},
    {"codigo": "0", "mensaje": "ok"},
    {"nInserted": 2, "writeErrors": []},
    {"ResponseMetadata": {"RequestId": "x", "HTTPStatusCode": 200}},
    {"state": "throttled", "id": 1},
    {"type": "error_page", "id": 1, "path": "/x"},
    [],
    {},
    [{"id": 1}, {"id": 2}],
    "plain",
    7,
    None,
)


@pytest.mark.parametrize("asked", [{}, SEARCHES, WRITES], ids=["get", "search", "write"])
@pytest.mark.parametrize("body", HONEST, ids=json.dumps)
def test_an_honest_success_is_believed(body: Any, asked: dict[str, Any]) -> None:  # noqa: ANN401
    assert sign(json.dumps(body), JSON, asked=asked) is None


@pytest.mark.parametrize("asked", [{}, SEARCHES], ids=["get", "search"])
@pytest.mark.parametrize(
    "body",
    [
        {"id": 17, "status": "failed"},
        {"order_id": 17, "status": "failed", "amount": "12.00"},
        {"id": 17, "state": "error", "items": [1]},
        {"id": "job-1", "status": "failed", "error": {"code": "out_of_memory", "message": "x"}},
        {"name": "operations/1", "done": True, "error": {"code": 13, "message": "x"}},
        {"id": 3, "tests": 12, "failures": 2, "errors": 0, "failed": 2},
        {"run": "r1", "failed": True},
        {"orders": [{"id": 1, "status": "failed"}]},
        {"data": {"id": 17, "status": "failed"}},
        {"data": [{"id": 17, "status": "failed", "error": "x"}]},
        {"items": [{"id": 1, "success": False, "error": "x"}], "total": 1},
        [{"id": 1, "status": "failed", "error": "declined"}],
        {"check": "https://b.example", "statusCode": 503},
        {"id": 9, "url": "https://b.example", "status": 503},
        {"id": "pay_1", "result": "failed"},
        {"state": "failed"},
        {"requests": 5, "errors": 3},
    ],
    ids=json.dumps,
)
def test_a_resource_that_was_asked_for_may_itself_have_failed(body: Any, asked: dict[str, Any]) -> None:  # noqa: ANN401
    assert sign(body, asked=asked) is None


@pytest.mark.parametrize(
    ("expect", "believed"),
    [
        ({"json": [{"path": "/status", "equals": "error"}]}, True),
        ({"json": [{"path": "/message", "exists": True}]}, False),
        ({"schema": {"type": "object", "properties": {"status": {"enum": ["error", "open"]}}}}, True),
        ({"schema": {"type": "object"}}, False),
    ],
)
def test_what_the_caller_says_of_a_member_decides(expect: dict[str, Any], *, believed: bool) -> None:
    assert (sign({"status": "error", "message": "x"}, asked={"expect": expect}) is None) is believed


FAULT = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>{}<e:Body>{}</e:Body></e:Envelope>"
FAULT_12 = (
    '<?xml version="1.0" encoding="utf-8"?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body>'
    "<env:Fault><env:Code><env:Value>env:Receiver</env:Value></env:Code></env:Fault></env:Body></env:Envelope>"
)


@pytest.mark.parametrize("asked", [{}, SEARCHES, WRITES], ids=["get", "search", "write"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/xml", FAULT.format("", "<e:Fault><faultcode>e:Server</faultcode></e:Fault>")),
        ("text/xml; charset=utf-8", FAULT.format("<e:Header/>", "<!-- x --><e:Fault><faultcode/></e:Fault>")),
        ("application/soap+xml", FAULT_12),
        ("", FAULT_12),
        ("text/plain", FAULT_12),
        (
            'multipart/related; type="application/xop+xml"',
            f"--b\r\nContent-Type: application/xop+xml\r\n\r\n{FAULT_12}\r\n--b--",
        ),
        ("text/xml", "<methodResponse><fault><value/></fault></methodResponse>"),
        ("application/xml", "<Error><Code>InternalError</Code><Message>x</Message></Error>"),
        (
            "application/xml",
            '<?xml version="1.0"?>\n<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>',
        ),
        ("application/xml", "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key></Error></DeleteResult>"),
        ("application/xml", '<rsp stat="fail"><err code="98" msg="x"/></rsp>'),
        ("application/xml", '<response status="error"><message>x</message></response>'),
        ("application/xml", "<response><success>false</success></response>"),
        ("application/xml", "<xml><return_code>FAIL</return_code></xml>"),
        ("application/xml", "<ServiceExceptionReport><ServiceException/></ServiceExceptionReport>"),
        ("text/xml", '<problem xmlns="urn:ietf:rfc:7807"><title>x</title></problem>'),
        ("application/xml", "<OAI-PMH><error code='badArgument'>x</error></OAI-PMH>"),
        ("text/xml", FAULT.format("", "<m:doItResponse xmlns:m='urn:x'><m:success>false</m:success></m:doItResponse>")),
        ("text/xml", "<cXML><Response><Status code='500' text='x'/></Response></cXML>"),
        ("application/xml", "<a><b>1</b"),
        ("application/xml", "down for a while"),
    ],
)
def test_xml_that_says_that_it_failed_is_no_success(kind: str, body: str, asked: dict[str, Any]) -> None:
    assert sign(body, kind, asked=asked) is not None


@pytest.mark.parametrize("asked", [{}, SEARCHES], ids=["get", "search"])
@pytest.mark.parametrize(
    "body",
    [
        FAULT.format("", "<m:GetOrderResponse xmlns:m='urn:x'><m:id>7</m:id></m:GetOrderResponse>"),
        FAULT.format("", "<m:r xmlns:m='urn:x'><![CDATA[<e:Fault><faultcode/></e:Fault>]]></m:r>"),
        FAULT.format("", "<m:List xmlns:m='urn:x'><m:Fault>a fault of the line</m:Fault></m:List>"),
        '<order status="failed"><id>7</id></order>',
        "<order><id>7</id><status>failed</status></order>",
        '<rsp stat="ok"><photos/></rsp>',
        FAULT.format("", "<m:get xmlns:m='urn:x'><m:payment><m:success>false</m:success></m:payment></m:get>"),
        "<order><item><status code='404'/></item></order>",
        "<response><errors/><success>true</success></response>",
        "<response><error>0</error><errorCode>0</errorCode></response>",
        '<response><error code="0"/></response>',
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>x</a>',
        "<ListBucketResult><Name>b</Name></ListBucketResult>",
        "<rss><channel><title>Errors</title></channel></rss>",
    ],
)
def test_honest_xml_is_believed(body: str, asked: dict[str, Any]) -> None:
    assert sign(body, "text/xml", asked=asked) is None


def test_a_document_with_entities_is_read_no_further() -> None:
    laughs = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
    assert sign(laughs, "application/xml") is not None  # nothing of it was read: it does not say that it worked


CHUNK = 'data: {"object": "chat.completion.chunk", "choices": []}\n\n'


@pytest.mark.parametrize(
    "body",
    [
        'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
        "event: error\r\ndata: x\r\n\r\n",
        'data: {"error": {"message": "x"}}\n\n',
        f"{CHUNK}data: " + '{"error": {"message": "x"}}\n\n',
        'event: message\ndata: {"id": 1}\n\nevent:error\ndata: no\n\n',
        'data: {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603}}\n\n',
        'event: thread.run.failed\ndata: {"id": "r"}\n\n',
        'data: {"type": "response.failed", "response": {}}\n\n',
        CHUNK,
        'event: message_start\ndata: {"type": "message_start"}\n\n',
        ": ping\n\n",
        "",
    ],
)
def test_a_stream_of_events_that_has_an_error_or_no_end_is_no_success(body: str) -> None:
    assert sign(body, "text/event-stream", asked=SEARCHES) is not None


@pytest.mark.parametrize(
    "body",
    [
        'data: {"id": 1}\n\n',
        f"{CHUNK}data: [DONE]\n\n",
        'data: {"type": "message_start"}\n\ndata: {"type": "message_stop"}\n\n',
        "data: plain text\n\ndata: that ends",
        'event: order\ndata: {"id": 7, "status": "failed"}\n\n',
        'data: {"choices": [], "error": null}\n\n',
    ],
)
def test_an_honest_stream_of_events_is_believed(body: str) -> None:
    assert sign(body, "text/event-stream", asked=SEARCHES) is None


@pytest.mark.parametrize(
    ("kind", "body", "failed"),
    [
        ("application/x-ndjson", '{"status": "Pulling"}\n{"error": "denied", "errorDetail": {"message": "x"}}\n', True),
        (JSON, '{"status": "Pulling"}\n{"error": "denied", "errorDetail": {"message": "x"}}\n', True),
        ("text/plain", '{"status": "Pulling"}\n{"error": "denied"}\n', True),
        ("application/jsonl", '{"id": 1}\n{"id"', True),
        ("application/json-seq", '\x1e{"id": 1}\n\x1e{"error": "x"}\n', True),
        ("application/stream+json", '{"id": 1}\n{"error": "x"}\n{"a": 2}', True),
        (JSON, '{"status": "Pulling"}\n{"status": "done"}\n', False),
        ("application/x-ndjson", '{"id": 1}\n{"id": 2, "status": "failed", "error": "x"}\n', False),
        ("application/x-ndjson", "", False),
        ("text/plain", "[info] up\n[info] down", False),
    ],
)
def test_lines_of_json_end_well_or_not(kind: str, body: str, *, failed: bool) -> None:
    assert (sign(body, kind) is not None) is failed


def frame(flag: int, data: bytes) -> bytes:
    return bytes([flag]) + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    ("kind", "body", "headers", "failed"),
    [
        ("application/grpc", b"", {"grpc-status": "14"}, True),
        ("application/grpc+proto", b"", {"Grpc-Status": "2", "grpc-message": "x"}, True),
        ("application/grpc", frame(0, b"x"), {}, True),
        ("application/grpc", frame(0, b"x"), {"grpc-status": "0"}, False),
        ("application/grpc-web+proto", frame(0, b"x") + frame(128, b"grpc-status:13\r\ngrpc-message:x\r\n"), {}, True),
        ("application/grpc-web+proto", frame(0, b"x") + frame(128, b"grpc-status: 0\r\n"), {}, False),
        ("application/grpc-web", frame(0, b"x"), {}, True),
        (
            "application/grpc-web-text",
            b64encode(frame(0, b"x")) + b64encode(frame(128, b"grpc-status:14\r\n")),
            {},
            True,
        ),
        (
            "application/grpc-web-text",
            b64encode(frame(0, b"x")) + b64encode(frame(128, b"grpc-status:0\r\n")),
            {},
            False,
        ),
        ("application/connect+json", frame(0, b"{}") + frame(2, b'{"error": {"code": "unavailable"}}'), {}, True),
        ("application/connect+json", frame(0, b"{}") + frame(2, b"{}"), {}, False),
        ("application/connect+json", frame(0, b"{}"), {}, True),
        (JSON, b"{}", {"grpc-status": "5"}, True),
    ],
)
def test_the_status_of_grpc_is_read_where_it_stands(
    kind: str, body: bytes, headers: dict[str, str], *, failed: bool
) -> None:
    assert (sign(body, kind, headers=tuple(headers.items()), asked=SEARCHES) is not None) is failed


@pytest.mark.parametrize(
    "kind", ["application/problem+json", "application/problem+xml", "application/problem+json; charset=utf-8"]
)
def test_a_problem_is_no_success(kind: str) -> None:
    assert sign(b'{"title": "x"}', kind) is not None


@pytest.mark.parametrize(
    ("header", "failed"),
    [
        (("X-Amz-Function-Error", "Unhandled"), True),
        (("x-amzn-ErrorType", "InternalFailure"), True),
        (("x-ms-error-code", "ServerBusy"), True),
        (("X-Error", "true"), True),
        (("X-Error-Message", "broken"), True),
        (("X-Api-Error-Code", "17"), True),
        (("X-Exception", "NullPointerException"), True),
        (("Status", "500 Internal Server Error"), True),
        (("X-Status-Code", "503"), True),
        (("X-Cache", "Error from cloudfront"), True),
        (("Warning", '111 - "Revalidation failed"'), True),
        (("Warning", '110 anderson/1.3.37 "Response is stale"'), True),
        (("X-Partial-Response", "true"), True),
        (("Status", "200 OK"), False),
        (("X-Error", "0"), False),
        (("X-Error-Code", "none"), False),
        (("X-Cache", "Miss from cloudfront"), False),
        (("Warning", '299 - "Deprecated API"'), False),
        (("Access-Control-Expose-Headers", "X-Error"), False),
        (("X-Error-Reporting-Url", "https://x.example"), False),
        (("grpc-status", "0"), False),
    ],
)
def test_headers_that_tell_a_failure_are_read(header: tuple[str, str], *, failed: bool) -> None:
    assert (sign({"id": 7}, headers=(header,)) is not None) is failed


ACCEPTS_JSON = {"headers": {"accept": "application/json"}}


@pytest.mark.parametrize(
    ("body", "kind", "asked", "failed"),
    [
        (b"", JSON, {}, True),
        (b"  \n", JSON, {"method": "PUT", "body": {}}, True),
        (b"Down for maintenance", "text/plain", ACCEPTS_JSON, True),
        (b'{"id": 7, "state": "do', "", ACCEPTS_JSON, True),
        (b'{"id": 7, "state": "do', "", {}, True),
        (b'{"id": 7, "state": "do', JSON, {}, True),
        (b"", "", ACCEPTS_JSON, True),
        (b"\xff\xd8\xff", "image/jpeg", ACCEPTS_JSON, True),
        (b"<html><p>x", "text/html", ACCEPTS_JSON, True),
        (b"<html><p>x", "text/html", {"headers": {"accept": "application/json, */*"}}, True),
        (b"<html><p>x", "text/html", WRITES, True),
        (b"<html><p>x", "text/html", {"headers": {"SOAPAction": "x"}}, True),
        (b"<html><p>x", "image/png", {}, True),
        (b'{"detail": "x"}', "audio/mpeg", {}, True),
        (b'{"message": "x"}', JSON, {"headers": {"accept": "audio/mpeg"}}, True),
        (b"", "", {"headers": {"accept": "image/png"}}, True),
        (b"ok", "text/plain", {"headers": {"accept": "application/json, text/plain, */*"}}, False),
        (b"17", "text/plain", ACCEPTS_JSON, False),
        (b'"ok"', "", ACCEPTS_JSON, False),
        (b'{"id": 1}', "text/plain", ACCEPTS_JSON, False),
        (b'{"id": 1}', "application/vnd.github+json", ACCEPTS_JSON, False),
        (b"", "", ACCEPTS_JSON | {"method": "DELETE"}, False),
        (b"", JSON, {"method": "DELETE"}, False),
        (b"", JSON, {"method": "HEAD"}, False),
        (b"", "", {}, False),
        (b"", "", WRITES, False),
        (b"a,b\n1,2\n", "text/csv", {"headers": {"accept": "text/csv"}}, False),
        (b"<svg/>", "image/svg+xml", {}, False),
        (b"\x89PNG", "image/png", {"headers": {"accept": "image/*"}}, False),
        (b"[12:00] started", "", {}, False),
        (b"<html><h1>Welcome</h1>", "text/html", {}, False),
        (b"<html><p>x", "text/html", {"headers": {"accept": "text/html, application/json"}}, False),
    ],
)
def test_what_came_is_what_was_asked_for(body: bytes, kind: str, asked: dict[str, Any], *, failed: bool) -> None:
    assert (sign(body, kind, asked=asked) is not None) is failed


@pytest.mark.parametrize(
    ("status", "headers", "asked", "failed"),
    [
        (204, (), ACCEPTS_JSON, False),
        (201, (("Location", "/orders/17"),), ACCEPTS_JSON | WRITES, False),
        (202, (), WRITES, False),
        (202, (("Location", "/jobs/1"),), WRITES, True),
        (202, (("Operation-Location", "/jobs/1"),), WRITES, True),
        (202, (("Link", '</jobs/1>; rel="monitor"'),), WRITES, True),
        (202, (("Location", "/jobs/1"),), WRITES | {"expect": {"status": 202}}, False),
        (206, (("Content-Range", "bytes 0-9/20"),), {}, True),
        (206, (("Content-Range", "bytes 0-9/10"),), {}, False),
        (206, (("Content-Range", "bytes 0-9/20"),), {"headers": {"Range": "bytes=0-9"}}, False),
        (200, (("Content-Range", "bytes 10-19/20"),), {}, True),
        (207, (), WRITES, True),
        (207, (), WRITES | {"expect": {"status": [200, 207]}}, False),
        (218, (), {}, True),
    ],
)
def test_a_2xx_that_is_not_the_whole_is_no_proof(
    status: int, headers: tuple[tuple[str, str], ...], asked: dict[str, Any], *, failed: bool
) -> None:
    found = sign(b"", "", status, headers=headers, asked=asked)
    assert (found is not None) is failed
    assert found is None or not found.sure


MULTI = '<D:multistatus xmlns:D="DAV:"><D:response><D:href>/a</D:href>{}</D:response></D:multistatus>'


@pytest.mark.parametrize(
    ("body", "kind", "asked", "failed"),
    [
        ([{"id": 1, "status": 201}, {"id": 2, "status": 201}], JSON, WRITES, False),
        ([{"id": 1, "status": 201}, {"id": 2, "status": 409}], JSON, WRITES, True),
        ({"results": [{"status": 200}, {"status": "404 Not Found"}]}, JSON, WRITES, True),
        ({"items": [{"id": 1}]}, JSON, WRITES, True),
        ({"items": [{"id": 1}]}, JSON, WRITES | {"expect": {"json": [{"path": "/items", "exists": True}]}}, False),
        (MULTI.format("<D:status>HTTP/1.1 423 Locked</D:status>"), "application/xml", {"method": "DELETE"}, True),
        (MULTI.format("<D:status>HTTP/1.1 200 OK</D:status>"), "application/xml", {"method": "DELETE"}, False),
        (
            MULTI.format("<D:propstat><D:prop/><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"),
            "application/xml",
            {"method": "PROPFIND", "effect": "none"},
            False,
        ),
    ],
)
def test_a_multi_status_is_judged_part_by_part(body: Any, kind: str, asked: dict[str, Any], *, failed: bool) -> None:  # noqa: ANN401
    assert (sign(body, kind, 207, asked=asked) is not None) is failed


PAGE = "<!doctype html><html><head><title>{}</title></head><body>{}</body></html>"


@pytest.mark.parametrize(
    ("title", "body", "asked", "failed"),
    [
        ("Sign in | Acme", "", {}, True),
        ("Login", "", {}, True),
        ("Acme", '<form><input name="p" type="password"></form>', {}, True),
        ("Acme", '<form method="post"><input type="hidden" name="SAMLRequest" value="x"></form>', {}, True),
        ("Guest WiFi Login", "<!-- <WISPAccessGatewayParam> -->", {}, True),
        ("503 Service Temporarily Unavailable", "", {}, True),
        ("502 Bad Gateway", "", {}, True),
        ("Error", "", {}, True),
        ("Acme - Scheduled maintenance", "", {}, True),
        ("Just a moment...", "", {}, True),
        ("Attention Required! | Cloudflare", "", {}, True),
        ("Report", "<br />\n<b>Fatal error</b>:  Uncaught x in /var/www", {}, True),
        ("Sign in | Acme", '<input type="password">', {"url": "https://a.example/login"}, False),
        ("Handling errors in Go", "", {}, False),
        ("Maintenance contracts", "", {}, False),
        ("Orders | Acme", "<h1>Error rates</h1>", {}, False),
        ("Terror in literature", "", {}, False),
    ],
)
def test_a_page_in_the_place_of_another_is_no_success(
    title: str, body: str, asked: dict[str, Any], *, failed: bool
) -> None:
    assert (sign(PAGE.format(title, body), "text/html; charset=utf-8", asked=asked) is not None) is failed


@pytest.mark.parametrize(
    ("body", "kind", "failed"),
    [
        ("error=bad_verification_code&error_description=x", "application/x-www-form-urlencoded", True),
        ("ACK=Failure&L_ERRORCODE0=10002", "application/x-www-form-urlencoded", True),
        ("access_token=x&token_type=bearer", "application/x-www-form-urlencoded", False),
        ("Service Unavailable", "text/plain", True),
        ("Internal Server Error\n", "", True),
        ("ERROR: relation does not exist", "text/plain", True),
        ("OK", "text/plain", False),
        ("FAIL", "text/plain", True),
        (')]}\'\n{"error": "x"}', "text/plain", True),
        (')]}\',\n{"id": 7}', "text/plain", False),
        (
            '--b\r\nContent-Type: application/json\r\n\r\n{"errors": [{"message": "x"}]}\r\n--b--',
            "multipart/mixed",
            True,
        ),
        ('--b\r\nContent-Type: application/json\r\n\r\n{"data": {"id": 7}}\r\n--b--', "multipart/mixed", False),
        ("errors: none", "text/plain", False),
        (
            "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n--b--",
            "multipart/mixed; boundary=b",
            True,
        ),
        (
            "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n--b--",
            "multipart/mixed; boundary=b",
            False,
        ),
    ],
)
def test_texts_forms_and_bundles_are_read(body: str, kind: str, *, failed: bool) -> None:
    assert (sign(body, kind) is not None) is failed


def test_a_fault_in_utf_16_is_read() -> None:
    assert sign(("\ufeff" + FAULT_12).encode("utf-16-le"), "application/soap+xml; charset=utf-16") is not None


@pytest.mark.parametrize("status", [301, 404, 500])
def test_another_status_that_the_caller_expects_is_believed(status: int) -> None:
    assert sign({"error": "gone"}, JSON, status) is None


def test_a_hostile_body_is_read_within_a_bound() -> None:
    deep: Any = {"error": None}
    for _ in range(60):
        deep = {"data": deep, "response": [deep] * 2} if len(json.dumps(deep)) < 100_000 else {"data": deep}
    assert sign(deep) is None
    assert sign("<a>" * 10_000, "application/xml") is not None
    assert sign("<title " * 50_000 + "<input " * 50_000, "text/html") is None
    assert sign('{"a": 1}\n' * 50_000, "application/x-ndjson") is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", "no healthy upstream"),
        ("text/plain", "upstream request timeout"),
        ("text/plain", "default backend - 404"),
        ("text/plain", "404 page not found"),
        ("text/plain", "An error occurred while processing your request."),
        ("text/plain", "Too many connections"),
        ("text/plain", "Rate limit exceeded"),
        ("text/plain", "Forbidden."),
        ("text/plain", "[ERROR] no such job"),
        ("text/plain", "ERR invalid argument"),
        ("text/plain", "java.lang.NullPointerException\n\tat com.example.Orders.read(Orders.java:5)"),
        ("text/plain", "Warning: connect(): Connection refused in /srv/www/index.php on line 3"),
        ("text/html", "<br />\n<b>Warning</b>:  connect(): refused"),
        ("text/html", "<html><head><title>We'll be right back</title></head></html>"),
        ("text/html", "<html><head><title>Site under maintenance</title></head></html>"),
        ("text/html", "<html><body><h1>Oops! Something went wrong</h1></body></html>"),
        ("text/html", "<html><title>Pardon Our Interruption</title></html>"),
        ("text/html", "<html><title>Error 1020</title></html>"),
        ("text/html", "<html><script>window.location = 'https://id.example/sso/login'</script></html>"),
        ("text/html", "<h1>502 Bad Gateway</h1>"),
        ("text/html", "<center><h1>504 Gateway Time-out</h1></center>"),
        ("text/html", "<pre>Cannot GET /v1/orders</pre>"),
        ("text/html", "<html><body><h1>Whitelabel Error Page</h1></body></html>"),
        ("text/html", "<html><title>Apache Tomcat - Error report</title></html>"),
        ("text/html", "<html><title>Your session has timed out</title></html>"),
        ("text/html", "<html><title>Checking your browser before accessing</title></html>"),
        ("text/html", "<html><title>Welcome to nginx!</title></html>"),
        ("text/html", "<html><title>Account Suspended</title></html>"),
        ("text/plain", "Cannot POST /v1/orders"),
        ("text/event-stream", "data: [ERROR] overloaded\n\n"),
        ("application/javascript", 'cb({"error": "x"})'),
        ("application/javascript", '/**/ app.done({"success": false});'),
        ("application/x-www-form-urlencoded", "RESULT=12&RESPMSG=Declined"),
        ("application/x-www-form-urlencoded", "response=2&responsetext=DECLINE"),
    ],
)
def test_a_text_or_page_of_a_failure_is_no_success(kind: str, body: str) -> None:
    assert sign(body, kind) is not None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", "healthy"),
        ("text/plain", "Too many cooks is a show."),
        ("text/plain", "Rate limits are told at /docs."),
        ("text/plain", "Forbidden fruit, a poem"),
        ("text/plain", "2024-05-01 Error: x happened. Log of yesterday"),
        ("text/html", "<html><title>Car maintenance tips</title></html>"),
        ("text/html", "<html><title>Welcome back</title></html>"),
        ("text/html", "<p>Error budgets, explained</p>"),
        ("text/html", "<b>Forbidden fruit</b>, a poem"),
        ("text/html", "<html><title>Sorry: a novel</title></html>"),
        ("text/html", "<html><title>Home</title><body><b>Warning</b>: hot</body></html>"),
        ("text/html", "<html><title>Orders</title><script>location.hash = 'x'</script></html>"),
        ("text/event-stream", "data: hello\n\n"),
        ("application/javascript", 'cb({"id": 1});'),
    ],
)
def test_an_honest_text_or_page_is_believed(kind: str, body: str) -> None:
    assert sign(body, kind) is None


@pytest.mark.parametrize(
    ("name", "lie", "honest"),
    [
        ("X-Upstream-Status", "503", "200"),
        ("X-Backend-Status", "502 Bad Gateway", "204"),
        ("X-Response-Status-Code", "500", "201"),
        ("X-Success", "false", "true"),
        ("X-Result", "FAILED", "ok"),
        ("X-Rate-Limited", "true", "false"),
        ("X-Maintenance", "1", "0"),
        ("X-Envoy-Overloaded", "true", ""),
        ("X-Cache-Status", "500", "HIT"),
    ],
)
def test_a_header_that_tells_of_a_failure_is_read(name: str, lie: str, honest: str) -> None:
    assert sign({"id": 1}, headers=((name, lie),)) is not None
    assert sign({"id": 1}, headers=((name, honest),)) is None


@pytest.mark.parametrize(
    ("address", "body", "believed"),
    [
        ("quotes/7/reject", {"id": 7, "status": "rejected"}, True),
        ("quotes/7/reject", {"status": "rejected"}, True),
        ("quotes/7", {"status": "rejected"}, False),
        ("invites/7/decline", {"message": "Invitation declined"}, True),
        ("invites/7/accept", {"message": "Invitation declined"}, False),
        ("requests/7:deny", {"message": "Request denied"}, True),
        ("identities/7", {"message": "Request denied"}, False),
        ("jobs/7/fail", {"id": 7, "state": "failed"}, True),
        ("failovers/7", {"id": 7, "state": "failed"}, False),
    ],
)
def test_what_the_call_was_there_to_bring_about_is_no_failure(address: str, body: Any, *, believed: bool) -> None:  # noqa: ANN401
    asked = WRITES | {"url": f"https://a.example/v1/{address}"}
    assert (sign(body, asked=asked) is None) is believed


def test_a_state_that_the_call_itself_has_sent_is_no_failure() -> None:
    sent = {"method": "PUT", "body": {"state": "failed", "note": "x"}}
    assert sign({"id": 7, "state": "failed"}, asked=sent) is None
    assert sign({"id": 7, "state": "error"}, asked=sent) is not None
    assert sign({"state": "failed", "message": "x"}, asked=sent) is not None  # nothing in it but how the call went


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        ("Failed jobs were cleared", True),
        ("Errors have been resolved", True),
        ("Failed items: 0", True),
        ("Timeout set to 30 s", True),
        ("Fehler behoben", True),
        ("订单已取消", True),
        ("Nothing to do", True),
        ("The order could not be saved", False),
        ("Token expired", False),
        ("Benutzer nicht gefunden", False),
        ("操作失败", False),
        ("처리 실패", False),
    ],
)
def test_a_message_alone_is_judged_by_what_it_says(said: str, *, believed: bool) -> None:
    assert (sign({"message": said}, asked=WRITES) is None) is believed
    assert (sign(said, "text/plain", asked=WRITES) is None) is believed
