"""Rules for what lasts until somebody does something, in everyday words, where no code and no name tells more."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import (
    BILLING,
    CREDENTIAL,
    MONEY,
    PERSON,
    REPAIR,
    SCHEMA,
    STALL,
    UNKNOWN,
)

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "everyday.value",
        3,
        SCHEMA,
        REPAIR,
        firmly=5,
        says="""
            unknown|illegal|invalid|bad|wrong|unexpected|unsupported|malformed|unparseable|incorrect|unreadable
            enum|timestamp|date|time|datetime|encoding|base64|characters|character|byte|bytes|number|numbers|code|integer|boolean|sequence|unit|range|delimiter|header|url|uri|address|locale|timezone|value|query|filter|expression|syntax|country|currency|language|operator|literal|name|member|identifier|length;
            base 64; must|should|may|can|cannot not? exceed|be * between|than|exceed|least|most|within|only|one|of;
            must|should|may|cannot|can not? exceed; must be between|within|in|after|before|later|earlier|a|an|of;
            less|greater|smaller|larger|lower|higher|more|fewer than the?
            minimum|maximum|allowed|required|limit|least; below|above|under|over the
            minimum|maximum|permitted|allowed; wrong|incorrect|invalid|unexpected number|count|type of
            arguments|parameters|fields|columns|elements|items|values; has|have|with too|missing many|few
            fields|columns|values|arguments|elements; expected|expects|expecting|wanted|requires|needs|takes *
            columns|column|arguments|argument|fields|field|values|parameters|elements;
            columns|fields|arguments|values|arguments differ|mismatch|expected|missing; argument|parameter|list *
            incomplete; could|cannot|can|unable not? to? be?
            cast|convert|converted|coerced|decode|decoded|interpret|encode|encoded; cast|casting|conversion|coercion
            error|failed|failure|to; type error in|at|of; lies|is|comes|falls before|after start|end|begin|the;
            is|lies in the past|future; garbage|rubbish|extra|trailing after|before|at|data|bytes|text|content;
            cannot query field; unknown argument|field|directive|type|input; must have a|an|at|the; is|are not|no
            an?|a number|integer|date|list|array|object|boolean|string|address|url|uuid; is a
            list|string|number|object|array and|but|not|instead; is|was|are
            absent|blank|incomplete|unparseable|unreadable|malformed|ill; not well; does not parse;
            column|header|row|field|sheet|member|key is|are|was|has|row?
            absent|missing|incomplete|duplicated|unexpected; illegal|invalid|unescaped|forbidden
            character|characters|byte|bytes|symbol|symbols in; wire type; wrong wire;
            parser|parse|parsing|decoder|decoding|lexer error|failed|failure|problem at|in|on|near|row|line;
            contains illegal|invalid|forbidden|unescaped|non; numeric|arithmetic overflow; truncated in|to|column;
            too many items|elements|entries|values|rows in|list|array|maximum|at
        """,
        codes="""
            UnicodeDecodeError UnicodeEncodeError NumberFormatException DateTimeParseException
            InvalidFormatException UnmarshalException StrictSchemaError OutOfRangeException BadFormat INVALID_FORMAT
            VALUE_OUT_OF_RANGE INVALID_VALUE INVALID_FIELD MISSING_FIELD INVALID_PARAMETER MISSING_PARAMETER
            UNKNOWN_FIELD INVALID_LENGTH INVALID_DATE INVALID_TYPE WRONG_TYPE TYPE_MISMATCH OUT_OF_RANGE
            MALFORMED_JSON INVALID_PAYLOAD
        """,
        example="Row 17 has too many fields",
    ),
    rule(
        "everyday.address",
        6,
        UNKNOWN,
        REPAIR,
        says="""
            no scheme supplied; missing schema; invalid|malformed|bad url|uri|endpoint|hostname;
            url|uri|address|host is|was? invalid|malformed|not; unsupported protocol|scheme; too many
            redirects|redirections; redirect loop; exceeded * redirects
        """,
        codes="""
            MissingSchema InvalidSchema InvalidURL LocationParseError TooManyRedirects UnsupportedProtocol
            ERR_INVALID_URL MalformedURLException URISyntaxException ERR_TOO_MANY_REDIRECTS InvalidUrlException
        """,
        example="Unsupported protocol",
    ),
    rule(
        "everyday.not-let-in",
        6,
        None,
        CREDENTIAL,
        says="""
            login|logon|signin|authentication|authorization|authorisation|handshake|auth
            failed|failure|denied|rejected|refused|unsuccessful|expired|invalid|incorrect|error;
            could|cannot|unable|failed|can not? to? log|sign|authenticate|authorize|authorise in|on?;
            log|logged|sign|signed in|on? again;
            token|jwt|ticket|cookie|grant|consent|authorization|assertion|nonce|session|credential|pat
            is|was|has|have|been|no? been|longer|not?
            malformed|expired|revoked|valid|withdrawn|ended|stale|blacklisted|unknown|recognised|recognized; api?
            key|token|user|client|login|principal|app is|was|has|have? been?
            disabled|deactivated|deleted|revoked|inactive|blocked|unknown|uninstalled|disconnected;
            app|application|integration|connector|bot was|is|has been?
            uninstalled|removed|disconnected|deauthorized|revoked; access is|was|has? been?
            denied|revoked|forbidden|restricted|blocked; re authenticate|authorize|connect|login;
            reconnect|relink|reauthorize|reauthorise|connect your|the|this?
            account|integration|app|mailbox|calendar|again; connection|link * expired please|connect;
            you|user|caller|account|client|app|service|principal|key|token is|are|was not
            allowed|authorized|authorised|permitted|entitled|whitelisted|allowlisted|granted|enabled to|for|on|by;
            is|are not authorised|entitled|whitelisted|allowlisted; action|operation|request|access|this|it is
            forbidden|prohibited; forbidden for; is forbidden user|for|by|to; not have
            the|a|any|sufficient|enough|required|necessary
            permission|permissions|rights|right|role|roles|privilege|privileges|access|scope|scopes;
            role|scope|permission|privilege|right|grant is|are|was missing|required|needed|lacking|insufficient;
            two|multi factor; second factor; one time code|password; wrong|bad|incorrect|invalid|unknown
            username|user|login|password|passphrase|pin|secret|credentials|userid; username or|and|slash? password;
            user or password; caller does|has|lacks; not whitelisted|allowlisted; ip * not|blocked
            whitelisted|allowed|allowlisted|by; who are you; anonymous access|user|caller|request not|is|cannot
        """,
        codes="""
            LOGIN_FAILED AUTH_FAILED AUTH_ERROR NOT_AUTHORIZED NOT_AUTHENTICATED ACCESS_DENIED TOKEN_INVALID
            TOKEN_REVOKED SESSION_EXPIRED INVALID_CREDENTIALS BAD_CREDENTIALS INVALID_LOGIN UNAUTHORISED
            INVALID_ACCESS_TOKEN EXPIRED_ACCESS_TOKEN AUTHENTICATION_FAILED INVALID_SIGNATURE
            INSUFFICIENT_PERMISSIONS INSUFFICIENT_RIGHTS FORBIDDEN_ACCESS NO_PERMISSION INVALID_KEY API_KEY_DISABLED
        """,
        example="Not whitelisted",
    ),
    rule(
        "everyday.plan",
        8,
        None,
        MONEY,
        says="""
            plan|tier|package|edition|subscription|licence|license|trial|account does|do|is|has|doesnt|cannot
            not|no? include|cover|allow|contain|have|over|up|eligible|sufficient; not
            included|covered|available|part|enabled|allowed|contained in|on|of|by|with your|this|the|a|our? current?
            plan|tier|package|edition|subscription|trial; only available|included on|in|for|to|with *
            plan|tier|edition|subscription|subscribers|customers; upgrade to
            use|unlock|access|continue|get|send|a|the; trial is|period|has over|up|ended|finished;
            wallet|account|purse is empty|exhausted|depleted; account? balance too|is|of|insufficient
            low|empty|insufficient|zero|negative; prepaid balance|credit|funds; no|zero balance|funds|money|credit;
            usage|spend|spending|billing cap|ceiling|threshold|limit reached|hit|exceeded; overdue|unpaid
            invoice|bill|invoices * paused|suspended|blocked|stopped|disabled; due to
            non|unpaid|missing|overdue|failed payment|payments|invoice|invoices|bill; billing *
            disabled|inactive|closed|absent|suspended; please pay; recharge|refill your|the; add|update
            a|your|valid|the? valid? payment method; insufficient|no|without|low license|licence|seats;
            exceeds|exceeded your|the remaining|available balance|credits|characters|credit|quota|allowance|minutes;
            remaining characters|credits|balance|minutes|units|tokens; characters|credits|minutes|units
            left|remaining; not enough|sufficient money|credits|characters|minutes|units
        """,
        codes="""
            INSUFFICIENT_CREDITS NO_CREDIT OUT_OF_CREDIT PLAN_LIMIT SUBSCRIPTION_EXPIRED SUBSCRIPTION_REQUIRED
            UPGRADE_REQUIRED INSUFFICIENT_BALANCE BALANCE_TOO_LOW PAYMENT_REQUIRED TRIAL_ENDED LICENSE_EXPIRED
            NO_BALANCE LOW_BALANCE
        """,
        against=(SCHEMA, STALL),
        example="The licence does not cover it",
    ),
    rule(
        "everyday.closed-account",
        8,
        None,
        PERSON,
        says="""
            account|organisation|organization|workspace|tenant|profile|merchant|sender|number is|was|has|have? been?
            suspended|locked|closed|banned|restricted|frozen|deactivated|under|on;
            feature|function|option|service|product|module is|was not enabled|activated|available|switched
            for|on|in; not enabled|activated for; not available|offered|supported|permitted in your|this|the?
            country|region|location|territory|area; blocked|refused|rejected|denied|forbidden|disallowed by *
            policy|rule|rules|administrator|compliance|firewall; under|in|manual|security|risk review;
            misconfigured; misconfiguration; configuration|config|setting|settings|variable|variables|env|secret *
            missing|absent|not|undefined|unset|incomplete|wrong|invalid; not configured; is not set; environment
            variable; cannot be undone; operation|action|method not|is supported|allowed; already
            processed|submitted|sent|executed|redeemed|deleted; name|slug|handle|username|title is|was already?
            taken|used|reserved|in; conflicts with an|existing; checksum|digest|hash|md5|sha|crc|signature
            of|mismatch * not|mismatch|differs match?; corrupt|corrupted|damaged file|archive|data|index|block;
            corruption detected; internal inconsistency; data corruption
        """,
        example="Sender frozen",
    ),
    rule(
        "everyday.unwanted",
        0,
        None,
        PERSON,
        firmly=9,
        says="""
            unsubscribed; unsubscribe|stop|opt request|out|message|keyword; opted out; opt out; compliance state|review;
            suppression list; do not contact|disturb|call; blocked by the? user|recipient|customer|contact|guest;
            user|recipient|contact|customer has? blocked; bot was blocked; cannot|can not? be subscribed|messaged;
            cannot
            send|message messages? to? this|the user|recipient
        """,
        example="The guest has opted out, do not try again",
    ),
    rule(
        "everyday.own-limit",
        0,
        None,
        MONEY,
        firmly=9,
        says="""
            monthly|yearly|annual|lifetime|account|plan|subscription|storage|seat|project *
            limit|quota|allowance|cap is|has|was? been? reached|exceeded|exhausted|hit|full; limit|quota|cap|maximum *
            reached|exceeded|hit for|on|of|in your|the|this|free plan|tier|account|subscription|workspace|trial;
            limit|quota|cap * exceeded|reached * contact|upgrade|raise|increase; insufficient space|storage;
            storage quota|limit; over quota; storage|mailbox is? full
        """,
        example="The monthly message limit has been reached",
    ),
    rule(
        "everyday.done-before",
        0,
        None,
        PERSON,
        firmly=8,
        says="""
            is|as a? duplicate of; duplicate content|post|status|submission|message|tweet; already been?
            posted|published|voted|voided|closed|merged;
            deal|contact|record|ticket|lead|customer|subscriber|project|board|card|thread|channel|document *
            has|have|was|were|is|been deleted|archived|trashed|merged
        """,
        example="The ticket has been archived",
    ),
    rule(
        "everyday.confirm",
        0,
        None,
        PERSON,
        firmly=7,
        says="""
            confirmation|consent|approval|signature is? required|needed|pending|missing; dynamic linking;
            confirm|approve
            * in|with|on the|your? app|phone|device; must be
            confirmed|accepted|approved|signed by; accept the|our|new terms
        """,
        example="Confirm it in the app, then try again",
    ),
    rule(
        "everyday.mend-first",
        0,
        None,
        REPAIR,
        firmly=7,
        says="""
            verify|check|correct|fix|change|adjust|shorten|reduce|edit|modify|revise|choose|select * and|then
            try|retry|resubmit
        """,
        example="Shorten the title and try again",
    ),
    rule(
        "everyday.stands-still",
        5,
        STALL,
        REPAIR,
        firmly=6,
        says="""
            ever since; no headway; without headway; makes|made|making no|little headway|progress|advance; again and
            again; over and over; round and round; back in the? queue each|every|again|time|five|three;
            nobody|no|none|nothing|not one|one|thread|process|of? *
            resumes|resumed|acknowledges|acknowledge|restarts|notices|noticed|took|takes|fetches|fetched|looks|drains|consumes|consumed;
            no thread|process|worker|one|consumer took|takes|fetches|fetched|has|looks|reads|picked;
            slots|workers|threads|permits|seats|executors * held|taken|occupied|blocked by|since|forever; never
            leave|leaves|left|leaving|advance|advances|finish|finishes|clears|cleared|drains|drained|ends; was|were
            due at|on|since|hours|yesterday; has|have|did not
            fired|fire|started|run|moved|logged|finished|ended|resumed|left|changed|continued|advanced; not
            fired|resumed; paused itself; rests|rest|sits|sit|stands|stand|waits|lingers|hangs|stays
            on|in|at|before|behind|there since|for|the|before|wait|step|gateway|task|stage|state|node|all|overnight;
            nondeterminism; non deterministic; nondeterministic; no job|task|instance|command|event was|has|is|were?
            been? created|scheduled|started|issued|dispatched; does|do|did not notice|react|wake|continue|resume;
            for half|over|more|about an|than? hour|day|night; still marked|shown|listed|counted|displayed|flagged
            as? in|running|active|live|open|pending|busy; and then nothing|silence|stops|stopped; went|goes|gone
            dark|silent|mute; all night|day|morning|week|weekend; overnight; switched|turned off its|and|while;
            machine|host|process|worker|owner|pid that|which * gone|off|away|dead|anymore|longer; no
            owner|heartbeat|sign|log|output line|of|since|for|has|life|from; has had no; nobody owns; loops
            over|on|between|through|back; has not fired|begun|started|ended|left|ended|resumed|finished|moved;
            position * has|is not|the moved|same; waiting for|on a? runner|agent|machine|executor; has|have been
            waiting|sitting|queued|busy|active|running|pending for|since|on; each other s|output|result|lock|to;
            lease|lock|claim * ran|run out|over
        """,
        example="It makes no headway",
    ),
    rule(
        "everyday.money-back",
        5,
        BILLING,
        PERSON,
        says="""
            chargeback|dispute|charge back opened|filed|received|lost|by; cardholder; shopper; debtor; creditor; do
            not honour; returned by the? bank; account not covered; card is|was|has? been?
            expired|blocked|lost|stolen|invalid|restricted; payment|charge|transfer|debit is|was|has? been?
            blocked|declined|refused|returned|rejected|reversed|bounced; risk team; under review by; period is
            closed|locked
        """,
        example="The debtor wrote back",
    ),
)
