"""Harmless values of our own in a request that is to be sent, written after the patterns were frozen.

Place, field and value; texts are templates.
"""

from typing import Any, Final

_FIELDS: Final[tuple[tuple[str, Any], ...]] = (
    ("pageToken", "{U64}"), ("next_page_token", "{B88}=="), ("cursor", "{U48}"), ("after", "{B40}="), ("scroll_id", "{B120}"),
    ("sync_token", "{U40}"), ("continuation", "{B96}"), ("etag", "{H40}"), ("sha", "{H40}"), ("digest", "sha256:{H64}"),
    ("file_id", "{U44}"), ("message_id", "<{W40}@mail.example.com>"), ("upload_id", "{U96}"), ("receipt", "{B200}"),
    ("transaction", "0x{H64}"), ("wallet", "0x{H40}"), ("address", "bc1q{a38}"), ("cid", "bafybei{a52}"), ("public_key", "{B87}="),
    ("publicKey", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{W43} bo@h"), ("site_key", "6L{U38}"), ("publishable", "pk_live_{W99}"),
    ("uid", "{W28}"), ("device_id", "{H64}"), ("session_ref", "{G1}"), ("trace", "00-{H32}-{H16}-01"), ("body_base64", "{B400}"),
    ("image", "data:image/png;base64,iVBORw0KGgo{B300}"), ("content", "{B800}"), ("symbol", "_ZN4core3ptr18real_drop_in_place17h{H16}E"),
    ("job", "projects/p/locations/l/jobs/{W32}"), ("arn", "arn:aws:secretsmanager:us-east-1:123456789012:secret:app/db-{W6}"),
    ("role", "arn:aws:iam::123456789012:role/App-{A13}"), ("state", "{U43}"), ("nonce", "{U32}"), ("kid", "{U27}"),
    ("code", "E_QUOTA_EXCEEDED_42"), ("key", "{G1}"), ("key", "orders/2026/11/30/part-00017.parquet"), ("signature", "HS512"),
    ("credential_id", "cred_{W22}"), ("token_type", "Bearer"), ("token_count", 812), ("max_tokens", 4096), ("cookie_policy", "lax"),
    ("password_policy", "at least 12 characters"), ("password_hash_algorithm", "scrypt"), ("secret_name", "prod/db"),
    ("secretRef", "db-credentials"), ("token_expires_at", "2026-11-30T00:00:00Z"), ("auth_type", "oauth2"), ("cookies", 3),
    ("tokens", 17), ("author", "bo"), ("passenger", "Ann Lee"), ("passport_country", "DE"), ("pinned", True), ("compass", "north"),
    ("keyboard", "qwerty"), ("api_version", "2026-01-01"), ("access", "read"), ("access_level", "private"), ("authorization_status", "pending"),
    ("ulid", "01{A24}"), ("ksuid", "2{W26}"), ("nanoid", "{U21}"), ("snowflake", "{D18}"),
)  # fmt: skip
_TEXTS: Final = (
    "please reset the password of user 17",
    "the token was invalid, ask for another one",
    "Unexpected token < in JSON at position 0",
    "secret santa list of 2026",
    "see https://docs.example.com/auth/tokens/overview",
    "SELECT password_hash FROM users WHERE id = 17",
    "password: must be at least 12 characters",
    "The password is required.",
    "key=value&other=thing",
    "https://cdn.example.com/a/{W40}/b.png?v={H32}",
    "https://app.example.com/orders/{G1}/items?page=2",
    "mail to bo@example.com about basic authentication",
    "ssh://git@example.com:22/a/b.git",
    "diff --git a/{H40} b/{H40}",
    "invoice {D12}, customer {W24}",
)
_PLACES: Final = ("body field", "url query")

_SECOND: Final[tuple[tuple[str, Any], ...]] = (
    # A second round, frozen again: nine of these, at three places each, were held back
    ("offset_token","{U60}"),("resume_from","{B64}"),("shard","shardId-000000000003"),("sequence","4964{D52}"),("iterator","{B220}"),("lease","{G1}"),("build","{H40}"),("image_digest","sha512:{H128}"),("layer","{H64}"),("thumbprint","{H40}"),("certificate","MIID{B400}"),("jwk_n","{U342}"),("x5t","{U27}"),("vapid","B{U86}"),("fcm_topic","/topics/news"),("recaptcha","6L{U38}"),("maps","https://maps.example.com/?q=1,2&z=3"),("gtm","GTM-{A7}"),("ga","G-{A10}"),("stripe_customer","cus_{W14}"),("payment_intent","pi_3{W23}"),("idempotency_key","{U43}"),("correlation","{W32}"),("order_ref","ORD-2026-{D10}"),("iban","DE89370400440532013000"),("vin","1HGCM82633A004352"),("tracking","1Z{A16}"),("isbn","978-3-16-148410-0"),("hash","$sha1${H40}"),("class","com.example.auth.TokenService$Inner"),("path","/var/run/secrets/kubernetes.io/serviceaccount"),("file","id_rsa.pub"),("title","How to reset your password"),("subject","Re: API key rotation policy"),("message","Your token balance is low"),("description","Secrets of the forest"),("prompt","Write a poem about a password that nobody knows."),("sql","UPDATE users SET password_reset_required = true"),("html",'<label for="password">Password</label><input type="password" name="password">'),("yaml","secretName: db-credentials"),("env","DB_PASSWORD_FILE=/run/secrets/db"),("template","Bearer ${TOKEN}"),("locale","sk_SK"),("timezone","Europe/Berlin"),("coords","52.5200,13.4050"),("semver","1.2.3-rc.1+build.{H7}"),("pass_rate",0.97),("passed",12),("pin_code","10115"),("pincode","560001"),("access_type","offline"),("grant_type","password"),("response_type","token id_token"),("token_endpoint","https://idp.example.com/oauth2/token"),("auth_url","https://idp.example.com/auth?client_id=a1b2c3&state={U20}"),("scope","secrets.read credentials.write"),("secret_version",3),("key_id","{G1}"),("api_key_id","{W20}"),("password_changed_at","2026-01-01"),("has_password",True),("csrf_enabled",False),("author_token_count",5),("authors","Ann, Bo"),("cookie_consent","all"),("signature_algorithm","SHA256withRSA"),("sas_region","eu"),("card_last4","4242"),("mfa_enabled","yes"),("login","bo@example.com"),("user","bo"),("credentials_provider","aws-sso"),("webhook","https://api.example.com/v1/webhooks/{G1}"),("download","https://cdn.example.com/download/{W24}.zip"),("share","https://docs.example.com/share/{G1}"),("verify","https://api.example.com/verify/order/{D12}"),
)  # fmt: skip

_THIRD: Final[tuple[tuple[str, Any], ...]] = (
    # A third round, frozen again: two of these, at three places each, were held back
    ("snapshot","snap-0{H16}"),("instance","i-0{H16}"),("subnet","subnet-{H17}"),("ami","ami-0{H16}"),("vol","vol-0{H16}"),("execution","arn:aws:states:eu-west-1:123456789012:execution:flow:{G1}"),("queue_url","https://sqs.eu-west-1.amazonaws.com/123456789012/orders"),("log_stream","2026/11/30/[$LATEST]{H32}"),("request_id","{A13}"),("cf_ray","{H16}-FRA"),("x_request_id","{G1}"),("git_ref","refs/heads/feature/token-refresh"),("commit_message","Rotate the API key docs"),("branch","fix/password-form"),("package","passlib==1.7.4"),("module","django.contrib.auth.tokens"),("exception","InvalidTokenError"),("class_name","PasswordEncoderFactories"),("error_code","AUTH_TOKEN_EXPIRED"),("reason","token_expired"),("status","password_reset_pending"),("event","user.password_changed"),("feature_flag","enable_api_keys"),("permission","secretmanager.versions.access"),("iam","roles/secretmanager.secretAccessor"),("mime","application/x-pem-file"),("filename","credentials.json"),("url_path","/v1/tokens/validate"),("doc","https://docs.example.com/reset-password"),("schema_ref","#/components/schemas/AccessToken"),("graphql","mutation { login(password: $p) { token } }"),("sql2","INSERT INTO tokens(user_id) VALUES (17)"),("regex","^(?=.*[A-Z]).{8,}$"),("placeholder","<your-api-key>"),("masked","****1234"),("redacted_by_them","[FILTERED]"),("env_ref","${DB_PASSWORD}"),("template2","{{ secrets.DB_PASSWORD }}"),("vault_path","secret/data/app/db"),("k8s",'{"secretKeyRef": {"name": "db"}}'),("uuid7","0192f3a4-{H4}-7{H3}-8{H3}-{H12}"),("xid","c{a19}"),("objectid","{H24}"),("cuid","c{a24}"),("typeid","user_01{a24}"),("checksum","crc32c:{B6}=="),("md5","{H32}"),("sha1","{H40}"),("sha384","sha384-{B64}"),("blake3","{H64}"),("color","#ff8800"),("geohash","u33dc0cpke7v"),("plus","9F4MGC22+22"),("h3","8928308280fffff"),("what3words","filled.count.soap"),("phone","+49 30 901820"),("e164","+493012345678"),("iban2","GB33BUKB20201555555555"),("bic","COBADEFFXXX"),("vat","DE123456789"),("ean","4006381333931"),("imei","490154203237518"),("mac","00:1B:44:11:3A:B7"),("ipv6","2001:db8::ff00:42:8329"),("asn","AS15169"),("lat","52.520008"),("duration","PT15M"),("cron","0 */2 * * *"),("tz","America/Argentina/Buenos_Aires"),("rrule","FREQ=WEEKLY;BYDAY=MO"),("lang","pt-BR"),("money","1.234,56 EUR"),("emoji","🔑 lost and found"),("poem","Keys of ivory, tokens of love"),("book","The Secret Garden"),("song","Password by The Who"),("dish","Secret sauce burger"),("team","Token Ring Racing"),("city","Key West"),("street","Keystone Avenue 12"),("note_de","Bitte Passwort zurücksetzen"),("note_fr","Le mot de passe a été modifié"),("note_es","Restablecer la contraseña"),("note_pt","A senha deve ter 8 caracteres"),("note_ja","パスワードを忘れた場合"),("note_ru","Сброс пароля пользователя"),("note_zh","请重置密码"),("help","Your password must contain a number"),("label_text","Enter your PIN"),("hint","What is the name of your first pet?"),("totals","tokens used: 1532 of 4096"),("usage","prompt_tokens=812 completion_tokens=33"),("llm","max_tokens 4096 exceeded"),("tokenizer","cl100k_base"),("embedding","text-embedding-3-large"),("ocsp","http://ocsp.example.com"),("cert_cn","CN=api.example.com,O=Example"),("fingerprint2","SHA256:{B43}"),("hostkey","ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{B300}"),("csr","-----BEGIN CERTIFICATE REQUEST-----\nMIIC{B200}\n-----END CERTIFICATE REQUEST-----"),("pubkey","-----BEGIN PUBLIC KEY-----\nMIIB{B300}\n-----END PUBLIC KEY-----"),("cert","-----BEGIN CERTIFICATE-----\nMIID{B400}\n-----END CERTIFICATE-----"),("pgp","-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQGN{B200}\n-----END PGP PUBLIC KEY BLOCK-----"),("jwks_uri","https://idp.example.com/.well-known/jwks.json"),("kid2","{H40}"),("client_id","{D12}-{a32}.apps.googleusercontent.com"),("client_id2","{G1}"),("tenant_id","{G1}"),("app_id","cli_{a16}"),("stripe_price","price_1{W23}"),("stripe_sub","sub_1{W23}"),("stripe_evt","evt_1{W23}"),("stripe_pm","pm_1{W23}"),("paypal","{A17}"),("twilio_sid","SM{H32}"),("twilio_acc","AC{H32}"),("sendgrid_id","{U22}.filter0001.{D5}.{A8}-1"),("ses","0102018{H9}-{G1}-000000"),("slack_ts","1732999999.000200"),("slack_ch","C0{A9}"),("discord_id","{D18}"),("tg_file","AgACAgIAAxkBAAI{U60}"),("wa_id","wamid.HBgN{B40}"),("gdrive","1{U32}"),("gcal","{a26}@google.com"),("ics_uid","{a26}-{D8}T{D6}Z@example.com"),("zoom","https://zoom.us/j/{D11}"),("meet","https://meet.google.com/abc-defg-hij"),("yt","https://youtu.be/{U11}"),("s3_key","uploads/2026/11/{G1}/photo.jpg"),("gcs","gs://bucket/path/part-{D5}-{G1}.snappy.parquet"),("etag2",'"{H32}-12"'),("version_id","{U32}"),("multipart","{U128}"),("kafka_offset","orders-3@118233"),("trace_id","{H32}"),("span_id","{H16}"),("baggage","userId=alice,isProduction=false"),("sentry_event","{H32}"),("webhook_id","we_1{W23}"),("dedupe","{H64}"),("fcm_msg","projects/p/messages/{D19}"),("apns_topic","com.example.app"),("voice_id","{W20}"),
)  # fmt: skip

HARMLESS: Final[tuple[tuple[str, str, Any], ...]] = (
    *((place, field, value) for field, value in _FIELDS for place in _PLACES),
    *((place, field, value) for field, value in (*_SECOND, *_THIRD) for place in (*_PLACES, "text")),
    *(("text", "note", text) for text in _TEXTS),
    *(("header", field, value) for field, value in _FIELDS[:12]),
    (
        "body field",
        "schema",
        {"type": "object", "properties": {"password": {"type": "string"}, "token": {"$ref": "#/x"}}},
    ),
    ("body field", "env", [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]),
    ("body field", "variables", {"password": "${DB_PASSWORD}", "token": "{{ secrets.token }}"}),
)
