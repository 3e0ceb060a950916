"""Who is let in by the API, by which key, and what is said and counted of those who are not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import SecretStr
from structlog.testing import capture_logs

from consumer.api.key_set import MAX_BYTES, RETRY_AFTER
from consumer.errors import ConfigError
from consumer.metrics import SignInRefusal
from consumer.settings import ApiSettings, read_settings
from tests.support.api_world import SECRET, World, error_of, serving
from tests.support.worlds.http_world import Reply, http_world, json_reply
from tests.support.worlds.http_world import World as Platform

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, Any] = {"RS256": RSA, "ES256": EC, "EdDSA": EDWARDS}


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    async with http_world() as running:
        yield running


def public(private: Any, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    kinds = {rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm, ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm}
    kind: Any = next((kinds[of] for of in kinds if isinstance(private, of)), jwt.algorithms.OKPAlgorithm)
    key: dict[str, Any] = json.loads(kind.to_jwk(private.public_key()))
    return key | members


def key_set_of(**private: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"keys": [public(key, kid=name) for name, key in private.items()]}


def claims_of(world: World, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    base = {"sub": str(world.people["owner"]), "aud": "authenticated", "exp": int(time.time()) + 60}
    return base | {"role": "authenticated"} | more


def by_hand(payload: bytes, header: bytes = b'{"alg":"HS256","typ":"JWT"}', secret: str = SECRET) -> str:
    """Sign bytes that no library would write."""
    parts = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload))
    mark = hmac.new(secret.encode(), parts, hashlib.sha256).digest()
    return (parts + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


async def answers(world: World, token: str) -> set[tuple[int, str]]:
    """Ask every kind of endpoint; gives their errors."""
    found = set()
    for method, path in (
        ("GET", "/api/healing/failures"),
        ("GET", f"/api/healing/failures/{uuid4()}/attempts"),
        ("GET", "/api/healing/stats"),
        ("POST", "/api/healing/heal"),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        response = await world.ask(method, path, None, headers=headers, json={"failureId": str(uuid4())})
        found.add((200, "") if response.status_code == 200 else error_of(response))
    return found


def odd_claims() -> Iterator[tuple[str, bytes]]:
    sub, exp = str(uuid4()), int(time.time()) + 60
    good: dict[str, Any] = {"sub": sub, "aud": "authenticated", "exp": exp}
    for name, claims in {
        "a NUL": good | {"name": "a\0b"},
        "a NUL in a name": good | {"a\0b": 1},
        "a NUL within": good | {"user_metadata": {"names": ["a", {"b": "\0"}]}},
        "no sub": {"aud": "authenticated", "exp": exp},
        "sub a list": good | {"sub": [sub]},
        "sub a number": good | {"sub": 7},
        "sub an object": good | {"sub": {"id": sub}},
        "sub null": good | {"sub": None},
        "sub no UUID": good | {"sub": "x" * 4000},
        "sub a URN": good | {"sub": f"urn:uuid:{sub}"},
        "sub with hyphens elsewhere": good | {"sub": f"{sub[0]}-{sub[1:]}"},
        "sub with a line after it": good | {"sub": f"{sub}\n"},
        "exp a text": good | {"exp": "soon"},
        "exp a list": good | {"exp": [exp]},
        "exp true": good | {"exp": True},
        "exp in milliseconds": good | {"exp": exp * 1000},
        "exp 1e20": good | {"exp": 1e20},
        "exp with a fraction": good | {"exp": exp + 0.5},
        "exp of 2^63": good | {"exp": 2**63},
        "nbf before 1970": good | {"nbf": -1},
        "nbf after exp": good | {"nbf": exp + 1},
        "iat -1e300": good | {"iat": -1e300},
        "iat after exp": good | {"iat": exp + 1},
        "iat to come": good | {"iat": exp - 5},
        "aud a list with a number": good | {"aud": ["authenticated", 7]},
        "iss an object": good | {"iss": {"a": 1}},
        "jti a list": good | {"jti": []},
        "nbf a text": good | {"nbf": "yesterday"},
        "iat an object": good | {"iat": {}},
        "aud an object": good | {"aud": {"authenticated": 1}},
        "role a list": good | {"role": ["authenticated"]},
        "is_anonymous a text": good | {"is_anonymous": "no"},
    }.items():
        yield name, json.dumps(claims).encode()
    plain = json.dumps(good).encode()[:-1]
    for name, end in {
        "1e999": b',"a":1e999}',
        "exp 1e999": b',"exp":1e999}',
        "NaN": b',"a":NaN}',
        "half a surrogate pair": b',"a":"\\ud800"}',
        "nested 1,000 deep": b',"a":' + b"[" * 1000 + b"]" * 1000 + b"}",
        "nested 3,000 deep": b',"a":' + b"[" * 3000 + b"]" * 3000 + b"}",
        "nested 20 deep": b',"a":' + b'{"a":' * 20 + b"1" + b"}" * 20 + b"}",
        "not UTF-8": b',"a":"\xff"}',
        "a number of 5,000 digits": b',"a":' + b"9" * 5000 + b"}",
        "exp of 5,000 digits": b',"exp":' + b"9" * 5000 + b"}",
        "cut": b"",
        "sub twice": b',"sub":"' + sub.encode() + b'"}',
        "sub twice, once escaped": b',"s\\u0075b":"' + sub.encode() + b'"}',
        "a name twice within": b',"app_metadata":{"roles":[{"a":1,"a":2}]}}',
    }.items():
        yield name, plain + end
    for text in (b"[]", b"null", b'"x"', b"7", b"", b"{}"):
        yield text.decode() or "nothing", text


ODD_HEADERS = (
    b'{"alg":"HS256","crit":["b64"],"b64":false}',
    b'{"alg":["HS256"]}',
    b'{"alg":"HS256","kid":{"a":1}}',
    b'{"alg":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"alg":"hs256"}',
    b'{"alg":"none","alg":"HS256"}',
    b'{"alg":"HS256","alg":"HS256"}',
    b'{"alg":"none","a\\u006cg":"HS256"}',
    b'{"alg":"HS256","x":{"a":1,"a":1}}',
    b'{"alg":"HS256","typ":7}',
    b"{}",
    b"[]",
    b"\xff",
)


async def test_odd_claims_and_headers_are_refused_and_never_a_fault_of_ours(database: str) -> None:
    async with serving(database, address_burst=10_000) as world:
        for name, payload in odd_claims():
            assert await answers(world, by_hand(payload)) == {(401, "not_signed_in")}, name
        payload = json.dumps(claims_of(world)).encode()
        for header in ODD_HEADERS:
            assert await answers(world, by_hand(payload, header)) == {(401, "not_signed_in")}, header[:60]
        assert await answers(world, by_hand(payload)) == {(200, ""), (404, "not_found")}


REFUSALS: tuple[tuple[dict[str, Any], SignInRefusal], ...] = (
    ({"role": "anon"}, SignInRefusal.ROLE),
    ({"role": "service_role"}, SignInRefusal.ROLE),
    ({"role": None}, SignInRefusal.ROLE),
    ({"is_anonymous": True}, SignInRefusal.ANONYMOUS_USER),
    ({"nbf": time.time() + 86_400}, SignInRefusal.NOT_YET_VALID),
    ({"exp": time.time() - 60}, SignInRefusal.EXPIRED),
    ({"aud": "other"}, SignInRefusal.AUDIENCE),
    ({"iss": "https://elsewhere"}, SignInRefusal.ISSUER),
    ({"sub": "anna"}, SignInRefusal.CLAIMS),
    ({"exp": 1e20}, SignInRefusal.CLAIMS),
    ({"exp": time.time() // 1 + 86_400.5}, SignInRefusal.CLAIMS),
)


async def test_each_refusal_is_counted_and_logged_by_its_reason(database: str) -> None:
    async with serving(database, jwt_issuer="https://platform/auth/v1") as world:
        right = claims_of(world, iss="https://platform/auth/v1")
        good = await answers(world, jwt.encode(right, SECRET, algorithm="HS256"))
        with capture_logs() as logs:
            for more, _ in REFUSALS:
                token = jwt.encode(right | more, SECRET, algorithm="HS256")
                assert await answers(world, token) == {(401, "not_signed_in")}, more
        lines = [one for one in logs if one["event"] == "sign_in_refused"]
        text = (await world.ask("GET", "/metrics", None)).text
    assert good == {(200, ""), (404, "not_found")}
    reasons = [reason for _, reason in REFUSALS]
    assert [one["reason"] for one in lines] == list(dict.fromkeys(reasons))  # once, not four times
    assert {one["address"] for one in lines} == {"127.0.0.1"}
    for reason in set(reasons):
        assert f'shw_sign_ins_refused_total{{reason="{reason}"}} {4 * reasons.count(reason)}.0' in text


async def test_what_can_be_read_in_two_ways_is_refused_counted_and_logged(world: World) -> None:
    payload = json.dumps(claims_of(world)).encode()
    good, path = f"Bearer {by_hand(payload)}", "/api/healing/stats"
    for first, second in ((good, good), (good, "Bearer x"), ("Basic dTpw", good), (good, "")):
        with capture_logs() as logs:
            answer = await world.ask(
                "GET", path, None, headers=[("Authorization", first), ("x-other", "1"), ("authorization", second)]
            )
        assert error_of(answer) == (401, "not_signed_in")
    assert await answers(world, by_hand(payload[:-1] + b',"sub":"x"}')) == {(401, "not_signed_in")}
    for padded in (by_hand(payload) + "=", by_hand(payload).replace(".", "=.", 1)):
        assert await answers(world, padded) == {(401, "not_signed_in")}
    assert (await world.ask("GET", path, None, headers={"Authorization": good})).status_code == 200
    text = (await world.ask("GET", "/metrics", None)).text
    assert 'shw_sign_ins_refused_total{reason="ambiguous"} 8.0' in text
    assert not logs  # the line of its reason was written at the first of them


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_user_signs_in_by_a_public_key_of_a_url_or_a_file(
    database: str, platform: Platform, tmp_path: Path, algorithm: str
) -> None:
    published = key_set_of(**KEYS)
    platform.on("/keys", json_reply(published))
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(published))
    for where in ({"jwks_url": platform.url("/keys")}, {"jwks_file": path}):
        async with serving(database, jwt_secret=None, **where) as world:
            for headers in ({"kid": algorithm}, {}):
                token = jwt.encode(claims_of(world), KEYS[algorithm], algorithm=algorithm, headers=headers)
                assert await answers(world, token) == {(200, ""), (404, "not_found")}
            await world.pool.execute("DELETE FROM user_organizations")
            await world.pool.execute("DELETE FROM organizations")
    assert len(platform.calls("/keys")) == 1


def forged(world: World) -> Iterator[tuple[str, str]]:
    claims = claims_of(world)
    public_key = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    payload = json.dumps(claims).encode()
    yield "HS256 with the public key as secret", by_hand(payload, b'{"alg":"HS256","kid":"RS256"}', public_key.decode())
    yield "RS256 named, HS256 made", by_hand(payload, b'{"alg":"RS256","kid":"RS256"}')
    yield (
        "another key under the same name",
        jwt.encode(claims, rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": "RS256"}),
    )
    yield (
        "a key of another kind under the same name",
        jwt.encode(claims, EC, algorithm="ES256", headers={"kid": "RS256"}),
    )
    yield "PS256 by an RSA key", jwt.encode(claims, RSA, algorithm="PS256", headers={"kid": "RS256"})
    yield "none", by_hand(payload, b'{"alg":"none"}').rpartition(".")[0] + "."
    yield "a key for encryption", jwt.encode(claims, RSA, algorithm="RS256", headers={"kid": "encrypts"})
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        weak = jwt.encode(claims, WEAK, algorithm="RS256", headers={"kid": "weak"})
    yield "a weak key", weak
    yield "a key that wraps others", jwt.encode(claims, RSA, algorithm="RS256", headers={"kid": "wraps"})
    yield "a symmetric key of the set", by_hand(payload, b'{"alg":"HS256","kid":"shared"}', "k" * 32)
    yield (
        "a key that the token brings along",
        jwt.encode(claims, EC, algorithm="ES256", headers={"kid": "new", "jwk": public(EC)}),
    )


async def test_no_key_is_taken_for_one_of_another_kind_or_use(database: str, platform: Platform) -> None:
    published = key_set_of(RS256=RSA, weak=WEAK)
    published["keys"] += [
        public(RSA, kid="encrypts", use="enc"),
        public(RSA, kid="wraps", key_ops=["wrapKey"]),
        {"kty": "oct", "k": base64.urlsafe_b64encode(b"k" * 32).decode().rstrip("="), "kid": "shared"},
        {"kty": "RSA", "n": "?", "e": [], "kid": "broken"},
        "no key",
        7,
    ]
    platform.on("/keys", json_reply(published))
    for secret in (None, SecretStr(SECRET)):
        async with serving(database, jwt_secret=secret, jwks_url=platform.url("/keys")) as world:
            for name, token in forged(world):
                assert await answers(world, token) == {(401, "not_signed_in")}, name
            good = jwt.encode(claims_of(world), RSA, algorithm="RS256", headers={"kid": "RS256"})
            assert await answers(world, good) == {(200, ""), (404, "not_found")}
            await world.pool.execute("DELETE FROM user_organizations")
            await world.pool.execute("DELETE FROM organizations")


async def test_a_strangers_key_names_do_not_drive_our_calls_to_the_platform(database: str, platform: Platform) -> None:
    platform.on("/keys", json_reply(key_set_of(**KEYS)))
    async with serving(database, jwt_secret=None, jwks_url=platform.url("/keys")) as world:
        for index in range(20):
            token = jwt.encode(claims_of(world), EC, algorithm="ES256", headers={"kid": f"other {index}"})
            assert await answers(world, token) == {(401, "not_signed_in")}
    assert len(platform.calls("/keys")) <= 2
    assert RETRY_AFTER.total_seconds() >= 10


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(json_reply({}, 503), id="503"),
        pytest.param(Reply(body=b"[]"), id="no set"),
        pytest.param(Reply(body=b'{"keys": {}}'), id="no list"),
        pytest.param(Reply(body=b" " * (MAX_BYTES + 1)), id="too large"),
        pytest.param(Reply(status=302, headers=(("Location", "/elsewhere"),)), id="elsewhere"),
        pytest.param(Reply(drop=True), id="hangs up"),
    ],
)
async def test_while_the_keys_cannot_be_read_nobody_is_let_in_and_is_told_to_come_again(
    database: str, platform: Platform, reply: Reply
) -> None:
    platform.on("/keys", reply)
    async with serving(database, jwt_secret=None, jwks_url=platform.url("/keys")) as world:
        token = jwt.encode(claims_of(world), EC, algorithm="ES256", headers={"kid": "ES256"})
        with capture_logs() as logs:
            assert await answers(world, token) == {(503, "sign_in_unavailable")}
        assert [one["event"] for one in logs].count("key_set_unreadable") == 1
        assert (await world.ask("GET", "/healthz", None)).status_code == 200


async def test_a_short_secret_is_refused_at_the_start_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHW_API__JWT_SECRET", "sesame-73-sesame")
    with pytest.raises(ConfigError, match=r"SHW_API__JWT_SECRET.*16 bytes.*32") as refused:
        read_settings()
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://platform.example/keys", "ftp://a/b", "keys.json", "https://"])
def test_keys_over_an_open_line_are_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|https"):
        ApiSettings(jwks_url=url)


@pytest.mark.parametrize("text", [None, "[]", '{"keys": []}'])
async def test_a_key_file_without_a_key_is_refused_at_the_start(
    database: str, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="SHW_API__JWKS_FILE"):
        async with serving(database, jwks_file=path):
            pass


async def test_a_heal_that_was_asked_for_has_its_users_name_in_the_table_and_in_the_log(world: World) -> None:
    failure_id = await world.failure(step=2)
    await world.attempt(failure_id, 2)
    with capture_logs() as logs:
        for person in ("owner", "admin", "owner"):
            await world.ask("POST", "/api/healing/heal", person, json={"failureId": str(failure_id)})
    rows = await world.pool.fetch("SELECT * FROM heal_request ORDER BY requested_at")
    assert [row["requested_by"] for row in rows] == [str(world.people[name]) for name in ("admin", "owner")]
    assert {(row["failure_id"], row["step"]) for row in rows} == {(failure_id, 2)}
    assert all(row["requested_at"] <= datetime.now(UTC) for row in rows)
    said = [(one["user"], one["failure_id"]) for one in logs if one["event"] == "heal_requested"]
    assert said == [(str(world.people[name]), str(failure_id)) for name in ("owner", "admin", "owner")]
