"""Rules for what passes by itself, in everyday words: what any system says where no code and no name tells more."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import (
    BILLING,
    IF_IDEMPOTENT,
    LATER,
    NOW,
    TIMEOUT,
)

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "everyday.connection",
        4,
        TIMEOUT,
        IF_IDEMPOTENT,
        firmly=5,
        says="""
            connection|channel|socket|session|stream|link|transport|tunnel is|was? not open|connected|established;
            not connected; channel|socket|stream|tunnel is|was|has|got? been? closed|lost|down|broken|dropped;
            other|remote|far side|end|party|host closed|hung|disconnected|reset; forcibly closed;
            response|stream|body|transfer|download|message|answer|reply
            ended|ends|closed|stopped|broke|terminated|finished prematurely|early|unexpectedly|abruptly;
            response|body|payload|transfer|download|stream is|was? not? incomplete|interrupted|aborted|completed;
            prematurely; connection * prematurely|forcibly|abruptly; unable|failed|cannot|could to|not?
            read|write|receive|send * connection|socket|transport|stream|upstream; host|network|link|line|peer
            is|was|went? down; internet|network disconnected; connection|internet|network appears|seems to be
            offline; device is offline; gateway|proxy|server|upstream|service|provider|vendor|backend|host
            did|does|has|have not|never get|give|send|return|produce|got an?|any? answer|reply|response;
            upstream|proxy|gateway request|call|server|service? failed|failure|error; slow response; unexpected end
            of file|stream|input|response from server|socket|peer|stream; software caused connection abort;
            connection abort; failed to respond; request|call|operation aborted|interrupted; cannot|could|unable
            not|to? open|establish|make an?|the connection|socket|channel; connection|handshake|negotiation did|was
            not complete|completed|succeed|finish; network
            glitch|hiccup|trouble|problem|problems|issue|issues|failure|changed; no|zero responders; lost contact;
            session was|is|got lost|dropped|interrupted; failed to open stream; name|dns|host lookup|resolution
            failed|failure|error|timeout; server misbehaving; unexpectedly disconnected; cannot|could|unable not?
            to? connect|reach|contact|talk; never? got|received|had no|any|a answer|reply|response|acknowledgement
        """,
        codes="""
            ERR_INTERNET_DISCONNECTED ERR_CONNECTION_CLOSED ERR_CONNECTION_RESET ERR_CONNECTION_ABORTED
            ERR_NETWORK_CHANGED ERR_EMPTY_RESPONSE ERR_ADDRESS_UNREACHABLE ERR_HTTP2_PROTOCOL_ERROR
            ERR_QUIC_PROTOCOL_ERROR ERR_SOCKET_NOT_CONNECTED ERR_NETWORK_IO_SUSPENDED ERR_PROXY_CONNECTION_FAILED
            ERR_TUNNEL_CONNECTION_FAILED ERR_CONNECTION_FAILED NS_ERROR_NET_RESET NS_ERROR_NET_INTERRUPT
            NS_ERROR_NET_TIMEOUT NS_ERROR_CONNECTION_REFUSED NS_ERROR_UNKNOWN_HOST NSURLErrorNetworkConnectionLost
            NSURLErrorNotConnectedToInternet NSURLErrorCannotConnectToHost NSURLErrorCannotFindHost ENETDOWN
            ENETRESET ENOTCONN EHOSTDOWN ESHUTDOWN WSAECONNRESET WSAETIMEDOUT WSAECONNREFUSED WSAEHOSTUNREACH
            UND_ERR_CLOSED UND_ERR_DESTROYED UND_ERR_ABORTED ReceiveFailure SendFailure ConnectFailure
            KeepAliveFailure NameResolutionFailure ResponseEnded ClientOSError ClientDisconnect
            NoHttpResponseException PrematureCloseException StreamResetException UnexpectedEof ConnectionAborted
            ConnectionReset NotConnected NotConnectedError ConnectionInterrupted
        """,
        example="The far end closed",
    ),
    rule(
        "everyday.took-long",
        6,
        TIMEOUT,
        IF_IDEMPOTENT,
        says="""
            took|takes|ran|lasted more|longer|over than? * seconds|sec|secs|s|ms|minutes|min|milliseconds|second;
            exceeded the|its|our? time|duration|budget allotted|allowed|granted|available|limit|budget; time budget;
            aborted|gave|given|cancelled|canceled|stopped|abandoned up? after * seconds|sec|secs|s|ms|minutes|min;
            gave|no|without|any no? answer|reply|response for|after|within|since *
            seconds|sec|secs|s|ms|minutes|min; request|call expired before|while; not|never|hardly
            answered|answers|responded|responding|replied in|within time|due; before the answer|reply|response
            came|arrived|was; wait|waited|waiting in vain; waiting period|time is? over|up|exceeded; ran out of
            time; execution expired; time is up
        """,
        example="It ran longer than 60 s",
    ),
    rule(
        "everyday.away",
        6,
        None,
        LATER,
        says="""
            temporarily|currently|momentarily|briefly|presently
            out|down|offline|disabled|paused|suspended|unreachable|closed|full|exhausted; out of service;
            service|system|site|server|backend|backends|provider|platform|api|cluster|portal|website|database
            is|are|was|were|all|currently|temporarily|presently|still? down|offline; are|is down|offline for;
            scheduled|planned|unscheduled|unplanned|emergency maintenance|outage|downtime; for|during maintenance;
            maintenance in progress; no
            backend|backends|host|hosts|server|servers|node|nodes|instance|instances|endpoint|endpoints|upstream|provider|providers|replica|replicas|gpu|gpus|capacity|deployment|deployments
            is|are|was|were|currently|right? available|free|left|healthy|reachable|alive|online|up|now; no
            healthy|available|active|free|reachable|idle|live
            backend|backends|host|hosts|server|servers|node|nodes|instance|instances|endpoint|endpoints|upstream|upstreams|provider|providers|replica|replicas|gpu|gpus|deployment|deployments|target|targets;
            all backends|hosts|servers|nodes|instances|endpoints|providers|replicas|gpus|lines|channels are|is|were?
            down|busy|offline|unhealthy|unavailable|unreachable|taken|in|occupied; position in line|queue; place in
            line|queue; capacity is|has|was? been? exhausted|reached|full; is out of capacity;
            bank|network|gateway|provider|vendor|operator|carrier is|was|currently|temporarily?
            unavailable|inoperative|unreachable|down|offline; system malfunction; leadership|leader|mastership
            lost|changed|moved; newer|new leader|epoch|generation; fenced; replication|replica lag|is; lagging
            replica; warming up; is starting up; not ready to serve; because|due of|to? high|heavy|the? load; come
            back later|in|soon; be back soon|shortly|later
        """,
        example="Host for pages: out of service",
    ),
    rule(
        "everyday.too-much",
        7.5,
        None,
        LATER,
        says="""
            too many
            requests|calls|jobs|queries|operations|sessions|messages|attempts|uploads|streams|connections|tasks|submissions|generations|commands|renders|logins
            * at|in|per|within|running|pending|queued|open|already|active|outstanding|simultaneously; too many
            pending|running|open|parallel|queued|active|outstanding|simultaneous|recent|in|concurrent; too many * at
            once|a|the time; too fast|quickly; rate|frequency|number|volume of * too high|exceeded|limited; in
            parallel; flood|burst control|limit|wait|protection|allowance; cool down|off; cooldown; back off
            required|please|and|for; backoff required; per second|minute|hour cap|limit|quota|allowance; hit|reached
            * rate|per|burst|concurrency|throughput; parallel|simultaneous
            jobs|runs|calls|requests|sessions|renders|streams|generations|uploads|workers; throughput
            exceeded|limit|quota; you are sending; wait * before
            sending|trying|asking|retrying|making|calling|submitting|another|next|the; queue is? full * later|again;
            queue is? full please|wait;
            wait for * job|task|request to finish|complete;
            queue length|depth|capacity exceeded|limit|is|reached; rejected * load|overload|pressure; bandwidth
            exhausted|limit|exceeded
        """,
        codes="SLOW_DOWN FLOOD_WAIT THROTTLE RATE_LIMIT TOO_MANY_CONNECTIONS MAX_CONCURRENCY RATELIMITED LIMIT_BURST",
        example="Flood control",
    ),
    rule(
        "everyday.again",
        5,
        None,
        IF_IDEMPOTENT,
        says="""
            check your|the|network|internet? network|internet|connection|connectivity|settings? and try|retry again?;
            try|retry|repeat|resend|resubmit|submit|send your|the|this? request|call|operation|again; try again; try
            * once more; please repeat; unexpected|unknown error|problem|failure|exception|condition *
            our|server|side|end|provider|upstream; internal exception|problem|fault|issue|malfunction; problem on
            our|the server? side|end; error on our|the|their server? side; went wrong *
            again|our|server|side|end|later; hiccup; momentary|passing|sporadic; persists contact; if|should the?
            problem|error|issue persists|continues|persist|continue
        """,
        example="A hiccup",
    ),
    rule(
        "everyday.crashed",
        5,
        None,
        IF_IDEMPOTENT,
        says="""
            engine|runtime|runner|process|server|service|browser|page|tab|sandbox|interpreter|kernel|session|backend|daemon|target|shell
            process|loop|has|is|was|have? been?
            crashed|died|dead|terminated|exited|gone|restarted|killed|reset|recycled; crashed unexpectedly; process
            terminated|exited|died|ended unexpectedly|abnormally; background|event loop *
            dead|errored|died|stopped|closed; browser|page|context|tab has|was|is? been? closed|disconnected;
            renderer crashed
        """,
        codes="""
            EngineDeadError AsyncEngineDeadError WorkerLostError BrokenProcessPool TargetClosedError BrokenExecutor
        """,
        example="The interpreter has died",
    ),
    rule(
        "everyday.in-use",
        5,
        None,
        NOW,
        says="""
            lock|lease|mutex|latch is|was|could|can? not? be? acquired|obtained|granted|taken|available|free;
            acquire|obtain|get|take the|a|an? lock|lease|mutex; changed|updated|modified|edited|written|touched by
            another|someone|somebody|other|a concurrent? process|user|transaction|request|session|writer|client?;
            has been modified|changed|updated since|meanwhile|elsewhere|by|please; modified|changed|updated
            meanwhile|concurrently|elsewhere; stale version|revision|etag|copy|read;
            snapshot|isolation|write|update|edit|revision conflict|conflicts; processing|handling|running
            another|other|previous; already being processed|handled|updated|executed|run|modified; another|other
            operation|update|change|request|action|transaction|process is|was|has|currently|already?
            in|running|going|using|holding|not; in use by another; busy with another; rerun|restart|retry the?
            transaction; restart transaction
        """,
        example="Stale copy of the row",
    ),
    rule(
        "everyday.issuer-away",
        5,
        BILLING,
        LATER,
        firmly=9.5,
        says="""
            issuer|acquirer|processor|scheme is|was|currently|temporarily?
            unavailable|inoperative|unreachable|down|offline|busy; issuer|acquirer|processor|bank did|does|could not
            answer|respond|reply|be; issuer|acquirer|processor time|timed out; issuer|acquirer|processor timeout;
            payment network|processor|gateway|provider unavailable|timeout|busy|down
        """,
        codes="""
            ISSUER_UNAVAILABLE issuer_not_available issuer_timeout ISSUER_TIMEOUT processor_unavailable
            try_again_later
        """,
        example="Card issuer unavailable",
    ),
)
