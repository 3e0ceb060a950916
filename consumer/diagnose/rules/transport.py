"""Rules for transport: calls that timed out, whose connection or answer broke, or that were rate-limited."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import IF_IDEMPOTENT, LATER, NOW, PERSON, SCHEMA, TIMEOUT
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
            took|taking|takes|take too|very|so|extremely long; taking longer; takes longer; maximum allowed time;
            did not respond|answer|reply; didnt|never respond|answer|reply|responded|answered|replied; gave up
            waiting|after; no answer from; not respond|answer|reply in|within; no answer|response|reply
            within|after|in|for; not * timely response; no timely response; timely response; exceeded *
            time|execution|duration limit; time limit exceeded; exceeds * time limit; maximum execution time;
            response time exceeded; not responding; does not respond; doesnt respond; without a response|answer
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
            connecting|connect; connecting * timed out; timeout while connecting; connect etimedout; timed out
            trying to connect; connection attempt timed out; establish * connection * timed out
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
            connection reset; reset by peer; socket hang up; broken pipe; connection
            aborted|lost|dropped|terminated; remote end closed; server disconnected; premature|prematurely
            close|closed|end; connection was|is closed|lost|interrupted|reset|dropped|aborted; closed the
            connection; closed connection; connection closed; peer closed; unexpected eof; stream
            closed|reset|error; incomplete read|chunked; disconnect reset before headers; network connection was
            lost; transport failure|error; lost connection; i o error; connection unexpectedly closed; closed
            unexpectedly; connection error
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
            ClientConnectorDNSError ConnectorError
        """,
        example="connect ECONNREFUSED",
    ),
    rule(
        "server.error",
        4,
        None,
        IF_IDEMPOTENT,
        says="""
            invalid|bad|unexpected response status; bad gateway; internal server error; gateway error; server error;
            something went wrong on our end|side; internal failure; internal service error; upstream error; error on
            our end; unexpected server error; an internal error; internal error; unexpected error on the server;
            code internal|unknown desc; status code internal|unknown
        """,
        codes=statuses(Passing.FAILED)
        + """
            grpc.13 grpc.2 grpc.15
            InternalServerError InternalServerErrorException InternalServerException InternalFailure InternalError
            InternalErrorException ServerError ServiceException internal_error server_error api_error APIError
            InternalServiceError InternalServiceException ServiceFailureException ServerException
            ServiceErrorException InternalServiceFault InternalServiceErrorException InternalFailureException
            upstream_error BadGateway ServerErrorException InternalServiceFailureException RemoteServiceException
            INTERNAL DependencyException FailureByQueryException
        """,
        example="The ledger answered HTTP 502",
    ),
    rule(
        "server.html",
        5,
        None,
        IF_IDEMPOTENT,
        holds="""
            unexpected token <; unexpected token '<'; unexpected token "<"; <!doctype; <html; token < in json;
            unexpected character '<'
        """,
        against=(SCHEMA,),
        example="SyntaxError: Unexpected token < in JSON at position 0",
    ),
    rule(
        "server.busy",
        6,
        None,
        LATER,
        says="""
            service|server|temporarily|currently|is|are|model|engine|backend unavailable; temporary unavailable; not
            available at the moment; overloaded; overload; under maintenance; maintenance mode|window; try again
            later; at|over capacity; capacity exceeded; no healthy upstream; system|server|engine|service is? busy;
            is busy; server is? busy; high demand|load|traffic; model is loading; is currently loading; try again
            in; retry later; insufficient|not enough capacity; service is not ready; heavy load; unavailable
            exception|error|fault; not ready exception|error
        """,
        codes="""
            grpc.14 UNAVAILABLE ServiceUnavailable ServiceUnavailableError ServiceUnavailableException
            overloaded_error system_busy ServiceQuotaUnavailable capacity_exceeded model_overloaded
            engine_overloaded ModelNotReadyException server_busy InsufficientCapacityException OverloadedException
            InsufficientInstanceCapacity temporarily_unavailable ServiceUnavailableFault ModelTimeoutException
            InsufficientThroughputCapacityException CapacityExceededException ServerBusy
            MemoryLimitExceededException StreamSessionAccessNotReadyException
        """,
        example="The backend is at capacity",
    ),
    rule(
        "server.throttled",
        7,
        None,
        LATER,
        says="""
            rate limit|limits|limited|limiting|exceeded; too many requests|concurrent|connections|calls|messages;
            throttled|throttling|throttle|throttles; slow down; request limit; requests per minute|second|hour|day;
            tokens per minute|day; concurrent requests; concurrency limit|limited; resource exhausted; retry after;
            too frequent|frequently; calls per second|minute; limit of * requests; request was throttled; exceeded
            the rate
        """,
        codes="""
            grpc.8 RESOURCE_EXHAUSTED rate_limit rate_limited rate_limit_exceeded rate_limit_error RateLimitError
            RateLimited too_many_requests TooManyRequests TooManyRequestsException too_many_concurrent_requests
            concurrency_limited concurrent_limit_exceeded Throttling ThrottlingException ThrottledException
            RequestThrottledException RequestThrottled ProvisionedThroughputExceededException RequestLimitExceeded
            BandwidthLimitExceeded LimitExceededException SlowDown EC2ThrottledException ThrottlingError
            REQUEST_LIMIT_EXCEEDED RateExceeded RequestRateTooLarge payment_intent_rate_limit_exceeded
            CallRateExceededException TransactionRateExceeded ThroughputExceededException RateLimitExceededException
            concurrency_limit_exceeded MaxConcurrentCalls KMSThrottling ThrottledClientException
            TooManyRequestsFault KmsThrottlingException UserRateLimitExceeded rateLimitExceeded DailyLimitExceeded
            LimitExceededFault BatchSizeLimitExceeded
        """,
        example="Rate limit reached for this key",
    ),
    rule(
        "server.conflict",
        5,
        None,
        NOW,
        says="""
            could not serialize; serialization failure; transaction * aborted|conflict|conflicts; optimistic
            lock|locking; stale object; lock timeout|competition|contention|conflict; database is locked;
            resource|object|record is locked; was updated by another; modified by another; version conflict;
            concurrent modification|update; working on this at the same time; write conflict; conflicting
            request|operation; being processed
        """,
        codes="""
            grpc.10 ABORTED Conflict ConflictException ConflictError lock_timeout 40001
            idempotency_key_in_use ReplicatedWriteConflictException TransactionInProgressException
            PriorRequestNotComplete OptimisticLockException StaleObjectStateException StaleObjectError
            ConcurrentModificationException TransactionConflictException OperationAbortedException
            ConcurrentModification version_conflict
        """,
        example="The row is stale: modified by another",
    ),
    rule(
        "server.later-status",
        5,
        None,
        LATER,
        codes=statuses(Passing.BUSY, Passing.THROTTLED),
        example="The index answered HTTP 503",
    ),
    rule(
        "server.conflict-status",
        3,
        None,
        NOW,
        codes=statuses(Passing.CONFLICT),
        example="The index answered HTTP 409",
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
        "server.retryable",
        5,
        None,
        IF_IDEMPOTENT,
        says="""
            is retryable; retryable error; transient error|failure|fault; temporary error|failure; temporarily
            failed; please retry; please try again; you can retry; can be retried; safe to retry
        """,
        codes="""
            IDPCommunicationError IDPCommunicationErrorException BadDigest RetryableException RetryableError
            TransientError TransientException processing_error payment_method_provider_timeout
            payment_method_provider_unavailable forwarding_api_retryable_upstream_error CommunicationError
            forwarding_api_upstream_connection_timeout forwarding_api_upstream_connection_error ChecksumMismatch
            FlexibleChecksumError ResponseChecksumMismatch TransientServerException TransientServiceException
            TryAgainLaterException RetryableConflictException RequestTimedOutException
        """,
        example="A transient failure in the index",
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
        codes="header.should-retry.false",
        example='{"error": {"http_status": 503, "headers": {"x-should-retry": "false"}}}',
    ),
)
