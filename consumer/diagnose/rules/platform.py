"""Rules for infrastructure below or beside the platform: machines, programs, builds. No strategy of ours mends it."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import IF_IDEMPOTENT, PERSON, TIMEOUT, UNKNOWN

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "platform.infrastructure",
        3.6,
        UNKNOWN,
        says="""
            sqs; sns; pub sub; pubsub; kinesis; event hub|hubs|bridge|grid; service bus; eni;
            subnet|subnets; vpc; security group; node pool; nodepool; kubelet; kubectl; configmap; pvc;
            persistent volume; load balancer; nat gateway; dhcp; bgp; vlan; iptables; bulkhead;
            semaphore; thread pool; threadpool; netty; availability zone|zones|group|set;
            replica|replication set|slot|lag|factor; shard|shards; tablespace; wal; binlog; vacuum;
            cron|systemd unit; terraform; ansible; helm; cloudformation; autoscaler|autoscaling;
            kerberos; ldap; ssh; sftp; rsync; nfs; iscsi; lun; raid; hypervisor; vmware; qemu; kvm;
            bios; bootloader; firmware; gc overhead; classloader; reconciler|reconcile
            loop|error|request; controller runtime; leader election; raft; etcd; consul; zookeeper;
            hive; hdfs; yarn; spark; flink; ack deadline; dead letter topic|queue; message broker;
            ingress; sidecar; istio; envoy; iam; kms; vault; acl; tcp; udp; oauth client; event bus
        """,
        example="Subnet 7: the receipt",
    ),
    rule(
        "platform.namesake",
        4,
        UNKNOWN,
        says="""
            subscription|subscriptions projects|id|arn|filter|name|scope|owner|policy|not registered;
            topic|event|queue|push|pull|consumer|stream|kafka|mqtt|websocket|graphql|webhook|azure
            subscription|subscriptions; receipt|read|delivery handle|receipt;
            ip|memory|capacity|cpu|address|resource|disk|bandwidth|instance|slot|eni|node|port|quota
            reservation|reservations; reservation|reservations of|for *
            addresses|memory|cpu|capacity|instances|resources; stability
            check|test|window|period|threshold|issue|issues|timeout; guest
            os|vm|agent|additions|tools|kernel; git|svn|branch check in|out; check|checks out
            code|branch|repository|of; pre|in|inter flight; flight recorder; calendar event|timer spec;
            kerberos|session|tls|gitlab|jira tickets|ticket; bill of materials|lading;
            oracle|crypto|hardware wallet; ledger metadata|entry|id; bookkeeper ledger|ledgers;
            ssh|protocol|smtp|motd banner; banner exchange|timeout;
            netty|handler|http|avro|snappy|zstd|lz4|encoding codec; codec decoder|encoder|exception; bgp
            speaker; flux cd|controller|query|kustomization; neo4j|neo4 j aura; trace|tracing|log
            sample|sampling rate; hash|time|replication|backup|inode slots; event type not; unknown
            event type; currency of the thread; instrument|instrumentation agent; slack space|time;
            outlook for; hero unit; heat template; lora wan|gateway|adapter; svg path; png|jpg chunk of
            code; paid attention; mandate of the role; polly
            retry|policy|timeout|bulkhead|circuit|context|rate; speech mark; photo of the rack; merchant
            of record id of the tenant; courier font; type font; spa fallback|route|router|bundle;
            single page; subscription|subscriptions filter|projects|arn|scope|policy;
            subscription|subscriptions not registered; reservation|reservations of|for *
            address|ip|port|ports|bandwidth|disk|cores|nodes|gpus
        """,
        example="azure subscription: no",
    ),
    rule(
        "platform.disk",
        8,
        UNKNOWN,
        PERSON,
        says="""
            no space left; disk full; disk is full; out of disk|space; read only file|filesystem|file?;
            disk quota; device is full; no inodes; input output error; filesystem * full; too many open
            files; file descriptors
        """,
        codes="ENOSPC EROFS EIO EDQUOT EMFILE ENFILE",
        example="No space left for the schema",
    ),
    rule(
        "platform.memory",
        8,
        UNKNOWN,
        PERSON,
        says="""
            out of memory; oom; exit|exited code|status|with? 137; exit code; heap space|out;
            cannot|failed|unable to? allocate; memory error; memory limit; gpu memory; exited with code; tried to
            allocate; ran out of memory; process|container was? killed; killed by signal; not enough memory;
            signal 9|11; sigkill; sigsegv; segmentation fault; core dumped; exit status; allocation failed
        """,
        codes="OutOfMemoryError MemoryError ENOMEM OutOfMemory CUDAOutOfMemoryError ExitCode",
        example="The voice model ran out of memory",
    ),
    rule(
        "platform.killed",
        8,
        UNKNOWN,
        IF_IDEMPOTENT,
        says="""
            oom killed; oomkilled; pod|container|task|node|instance|process|executor|runner * was|were|is|been?
            evicted|preempted|reclaimed|rescheduled|drained; was|been|got evicted|preempted|reclaimed; evicted; low on
            resource|resources|memory|disk; node|host is|was|has|went? not ready|lost|rebooted|terminated;
            pod|container|task * was|is|been? lost|deleted|terminated; node pressure; memory|disk|pid pressure;
            instance|vm|machine * terminated|interrupted|stopped|reclaimed; sigterm; scaled down|in|to zero; killed by
            oom|the|kernel|kubelet; memory cgroup out; oom killer; host * rebooted|failure|maintenance; container
            restarted; worker killed by
        """,
        codes="OOMKilled Evicted NodeLost NodeNotReady SpotInterruption TaskKilled OutOfMemoryKilled",
        example="The container was OOMKilled",
    ),
    rule(
        "platform.permission",
        8,
        UNKNOWN,
        PERSON,
        says="""
            operation not permitted; file|directory|directories|folder permissions|permission; access failed;
            permission denied * file|directory|path|open|var|tmp|socket
        """,
        codes="EPERM EACCES PermissionError",
        example="Operation not permitted on the image's folder",
    ),
    rule(
        "platform.program",
        5,
        UNKNOWN,
        PERSON,
        says="""
            has no attribute; is not a function; is not defined; cannot|cant read property|properties; null|nil
            pointer; null reference; nil dereference; index out of range|bounds; list index; segmentation fault;
            name error; assertion failed|error; stack overflow; division by zero; divide by zero; panic; undefined
            is not; not callable; no attribute; object reference not set; unhandled exception; internal compiler
            error; recursion depth; call stack; is not iterable; none type; not subscriptable; undefined
            method|variable|function|reference; unbound local; bug in
        """,
        codes="""
            AttributeError NullPointerException NameError IndexError ReferenceError AssertionError ZeroDivisionError
            TypeError NoMethodError RecursionError StackOverflowError IndexOutOfBoundsException ClassCastException
            NullReferenceException UnboundLocalError IllegalStateException ArrayIndexOutOfBoundsException
            NotImplemented StopIteration ArithmeticError ClassNotFoundException NoSuchMethodError RangeError
            InvalidOperationException
        """,
        example="NullPointerException in the voice module",
    ),
    rule(
        "platform.install",
        7,
        UNKNOWN,
        PERSON,
        says="""
            cannot find module; no module named; module not found; import error; no matching distribution; npm
            install|err|error|ci|run; pip install; install|installation|installing|installer
            failed|packages|failed|error|dependencies|is; could not install|find a version; command not found; not
            installed; no such file; file or directory; dependency resolution|conflict|tree; package|packages not
            found|missing|conflict; unable to locate package; build failed|error; compilation|compile
            error|failed|errors; yarn|pnpm|cargo|maven|gradle|poetry|conda|apt install|error|build|failed; peer
            dependency; version conflict; undefined symbol; shared library|libraries|object; dll; installation
            failed|aborted|error|incomplete|failure|directory|path|broken|was|is; reinstallation; cannot import; go
            build|mod; linker; no such command; unsupported python|node|java; glibc; failed to compile; requires
            node|python
        """,
        codes="""
            ImportError ModuleNotFoundError ENOENT FileNotFoundError MODULE_NOT_FOUND FileNotFoundException
            PackageNotFoundError ClassNotFound ELIFECYCLE ERESOLVE NoClassDefFoundError UnsupportedClassVersionError
            LoadError
        """,
        example="npm install of the voice package",
    ),
    rule(
        "platform.database",
        7,
        UNKNOWN,
        PERSON,
        says="""
            duplicate key; unique constraint|violation|index; violates * constraint; foreign key; integrity error;
            constraint violation|failed; relation|table|column * not exist; no such table|column; no migration;
            migration failed|pending|found; relation|table|column|type|index|database|constraint * already exists;
            duplicate entry; null value in column; check constraint; current transaction is aborted
        """,
        codes="""
            UniqueViolation IntegrityError ForeignKeyViolation 23505 23503 23502 42P01 42703 UndefinedTable
            UndefinedColumn UniqueViolationError ProgrammingError DataIntegrityViolationException NotNullViolation
            SQLIntegrityConstraintViolationException P2002 ER_DUP_ENTRY DatabaseError SQLSyntaxErrorException
        """,
        example="Duplicate key in the audio table",
    ),
    rule(
        "platform.repository",
        7,
        UNKNOWN,
        PERSON,
        says="""
            merge conflict|conflicts; merge failed; automatic merge; auto merging; conflict content; git
            push|pull|clone|fetch|rebase; non fast forward; detached head; not a git repository; fix conflicts;
            rebase; commit the result; pathspec; failed to push; pre commit; hook declined; protected branch; unstaged
            changes; branch *
            behind|diverged
        """,
        example="Fix conflicts and then run the validation",
    ),
    rule(
        "platform.browser",
        6,
        UNKNOWN,
        PERSON,
        says="""
            waiting for selector|locator|element|navigation|xpath; element not|is
            found|visible|interactable|clickable; selector * failed|not; no such element; stale element; navigation
            timeout; page crashed; target closed; browser has disconnected; chromedriver; chrome not reachable;
            session not created
        """,
        codes="""
            NoSuchElementException StaleElementReferenceException ElementNotInteractableException WebDriverException
            TargetClosedError
        """,
        against=(TIMEOUT,),
        example="Timeout waiting for selector div.chart",
    ),
    rule(
        "platform.session",
        7,
        UNKNOWN,
        PERSON,
        says="""
            session timeout; session timed out; idle timeout|session; timeout
            setting|settings|value|option|config|configuration|parameter|variable|is|to|default;
            configure|configuring|set|setting|change|increase the? * timeout; screen|lock timeout; timeout
            modal|dialog|popup|page|message
        """,
        against=(TIMEOUT,),
        example="Session timeout modal on each login",
    ),
    rule(
        "platform.configuration",
        6,
        UNKNOWN,
        PERSON,
        says="""
            environment variable; env var; not configured; misconfigured; misconfiguration; config file;
            configuration error|file|invalid|missing; no configuration; missing configuration; not set in; address
            already in use; port * in use; feature flag; license|licence expired|key|invalid; is not supported on
            this; missing environment; secret not mounted
        """,
        codes="EADDRINUSE ConfigurationError ImproperlyConfigured ConfigError",
        example="The voice service is not configured",
    ),
    rule(
        "platform.runner",
        6,
        UNKNOWN,
        PERSON,
        says="""
            hosted runner; self hosted runner; github actions; gitlab runner; ci job; jenkins; unit test|tests; test
            failed|failure|failures|results|suite|run; tests failed|failing; cypress; playwright test; lint; eslint;
            type check; coverage; assertion; expected true; snapshot test
        """,
        example="Cypress waits for the image",
    ),
)
