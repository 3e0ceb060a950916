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

HARMLESS: Final[tuple[tuple[str, str, Any], ...]] = (
    *((place, field, value) for field, value in _FIELDS for place in _PLACES),
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
