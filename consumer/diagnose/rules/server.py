"""Rules for the other side: errors of its own, rate limits, open circuits, passing faults of infrastructure."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import IF_IDEMPOTENT, LATER, NOW, PERSON, SCHEMA, VOICE
from consumer.model.http_status import Passing, statuses

RULES: Final[tuple[Rule, ...]] = (
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
            INTERNAL DependencyException FailureByQueryException ERR_BAD_RESPONSE
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
            character '<'; character ('<'; character: '<'; unexpected '<'; unrecognized token '<'; '<' is an invalid
            start; parsing value: <; unexpected token at '<; ("<"); before "<; unexpected byte '<'; unexpected
            character: <; invalid json: <; token: <; token `<; symbol: <; near "<; starting with '<; parse "<; token
            '<; character `<; unexpected token at ''
        """,
        against=(SCHEMA,),
        example="SyntaxError: Unexpected token < in JSON at position 0",
    ),
    rule(
        "server.nothing",
        6,
        None,
        IF_IDEMPOTENT,
        firmly=11,
        says="""
            expecting value line 1 column 1; expected value at? line 1 column 1|0; no content to map;
            unexpected end of json input; eof while parsing a? value at? line 1 column 0; unexpected end
            of data at line 1 column 1; not contain any json tokens; unexpected character line 1 column
            1; parsing value path line 0 position 0; jsonreader path line 0 position 0; json reader path
            line 0 position 0; unexpected end of input at character|position 1|0; unexpected character
            at character|position|offset 1|0; unexpected json token at offset 0; but had eof; unexpected
            byte at position 0; zero length empty document; input is empty; input data was empty;
            character offset 0; json parse error unexpected eof; unexpected token at line 1 column 1;
            unexpected character at line 1 column 1; expected object or value; empty
            response|reply|answer body?; empty body received|returned; response|body is|was empty; no
            response body; got an? empty response|reply|body|answer; invalid value around character 0;
            no data of json; unexpected character h|l|t in json; expected begin object but was string at
            line 1 column 1; null response body; content length 0; did not start with array|object; text
            did not start; garbage at|near beginning|start
        """,
        example="EOF while parsing a value at line 1 column 0",
    ),
    rule(
        "server.circuit",
        9,
        None,
        LATER,
        firmly=20,
        says="""
            circuit|breaker|circuitbreaker is|was|now|still|currently? now|currently?
            open|opened|tripped; open|opened circuit|breaker; circuit breaker|breakers? *
            open|opened|tripped|opens; circuit breaker open|tripped; does not permit further calls;
            call|calls not permitted|allowed; not allowing calls; broken circuit; short circuited;
            circuit half open; breaker * open|opened|tripped; circuit breaking exception; bulkhead *
            full|rejected|exceeded; bulkhead full|rejected; calls are failing fast; fuse blown; is
            blown; ejected by outlier detection; outlier ejected; circuit open|opened|broken;
            circuit|breaker trips|trip|tripped|switched|switches|changed|transitioned; from close|closed
            to open; requests * suspended for; circuit|breaker * open state; fail|failing fast; red
            light; load shedding; shed load; adaptive throttling; reset reason overflow; upstream
            overflow; blocked by flow|degrade|system|hot
        """,
        codes="""
            CallNotPermittedException BrokenCircuitException IsolatedCircuitException
            CircuitBreakerOpenException CircuitBreakerError CircuitOpenException CircuitOpenError
            EOPENBREAKER ErrOpenState OpenCircuitError BrokenCircuitError CircuitBreakerOpen
            CircuitBreakerOpenError CircuitBrokenException RedLight BulkheadFullException
            BulkheadRejectedException BulkheadRejectedError BulkheadException HystrixRuntimeException
            CircuitBreakerException circuit_open circuit_breaker_open CircuitOpenedException
            BrokenCircuitException ExecutionRejectedException ErrCircuitOpen ErrCircuitBreakerOpen
            TaskCancelledByBreaker ECIRCUITOPEN CircuitBreakerClosedException EXECUTION_REJECTED
            breaker_open FlowException DegradeException SystemBlockException ParamFlowException
        """,
        against=(SCHEMA, VOICE),
        example="Polly: the circuit is open",
    ),
    rule(
        "server.passing",
        8,
        None,
        LATER,
        says="""
            database system is|in starting|shutting|recovery|not; is|are|was|currently|still
            booting|initializing|initialising|restarting|rebooting|rebalancing; is|are|still|currently?
            starting|warming|failing|spinning up|over; shutting down; too many
            clients|connections|sessions|processes already|open?; remaining connection slots; max client
            connections; too many user|client|database connections; max user connections; broker|brokers
            may|might? not be? available; no brokers available; no available
            brokers|broker|nodes|servers; connection pool|pools? * exhausted|full; pool
            exhausted|exhaustion; no free connections; terminating connection due; administrator
            command; recovery mode; not primary|master|leader; no primary|master|leader|quorum; no
            longer the? primary|master|leader; leader|primary|master
            election|elections|elected|unknown|changed; leader not available; no leader
            elected|available|found; failover|switchover; failing over; fail over in progress; loading
            the dataset; clusterdown; cluster is down|unhealthy|red|unavailable|rebalancing;
            node|replica|shard|shards|broker|instance unavailable|down|offline|restarting|initializing;
            hash slot not served; node is shutting|draining|going; being
            drained|moved|migrated|relocated|restarted|upgraded|rescheduled|rebalanced|replaced|recycled;
            rolling restart|update|upgrade; cold start; coordinator load; rebalance in progress;
            rebalancing; not enough replicas; in sync replicas; no shard available; master not
            discovered; all shards failed; table is unavailable; database is
            starting|locked|restarting|paused|resuming; is currently paused; resume * paused database;
            could not reach quorum; quorum lost; lost quorum; stepped|stepping|steps down;
            node|member|is|still recovering; interrupted at shutdown; not enough nodes; unable to reach
            primary; read only replica|mode|transaction; server is in standby; cannot execute * read
            only; spot interruption|instance|reclaimed; preempted|preemption; node
            drain|drained|draining; nodes are available; insufficient cpu|memory|pods|nvidia; failed
            scheduling; pool is full; executor * rejected; max|maximum number of
            clients|connections|users|sessions|processes reached|exceeded;
            writer|primary|master|leader|node|cluster|replica|database|instance failed|fails over; of|in
            the? cluster failed over; has failed over
        """,
        example="The cluster is rebalancing",
    ),
    rule(
        "server.gone",
        8,
        None,
        IF_IDEMPOTENT,
        says="""
            server has gone away; gone away; lost connection to mysql|server; server closed the connection;
            terminating connection; connection already closed; connection * terminated unexpectedly; ssl syscall
            error; could not receive data; ssl connection has been closed; closed by * server; broker transport
            failure; connection to * lost; session * lost|expired by server; not connected to server; connection
            terminated; connection is dead|broken|stale; bad connection; driver bad connection; invalid connection
        """,
        example="It has gone away",
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
        "server.not-ready-yet",
        0,
        None,
        LATER,
        firmly=6,
        says="""
            image|audio|video|result|results|task|job|render|rendering|generation|file|asset|prediction|output|transcript|transcription|report|export
            is|are|was? not ready|finished|available|complete|completed yet?; not ready yet; not yet
            ready|available|finished|complete|completed|generated|rendered|processed; isnt|arent
            ready|finished|done; not ready retrying; task|job|generation|prediction|render status? still?
            pending|queued|processing|running after|attempt; is|are still being?
            generating|rendering|generated|rendered|transcoded|synthesized|processed; noch nicht
            fertig|bereit|verfugbar|abgeschlossen; pas encore pret|prete|disponible|termine|terminee; aun|todavia no
            esta? listo|lista|disponible|terminado|terminada; ainda nao esta?
            pronto|pronta|disponivel|terminou|terminado; non ancora pronto|pronta|disponibile|terminato; еще не
            готов|готова|готово|завершено
        """,
        holds="""
            尚未准备好; 还没准备好; 尚未完成; 还在生成; まだ準備; 準備ができていません; まだ完了; まだ生成; 아직 준비;
            아직 완료; 아직 생성; لم يكتمل بعد; ليست جاهزة بعد; अभी तैयार नहीं
        """,
        example="The render is not ready yet",
    ),
    rule(
        "server.own-bug",
        0,
        None,
        PERSON,
        firmly=7,
        says="""
            internal? server error * key|type|attribute|name|index|value|assertion|null
            error|exception|pointer|reference; internal error * key|type|attribute|name|index|value error; internal?
            server error * undefined|unbound|traceback; internal? server error * no such
            file|module|column|table|attribute
        """,
        example="Internal server error: KeyError 'plan'",
    ),
    rule(
        "server.throttled",
        7.5,
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
        example="The key was throttled",
    ),
    rule(
        "server.window",
        9.5,
        None,
        LATER,
        says="""
            per second|minute|hour; concurrent
            requests|calls|connections|jobs|sessions|generations|streams|runs|tasks; maximum * concurrent;
            concurrency limit|limits|quota|exceeded; rate limit|limits exceeded|reached|hit|error; too many
            concurrent|requests|simultaneous; wait of * seconds|minutes|hours is required; requests per; tokens per
            minute; simultaneous requests|calls|generations; rpm; tpm; retry|try * again? in *
            seconds|second|minutes|minute|s|m|ms; please retry in; slow down; request rate
        """,
        example="Quota exceeded for 'queries per minute', upgrade your plan",
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
            request|operation; being processed; another * request|process|operation|transaction
            is|in currently|progress|already|running; another operation|transaction|request in progress; currently
            accessing it; unable|failed to lock|acquire|obtain; exclusive access; lock competition; could not
            acquire lock; row lock; record lock; deadlock victim; held by another; changed since * read|loaded|opened;
            etag mismatch; revision mismatch; try * again with the latest
        """,
        codes="""
            grpc.10 ABORTED Conflict ConflictException ConflictError lock_timeout 40001
            idempotency_key_in_use ReplicatedWriteConflictException TransactionInProgressException
            PriorRequestNotComplete OptimisticLockException StaleObjectStateException StaleObjectError
            ConcurrentModificationException TransactionConflictException OperationAbortedException
            ConcurrentModification version_conflict
        """,
        example="The row met optimistic locking",
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
        "server.retryable",
        5,
        None,
        IF_IDEMPOTENT,
        says="""
            is retryable; retryable error; transient error|failure|fault; temporary error|failure; temporarily
            failed; please retry; please try again; you can retry; can be retried; safe to retry; retry
            the|your|this request|operation|call|transaction; intermittent|intermittently; temporary
            issue|problem|condition|outage; transient; retriable; is safe to try
        """,
        codes="""
            IDPCommunicationError IDPCommunicationErrorException BadDigest RetryableException RetryableError
            TransientError TransientException processing_error payment_method_provider_timeout
            payment_method_provider_unavailable forwarding_api_retryable_upstream_error CommunicationError
            forwarding_api_upstream_connection_timeout forwarding_api_upstream_connection_error ChecksumMismatch
            FlexibleChecksumError ResponseChecksumMismatch TransientServerException TransientServiceException
            TryAgainLaterException RetryableConflictException RequestTimedOutException retry.yes
            ERR_BAD_RESPONSE_TRANSIENT TransientResourceException
        """,
        example="A transient failure in the index",
    ),
)
