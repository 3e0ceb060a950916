"""Rules for access and refusals: credentials, quota, moderation, cancellation, approvals. Most set no failure type."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import (
    CREDENTIAL,
    IMAGE,
    MONEY,
    NEVER,
    PERSON,
    REPAIR,
    SCHEMA,
    STALL,
    TIMEOUT,
    UNKNOWN,
)

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "access.status",
        4,
        None,
        CREDENTIAL,
        codes="http.401 http.403 http.407 http.511 grpc.7 grpc.16",
        example="The index answered HTTP 403",
    ),
    rule(
        "access.code",
        7,
        None,
        CREDENTIAL,
        codes="""
            invalid_api_key api_key_expired api_key_invalid authentication_error AuthenticationError Unauthorized
            UnauthorizedException unauthenticated invalid_token token_expired expired_token ExpiredToken
            ExpiredTokenException InvalidSignatureException SignatureDoesNotMatch invalid_grant invalid_client
            AccessDenied AccessDeniedException PermissionDenied permission_denied PermissionDeniedError
            UnrecognizedClientException InvalidClientTokenId InvalidAccessKeyId MissingAuthenticationToken Forbidden
            ForbiddenException insufficient_scope authorization_error login_required NotAuthorizedException
            IncompleteSignature AuthFailure InvalidAuthenticationToken InvalidAuthenticationTokenTenant
            missing_scope not_authed invalid_auth token_revoked account_inactive AuthorizationFailed
            missing_permissions unauthorized_client consent_required ForbiddenError UnauthorizedError
            TokenExpiredError JsonWebTokenError InvalidSessionId INVALID_SESSION_ID permission_error
            CredentialsError NoCredentialsError PartialCredentialsError missing_api_key
        """,
        example="JsonWebTokenError from the queue",
    ),
    rule(
        "access.words",
        6,
        None,
        CREDENTIAL,
        says="""
            invalid|incorrect|expired|missing|wrong|revoked|bad|no *
            key|token|credentials|credential|secret|password; key|token|credentials|credential|secret|password
            is|has|was|have|are not? invalid|incorrect|expired|missing|revoked|rejected|been; invalid|expired
            token|credentials|credential|signature; token|credentials|session|key expired|revoked|invalid|rejected;
            unauthorized; unauthenticated; authentication failed|required|error|failure; not authenticated; access
            denied; permission denied; insufficient permissions|scope|scopes|privileges; signature has expired;
            signature key; signature mismatch|invalid; could not|failed|cannot authenticate; failed to authenticate;
            login required; session expired|invalid; refresh token; not authorized; no access; dont have access; not
            allowed to access; missing scope|scopes|permission|permissions; lacks permission; does not have
            permission; requires * permission; api key not; authenticate provided token; reauthenticate; log in
            again; unable to verify * credentials|token; not permitted to;
            authentication|authorization|authorisation|login|signin|2fa|mfa|otp|captcha|credentials|password|token|consent|permission|permissions|privileges|admin|root|scope|access|oauth|sso|certificate|key
            is|are a? required; sign in|on is required; log in is required; two|multi factor * required; requires
            authentication|authorization|login|credentials|permission|permissions|privileges|admin; invalid
            api|access|security? key|token; must be logged|authenticated|authorized|signed; 2 fa is? required; 2fa
            is? required; password * changed|expired|reset; oauth token * expired; token used * expired; lacks *
            scope|scopes; not have * permission|permissions|access|rights
        """,
        example="Signature mismatch at the door",
    ),
    rule(
        "money.status",
        5,
        None,
        MONEY,
        codes="http.402",
        example="The renderer answered HTTP 402",
    ),
    rule(
        "money.code",
        9,
        None,
        MONEY,
        codes="""
            insufficient_quota quota_exceeded billing_hard_limit_reached insufficient_balance insufficient_credits
            payment_required credit_balance_too_low billing_not_active usage_limit_reached budget_exceeded
            insufficient_credit quotaExceeded QUOTA_EXCEEDED trial_expired out_of_credits no_credits
            credits_exhausted BILLING_DISABLED UREQ_PROJECT_BILLING_NOT_FOUND ServiceQuotaExceededException
            InsufficientBalance dailyLimitExceeded character_limit_exceeded spending_limit_reached billing_error
        """,
        example="billing_error",
    ),
    rule(
        "money.words",
        8,
        None,
        MONEY,
        says="""
            insufficient|exceeded|exceeds|exceeding|exceed|over|out of|used up * quota; quota *
            exceeded|reached|exhausted|used; quota exceeded; insufficient|not|no enough?
            credits|balance|credit|quota; not enough credits|credit|balance|quota; out of
            credits|credit; ran out of credits|credit|tokens; credit balance; low balance; balance is *
            low; hard limit; usage limit; monthly|daily|spending|spend|budget limit|cap|quota|budget;
            upgrade your|the plan|subscription; check your plan; billing details; billing account;
            billing must be enabled; enable billing; payment required; trial|plan * expired|ended;
            characters|credits remaining; characters|credits|tokens|units are|is required; buy|purchase
            more credits; purchase a paid plan; top up; no remaining; limit of your plan; plan limit;
            free tier * limit|exceeded|disabled;
            payment|subscription|upgrade|deposit|purchase|credits|balance|license|licence is|are a?
            required; requires a? paid|premium|pro|enterprise|business|higher
            plan|subscription|account|tier; credit limit; reached * limit of; enough *
            tokens|credits|balance|units; not have enough balance|credits|funds|tokens; insufficient *
            credit|credits|balance; allowance|quota|credits|budget|balance|contingent *
            used|exhausted|spent|consumed|depleted; limit of invoices|seats|users; overdue|unpaid
            account|balance; account * suspended|past due for? nonpayment|billing; out of
            funds|balance|quota|characters|minutes; quota * used up; used up your|the|its|all|their
            quota|credits|allowance|balance; no|zero remaining credits|quota|balance|characters|tokens;
            credits are|have exhausted|run; exceed|exceeds your|the current quota; subscription *
            expired|inactive|lapsed; plans and? billing; plan and? billing; locked|suspended|paused *
            failed|missing payment
        """,
        against=(SCHEMA,),
        example="This month's credits: out of credits",
    ),
    rule(
        "request.status",
        3,
        None,
        REPAIR,
        codes="""
            http.400 http.404 http.405 http.406 http.410 http.411 http.413 http.414 http.415 http.416 http.422
            http.431 grpc.3 grpc.5 grpc.6 grpc.11 grpc.9 http.412 http.428 ERR_BAD_REQUEST
        """,
        example="The registry answered HTTP 410",
    ),
    rule(
        "request.signed-address",
        0,
        None,
        REPAIR,
        firmly=8,
        says="""
            signed|presigned|pre url|urls|link|links|uri|address signed? *
            expired|denied|forbidden|invalid|rejected|403|mismatch; expired|invalid|stale signed|presigned
            url|urls|link|links; pre signed url|urls|link|links * expired|denied|forbidden|invalid|403|mismatch;
            request has expired; sas token|url|signature * expired|invalid; signature of the url
        """,
        example="The presigned link has expired: access denied",
    ),
    rule(
        "request.too-large",
        8,
        None,
        REPAIR,
        firmly=13,
        says="""
            context|prompt|input|request|payload|file|message|upload|body size|length|window has|have|is|was? been?
            exceeded|exceeds|over; context|prompt|input too long|large|big; larger than max|the|maximum|allowed;
            exceeds|exceeded|exceed * maximum|max|allowed|size|limit size|length|bytes|characters|tokens|mb|kb|gb;
            payload|body|entity|file|message|request|record|response|upload|attachment|content|input|image|video|document|packet|header|headers|uri|url
            is? too large|big|long; too large|big|long: ; maximum|max allowed?
            size|length|bytes|payload|message|request|file size|is|of|exceeded; size exceeds|exceeded|limit; content
            size; exceeds the * size|limit of; larger than permitted|supported; message size; got a packet bigger;
            context length|window; prompt is too long; too many tokens|characters; input * too long; document too
            large; reduce the length|size|number; string too long; value too long for; data too long; bigger than;
            greater than max|the maximum|allowed; over the size limit; larger|longer|bigger than *
            limit|maximum|max; size limit; exceeded|exceeds|over the? context|token|input limit|window|length
        """,
        codes="""
            http.413 http.414 http.431 PayloadTooLarge PayloadTooLargeError PayloadTooLargeException
            RequestEntityTooLarge EntityTooLarge request_too_large file_too_large MessageTooLarge
            MessageSizeTooLarge LIMIT_FILE_SIZE RecordTooLargeException context_length_exceeded
            string_above_max_length MaxUploadSizeExceededException ContentTooLarge ContextWindowExceededError
            RequestTooLarge MaxMessageSizeExceeded ResponseTooLarge FileSizeLimitExceededException
            MaxBodyLengthExceeded ERR_FR_MAX_BODY_LENGTH_EXCEEDED
        """,
        example="The attachment is too large",
    ),
    rule(
        "request.exists",
        9,
        None,
        PERSON,
        says="""
            already exists; already exist; already registered|present|added|created|been used; duplicate
            record|contact|entry|value|object|name|email; exists with * reference|id|name|email; is not unique; must
            be unique; has already been taken; already in use
        """,
        codes="""
            AlreadyExists ALREADY_EXISTS AlreadyExistsException AlreadyExistsError DuplicateValue DUPLICATE_VALUE
            DuplicateKeyException ConflictDuplicate grpc.6 EntityExistsException
        """,
        example="The record already exists, HTTP 409",
    ),
    rule(
        "request.not-offered",
        4,
        None,
        PERSON,
        says="not implemented; is not supported in your|this country|region; unsupported country|region",
        codes="http.501 http.505 http.451 grpc.12 UNIMPLEMENTED NotImplementedError MethodNotAllowed",
        example="The port answered HTTP 501: internal error",
    ),
    rule(
        "request.not-found",
        4,
        None,
        REPAIR,
        says="""
            not found; does|do|did not|doesnt exist; doesnt exist; no such; couldnt find; could not find; cannot
            find; cant find; unable to find; no longer exists|available; has been deleted|removed|archived; unknown
            id|key|model|resource; model not; invalid id|reference; deprecated; decommissioned; was deleted|removed;
            is gone; no longer be? supported|offered|valid; has been retired|discontinued|sunset|deprecated|disabled;
            was|is retired|discontinued; end of life; not exist
        """,
        codes="""
            NotFound NotFoundException NotFoundError ResourceNotFoundException resource_missing NOT_FOUND NoSuchKey
            NoSuchBucket model_not_found ResourceNotFound EntityNotFoundException ModelNotFound
        """,
        example="The template no longer exists",
    ),
    rule(
        "refused.moderation",
        4,
        IMAGE,
        PERSON,
        firmly=9,
        says="""
            safety system|filter|filters|settings|policy|checker|check|review|screening|guidelines; content
            policy|policies|filter|filters|moderation|management|restrictions; nsfw;
            violate|violates|violated|violating * policy|policies|guardrails|guidelines|standards|terms|rules;
            blocked by * content|safety|moderation|filters|filter|policy; moderation; moderator; moderated;
            inappropriate content|prompt; sensitive words|word|content|information; banned word|words|prompt; word
            is banned; is banned; prohibited content; community standards|guidelines; responsible ai; not allowed
            by; flagged by|as; guardrails; against our; unsafe content|prompt|image; harmful content; prompt was
            rejected|blocked; rejected by * safety|content|moderation; adult content
        """,
        codes="""
            content_policy_violation moderation_blocked image_content_policy_violation ContentPolicyViolationError
            ContentFilterFinishReasonError content_filter ResponsibleAIPolicyViolation IMAGE_PROHIBITED_CONTENT
            PROHIBITED_CONTENT IMAGE_SAFETY SAFETY moderation_error unsafe_content content_moderated
            CONTENT_FILTERED invalid_prompts content_policy InvalidPrompts sensitive_content
        """,
        example="The prompt was flagged by our guardrails",
    ),
    rule(
        "refused.by-user",
        0,
        None,
        NEVER,
        firmly=9,
        says="""
            withdrew; withdrawn by; changed his|her|their mind; no longer wanted|wants; called off; was|been|got
            cancelled|canceled by; cancelled|canceled|aborted|stopped|terminated|killed|interrupted|closed|rejected by
            * user|operator|customer|owner|admin|administrator; user|customer|operator has|had?
            cancelled|canceled|aborted|stopped; manually cancelled|canceled|stopped|aborted|terminated; cancelled on
            purpose; cancelled by request; cancellation requested
        """,
        codes="grpc.1 CANCELLED USER_CANCELLED user_canceled",
        against=(STALL, TIMEOUT),
        example="Cancelled by the user while the voice was timing out",
    ),
    rule(
        "person.awaited",
        9,
        UNKNOWN,
        PERSON,
        says="""
            not yet approved; not approved; has|have not * approved|confirmed|signed; not given|granted
            consent|approval; waiting|waits|awaiting|awaits|pending|needs|requires|wait *
            approval|review|sign|signoff|confirmation|authorization|decision; waiting|waits|awaiting|awaits|wait
            for|on * human|person|user|manager|approver|customer|input|reply|someone|reviewer|operator|owner;
            approval pending|required|outstanding; awaiting approval|review|confirmation|input; pending|manual|human
            approval|review; paused by|until; on hold; scheduled for|to run; sleeping until; waiting until; waiting
            for * timer|schedule|window; waiting|waits for mr|ms|mrs|dr|legal|finance|compliance|management;
            approval|review|release|signoff node|step|task|gate|stage * waiting|waits|open|pending; not approved
            yet; hasnt|not been approved; needs manual; requires manual; human in the loop;
            approval|review|confirmation|intervention|action|signature|verification|kyc|human|person is|are a?
            required; manual intervention|action|step|review|approval; restart|reboot|upgrade|update|migration is
            required; restart|reboot|upgrade of * required; requires a?
            restart|reboot|human|manual|approval|confirmation|review;
            agreement|contract|verification|registration|training|identification|inspection|consultation|signature|visit|audit|attestation
            * is|are a? required
        """,
        against=(STALL, TIMEOUT),
        example="Stuck? No: waiting for approval of the legal team",
    ),
)
