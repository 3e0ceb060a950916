"""Rules for transport: calls that timed out, connections that broke or were refused, what headers say of retrying."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import IF_IDEMPOTENT, LATER, NOW, PERSON, TIMEOUT
from consumer.model.http_status import Passing, statuses

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "timeout.word",
        6,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="timeout; timeouts",
        example="Request timeout",
    ),
    rule(
        "timeout.timed-out",
        8,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="timed|times|timing|time out; time outs",
        example="upstream timed out while reading the answer",
    ),
    rule(
        "timeout.deadline",
        8,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="deadline exceeded|passed|expired|reached; exceeded * deadline; before * deadline; deadline * exceeded",
        codes="grpc.4",
        example="rpc error: context deadline exceeded",
    ),
    rule(
        "timeout.too-long",
        5,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="""
            took|taking|takes|take too|very|so|extremely long; taking longer; takes longer; maximum allowed time; did
            not respond|answer|reply; didnt|never respond|answer|reply|responded|answered|replied; gave up
            waiting|after; no answer from; not respond|answer|reply in|within; no answer|response|reply
            within|after|in|for; not * timely response; no timely response; timely response; exceeded *
            time|execution|duration limit; time limit exceeded; exceeds * time limit; maximum execution time; response
            time exceeded; not responding; does not respond; doesnt respond; without a response|answer; in|within *
            time frame|window; within * allotted|allowed|expected|configured time|period; not|failed * in time; waited
            * seconds|minutes * response|answer|reply; waited * s|sec|seconds|minutes|ms; got|received|had|with no
            byte|bytes|answer|reply|response; no bytes * received|read|arrived
        """,
        example="The report service took too long",
    ),
    rule(
        "timeout.code",
        8,
        TIMEOUT,
        IF_IDEMPOTENT,
        codes="""
            ETIMEDOUT ESOCKETTIMEDOUT ReadTimeout ReadTimeoutError WriteTimeout SocketTimeoutException
            ServerTimeoutError SocketTimeoutError APITimeoutError UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT
            TimeoutException HttpTimeoutException CURLE_OPERATION_TIMEDOUT QueryCanceled QueryCanceledError 57014
            ERR_TIMED_OUT NSURLErrorTimedOut request_timeout RequestTimeout RequestTimeoutException DeadlineExceeded
            DEADLINE_EXCEEDED TimeoutError gateway_timeout ENDPOINT_TIMEOUT operation_timed_out LockWaitTimeout
            AbortError ExecutionTimeoutException
        """,
        example="fetch ESOCKETTIMEDOUT",
    ),
    rule(
        "timeout.status",
        5,
        TIMEOUT,
        IF_IDEMPOTENT,
        codes=statuses(Passing.TIMED_OUT),
        example="The export answered with status 524",
    ),
    rule(
        "timeout.curl",
        6,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="curl error 28; c url error 28; curl 28",
        example="cURL error 28: see the list of codes",
    ),
    rule(
        "timeout.connect",
        8,
        TIMEOUT,
        NOW,
        says="""
            tls|ssl handshake timeout|timed; handshake timeout|timed; connection attempt failed; connect timeout;
            connection timeout; connect timed out; pool timeout; timed|timeout out connecting; timed|time out *
            connecting|connect; connecting * timed out; websocket closed before; web socket closed before;
            closed before * could|can|was? connect|connected|established|opened; timeout while connecting; connect
            etimedout; timed out trying to connect; connection attempt timed out; establish * connection * timed out
        """,
        codes="""
            ConnectTimeout ConnectTimeoutError ConnectionTimeoutError PoolTimeout UND_ERR_CONNECT_TIMEOUT
            ConnectTimeoutException ConnectionPoolTimeoutException SQLTransientConnectionException
        """,
        example="Connection pool: connect timeout",
    ),
    rule(
        "network.cut",
        5,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="""
            connection reset; reset by peer; socket hang up; broken pipe; connection aborted|lost|dropped|terminated;
            remote end closed; server disconnected; premature|prematurely close|closed|end; connection was|is
            closed|lost|interrupted|reset|dropped|aborted; closed the connection; closed connection; connection
            closed; peer closed; unexpected eof; stream closed|reset|error; incomplete read|chunked; disconnect reset
            before headers; network connection was lost; transport failure|error; lost connection; i o error;
            connection unexpectedly closed; closed unexpectedly; connection error; eof; server closed idle connection;
            websocket closed|disconnected|error; web socket * closed|disconnected|error|failed|failure; stream
            refused; upstream reset; reset before response|headers; remote|local reset; ssl error syscall|zero; errno
            104|110|111|54|32|10054|10060|10061; connection termination; idle connection; http2|http 2 goaway|go_away;
            go away received|frame; connection draining
        """,
        codes="""
            ECONNRESET EPIPE ConnectionResetError RemoteProtocolError ReadError WriteError IncompleteRead
            ChunkedEncodingError ProtocolError RemoteDisconnected UND_ERR_SOCKET ECONNABORTED
            ServerDisconnectedError BrokenPipeError ConnectionAbortedError TransportError ConnectionClosedError
            ClientPayloadError WebSocketException LocalProtocolError NetworkError CloseError EOFException
            IncompleteReadError ResponseStreamingError ConnectionClosed HTTPClientError ResponseNotReady StreamError
            TransportException
        """,
        example="read ECONNRESET",
    ),
    rule(
        "network.not-reached",
        5,
        TIMEOUT,
        NOW,
        says="""
            connection refused; actively refused; refused the connection; refused to connect; no route to host;
            network|host is|was unreachable; network unreachable; host unreachable; name or service not known; name
            resolution; could|can not resolve; unable|failed|fails to resolve; failed|unable to resolve;
            cannot|couldnt|cant resolve; could not resolve; nodename nor servname; getaddrinfo; dns
            lookup|resolution|error|failure; new connection; unable|failed to connect; could|can not connect;
            cannot|cant|couldnt connect; connection could|can not|cannot be; network error; fetch failed; failed to
            fetch; unknown host; no such host; connection failed|failure; failed to establish; failed to reach;
            could not reach; immediate connect error; upstream connect error; failed to create subchannel
        """,
        codes="""
            ECONNREFUSED ConnectionRefusedError ConnectError NewConnectionError EHOSTUNREACH ENETUNREACH EAI_AGAIN
            ENOTFOUND NameResolutionError gaierror UnknownHostException ConnectionError APIConnectionError
            ClientConnectorError NoRouteToHostException ConnectException ERR_NAME_NOT_RESOLVED
            ERR_CONNECTION_REFUSED EndpointConnectionError ConnectionNotEstablished ProxyConnectionError ProxyError
            ClientConnectionError ConnectionFailure ServerSelectionTimeoutError OperationalError
            ClientConnectorDNSError ConnectorError ERR_NETWORK
        """,
        example="connect ECONNREFUSED",
    ),
    rule(
        "timeout.parameter",
        0,
        says="timeout seconds|ms|millis|sec|secs|minutes",
        example="The field timeout_ms looks odd",
    ),
    rule(
        "header.dump",
        0,
        says="""
            x rate limit|limits; x ratelimit; rate limit|ratelimit remaining|reset|policy; retry
            count|attempt|attempts
        """,
        example="Headers of the answer: x-rate-limit-limit 30",
    ),
    rule(
        "header.retry-after",
        6,
        None,
        LATER,
        codes="header.retry-after",
        example='{"error": {"retry_after": 20}}',
    ),
    rule(
        "header.retry",
        9,
        None,
        NOW,
        codes="header.should-retry.true",
        example='{"error": {"headers": {"x-should-retry": "true"}}}',
    ),
    rule(
        "header.no-retry",
        9,
        None,
        PERSON,
        says="""
            non retryable|retriable true|error|failure|exception; not retryable|retriable; nonretryable|nonretriable;
            do not retry; retryable|retriable false; is permanent; permanent failure|error; will not be retried;
            should not be retried; cannot be retried
        """,
        codes="header.should-retry.false retry.no",
        example='{"error": {"http_status": 503, "headers": {"x-should-retry": "false"}}}',
    ),
)
