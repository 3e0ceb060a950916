"""Rules for payloads and answers that violate their schema, or are no structured data at all."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import NOW, PERSON, REPAIR, SCHEMA, UNKNOWN

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "schema.word",
        4.5,
        SCHEMA,
        REPAIR,
        says="schema; schemas; validation; validations",
        example="Validation said no",
    ),
    rule(
        "schema.code",
        6,
        SCHEMA,
        REPAIR,
        codes="""
            ValidationError ResponseValidationError RequestValidationError APIResponseValidationError
            UnprocessableEntityError ZodError ValidationFailed JSONDecodeError JsonParseException
            MismatchedInputException JsonMappingException InvalidDefinitionException UnrecognizedPropertyException
            SerializationException DeserializationException SAXParseException invalid_type unrecognized_keys
            invalid_enum_value too_small too_big missing_required_parameter parameter_missing parameter_unknown
            parameter_invalid_empty ParamValidationError parameter_invalid_integer parameter_invalid_string_blank
            InvalidParameterValue InvalidParameterException InvalidParameterCombination MissingParameter
            MissingParameterException invalid_json parse_error schema_validation_failed INVALID_ARGUMENT
            InvalidArgument InvalidInput InvalidInputException MalformedInputException JsonSyntaxException
            JSONException OutputParserException MissingField HttpMessageNotReadableException
            MethodArgumentNotValidException ConstraintViolationException GraphQLValidationError
            GRAPHQL_VALIDATION_FAILED BAD_USER_INPUT UnmarshalTypeError ParseException YAMLException TOMLDecodeError
            SchemaError value_error missing_field invalid_field InvalidRequestContentException InvalidParameterError
            InvalidRequestBody invalid_value DecodeError ResponseParserError JSONPARSEERROR MalformedResponse
            json_validate_failed InvalidMessageError ExpatError OpenAIResponseValidationError
        """,
        example="ExpatError in the importer",
    ),
    rule(
        "schema.unprocessable",
        3.5,
        SCHEMA,
        REPAIR,
        says="unprocessable; key error; invalid request; bad request; validation exception|fault|failure",
        codes="""
            http.422 grpc.3 SyntaxError KeyError TypeMismatch MalformedRequest invalid_request InvalidParameter
            ValidationException ERR_INVALID_ARG_TYPE MarshalException BadRequestException InvalidRequestError
        """,
        example="The form answered HTTP 422",
    ),
    rule(
        "schema.required",
        5,
        SCHEMA,
        REPAIR,
        says="""
            lacks the|a|an|mandatory|required; mandatory|required * parameter|field|property; required
            property|field|fields|parameter|parameters|key|keys|properties|argument|arguments|attribute|element|input|column|columns|header;
            field|property|parameter|value|key|argument|attribute|element required|missing; missing
            required|mandatory|expected key|keys; missing key|keys in|from|for|of|at; key|keys is|are
            missing|absent; missing
            required|mandatory|field|key|property|attribute|parameter|parameters|arguments|argument|element|column|value|input|properties;
            is required; is a required; is missing|mandatory|absent; are required|mandatory|missing; must|should be
            specified|provided|present|set|supplied|defined|included|given; must contain|have|include;
            cannot|must|should|may not? be null|empty|blank|undefined; not be null|empty|blank|undefined; required *
            missing|absent|empty; is undefined; was not provided; not provided; lacks the field; has no field; no
            field; mandatory field; cannot find field; missing from the payload|response|answer|body; field|fields
            is|are|was|were missing
        """,
        example="'amount' is required",
    ),
    rule(
        "schema.type",
        5,
        SCHEMA,
        REPAIR,
        says="""
            must|should|expected|expect|expects|expecting be|to|a|an|of *
            string|number|integer|int|boolean|bool|array|object|list|dict|dictionary|float|date|datetime|uuid|null|email|url;
            expected * received|got|but|found|was; expected string|number|integer|boolean|array|object|list; 0? byte
            position in line; document structures must;
            premature end of file|document|input; type
            mismatch|error for; wrong|invalid|incorrect type; invalid
            input|value|argument|format|parameter|parameters|date|datetime|uuid|email|number|json|literal; not of
            type; cannot|could|can not? be? parsed|deserialized|interpreted|coerced|converted; columns *
            expects|wants|expected|needs; is not a|an|of
            valid|type|string|number|integer|boolean|array|object|list|date; not a valid; input should;
            cannot|could|unable|failed|failure|error|cant|unmarshal|parse
            deserialize|unmarshal|coerce|cast|convert|parse|decode|deserialise; could|can not
            deserialize|unmarshal|parse|decode|convert; unable|failed|fail|fails|failing|failure to
            deserialize|unmarshal|parse|decode|convert|coerce; error
            deserializing|decoding|parsing|unmarshalling|unmarshaling;
            deserialization|deserialisation|serialization|parsing|decoding failed|error; value of type; argument
            must; parse error; got * instead of; was expected; unexpected type|value|format; bad format; does|did
            not match|conform|satisfy|validate|comply; doesnt match|conform; incompatible types; instead of a|an;
            expected by|format
        """,
        example="Expected integer, received string",
    ),
    rule(
        "schema.shape",
        5,
        SCHEMA,
        REPAIR,
        says="""
            additional properties|property|fields; allowed values; must match; not match * pattern|format|regex;
            unknown|unrecognized|unrecognised|unexpected|extra|undeclared|unsupported|unexpected
            field|key|property|parameter|argument|keys|fields|properties|attribute|element|column|inputs|parameters;
            not one of; one of * expected; invalid enum; must be one of; must be
            greater|less|at|a|an|one|equal|unique|positive; out of range; exceeds maximum|the; too
            short|small|large; minimum|maximum length|value|items; content was found; not permitted; complex type;
            root element; magic byte; does not allow additional; not allowed here; forbidden field; invalid
            property|key|field|response|payload|body|structure|document; unsupported parameter|value; not supported
            with; should be equal; invalid argument; invalid content; not declared; was referenced but
        """,
        example="A forbidden field in the order",
    ),
    rule(
        "schema.json",
        5,
        SCHEMA,
        REPAIR,
        says="""
            unexpected token|character|symbol|identifier|eof|string|number; not valid|parseable|parsable
            json|xml|yaml; valid json; invalid|malformed|broken|corrupt|bad
            json|xml|yaml|payload|response|body|csv|message|html; malformed; extra data; unterminated
            string; json parse|parsing|decode|decoding|error|syntax|validation; json at position; in
            json; expecting value|property|delimiter; expected json; invalid control character; trailing
            comma|data|characters; well formed; syntax error; no json; non json; json object; escape
            sequence; json mode; prose|markdown|text|explanation instead of; answered|replied|responded
            with|in prose|text|markdown|words; wrapped in * markdown|fence|fences; code fence|fences;
            yaml error; entity name; isnt in the correct format; is|was not in the
            correct|expected|right format
        """,
        example="Trailing comma in the answer",
    ),
    rule(
        "schema.format",
        3,
        SCHEMA,
        REPAIR,
        says="""
            avro; protobuf; proto; json schema; openapi; graphql; xsd; xs; pydantic; zod; ajv; marshmallow; response
            format; structured output; unmarshal; deserialize; deserializing; serializer; output parser; dto; tool
            call arguments
        """,
        example="The avro was refused",
    ),
    rule(
        "schema.truncated",
        8,
        SCHEMA,
        NOW,
        says="""
            finish|stop reason length|max; truncated|truncates|truncation *
            response|output|answer|json|completion|reply|document|message;
            response|output|answer|completion|json|reply|text was|is|got|gets|has|been|be * truncated; truncated
            json|response|output|answer|completion; cut off; unexpected end of json|input|data|stream; unexpected end;
            unterminated string; response|answer|output|completion|reply was|is|got|gets cut; json is|was
            incomplete|truncated|cut; max|maximum tokens * reached|exceeded|hit|limit; token limit
            was|is|has|reached|hit; hit the|its|max * token|tokens|length limit?; length limit was reached; incomplete
            json|response|output|answer; ends in the middle; stopped mid
        """,
        codes="""
            LengthFinishReasonError IncompleteOutputException finish.length finish.max_tokens finish.maxtokens
            finish.max_output_tokens IncompleteJSONError
        """,
        example="The model's answer was truncated",
    ),
    rule(
        "schema.database",
        7,
        UNKNOWN,
        PERSON,
        says="""
            database|db|postgres|postgresql|mysql|sql schema|schemas; schema
            migration|migrations|version|upgrade|lock|public|history; schema * database|table; migration schema;
            information schema; create|drop|alter schema; schema change; search path
        """,
        example="DB schema is behind the release",
    ),
    rule(
        "schema.certificate",
        8,
        UNKNOWN,
        PERSON,
        says="""
            tls|ssl|certificate|cert|chain|hostname validation|verification|verify; certificate
            verify|has|is|expired|signed|chain|not; self signed; unable to get * issuer; ssl
            error|handshake|certificate; tls error|alert; handshake failure|failed; unknown ca; x 509; x509;
            certificate validation|verification
        """,
        codes="""
            CERT_HAS_EXPIRED UNABLE_TO_VERIFY_LEAF_SIGNATURE DEPTH_ZERO_SELF_SIGNED_CERT SSLCertVerificationError
            SSLError SSLHandshakeException ERR_TLS_CERT_ALTNAME_INVALID CertificateError SSLEOFError
            SELF_SIGNED_CERT_IN_CHAIN CERTIFICATE_VERIFY_FAILED
        """,
        example="TLS validation gave up on the proxy",
    ),
    rule(
        "schema.statistics",
        7,
        UNKNOWN,
        PERSON,
        says="""
            cross validation; validation loss|accuracy|set|split|score|dataset|epoch|step|curve|fold; train
            validation; training and validation; address|phone|identity|license|licence|warranty|domain validation
        """,
        example="Cross-validation left no folds",
    ),
)
