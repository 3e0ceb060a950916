"""Forged commands: none has an effect; the sender who is known is told why, and who is not becomes a dead letter."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from consumer.api.key_set import KeySet
from consumer.commands.keys import CommandKeys, read_key_file, utc_now
from consumer.commands.signed import MAX_COMMAND, Unattributed, read_command
from consumer.errors import ConfigError
from consumer.model import Record
from consumer.model.command import Order, RefusedOrder
from consumer.settings import CommandSettings
from tests.integration.test_commands import Once, deferred
from tests.support.commander import AUDIENCE, Commander, command, jwk_of, send, write_keys
from tests.support.pipeline import Site, until
from tests.support.worlds.scripted import scripted


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the forgers have seen and own: keys, the failure, and a command of somebody else's organisation."""

    maos: Commander
    limited: Commander
    """Its key may heal, in `own` alone."""
    revoked: Commander
    expired: Commander
    early: Commander
    stranger: Commander
    rsa: Commander
    org: UUID
    own: UUID
    failure: UUID

    @property
    def said(self) -> dict[str, Any]:
        return command("give_up", self.org, self.failure, reason="forged")

    def claims(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - claims are anything
        return self.maos.claims(self.said) | changes

    def without(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in self.claims().items() if name not in names}

    def signed(self, **changes: Any) -> bytes:  # noqa: ANN401
        return self.maos.sign(self.claims(**changes))

    def with_header(self, **header: Any) -> bytes:  # noqa: ANN401
        return self.maos.sign(self.claims(), **header)

    def by_hand(self, header: bytes | None = None, more: bytes = b"") -> bytes:
        """Sign bytes that no library would write."""
        claims = json.dumps(self.claims()).encode()[:-1] + more + b"}"
        texts = header or b'{"alg":"EdDSA","kid":"maos-1"}', claims
        signed = b".".join(base64.urlsafe_b64encode(text).rstrip(b"=") for text in texts)
        signature = self.maos.private.sign(signed)
        return signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")

    def rsa_pem(self) -> bytes:
        public: rsa.RSAPublicKey = self.rsa.private.public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def hmac_token(self, secret: bytes, key_id: str) -> bytes:
        signed = part({"alg": "HS256", "kid": key_id}) + b"." + part(self.claims())
        mac = hmac.new(secret, signed, hashlib.sha256).digest()
        return signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")


def event_around(scene: Scene) -> bytes:
    data = scene.said
    whole = {"specversion": "1.0", "id": "x", "source": "urn:m", "type": "workflow.heal_command.v1", "data": data}
    return json.dumps(whole).encode()


def with_other_claims(scene: Scene) -> bytes:
    header, _, signature = scene.maos.token(command("heal", scene.own, uuid4())).split(b".")
    return b".".join((header, part(scene.claims()), signature))


def with_flipped_signature(scene: Scene) -> bytes:
    head, _, signature = scene.signed().rpartition(b".")
    return head + b"." + (b"A" if signature[:1] != b"A" else b"B") + signature[1:]


def now_in(scene: Scene, name: str, seconds: int) -> dict[str, Any]:
    return {name: scene.claims()[name] + seconds}


LETTERS: Final[Mapping[str, tuple[Callable[[Scene], bytes], str]]] = {
    "no signature": (lambda s: s.signed().rpartition(b".")[0] + b".", "signature"),
    "two parts": (lambda s: s.signed().rpartition(b".")[0], "no JWS"),
    "four parts": (lambda s: s.signed() + b".x", "no JWS"),
    "JSON serialization of a JWS": (
        lambda s: json.dumps(
            dict(zip(("protected", "payload", "signature"), s.signed().decode().split("."), strict=True))
        ).encode(),
        "no JWS",
    ),
    "a changed signature": (with_flipped_signature, "signature"),
    "the signature of other claims": (with_other_claims, "signature"),
    "alg none": (lambda s: part({"alg": "none", "kid": "maos-1"}) + b"." + part(s.claims()) + b".", "alg"),
    "alg None in capitals": (lambda s: part({"alg": "NONE", "kid": "maos-1"}) + b"." + part(s.claims()) + b".", "alg"),
    "alg HS256 with the public key as its secret": (lambda s: s.hmac_token(s.rsa_pem(), "maos-rsa"), "alg"),
    "alg HS256 with an empty secret": (lambda s: s.hmac_token(b"", "maos-1"), "alg"),
    "alg of another kind of key": (lambda s: s.rsa.sign(s.claims(), kid="maos-1"), "none for RS256"),
    "alg RS512": (
        lambda s: (
            jwt.PyJWS().encode(json.dumps(s.claims()).encode(), s.rsa.private, "RS512", {"kid": "maos-rsa"}).encode()
        ),
        "alg",
    ),
    "an unknown key": (lambda s: s.stranger.sign(s.claims()), "kid names no key"),
    "an unknown key under a known name": (lambda s: s.stranger.sign(s.claims(), kid="maos-1"), "signature"),
    "a key that came along in the header": (
        lambda s: s.stranger.sign(s.claims(), kid="maos-1", jwk=jwk_of(s.stranger.private, "EdDSA")),
        "signature",
    ),
    "a key set that the header names": (
        lambda s: s.stranger.sign(s.claims(), kid="stolen", jku="https://evil.example/jwks.json"),
        "kid names no key",
    ),
    "a kid that is a path": (lambda s: s.stranger.sign(s.claims(), kid="../../../../dev/null"), "kid names no key"),
    "a kid that is a path to a known file": (lambda s: s.hmac_token(b"", "/dev/null"), "alg"),
    "a kid that is SQL": (lambda s: s.stranger.sign(s.claims(), kid="x' UNION SELECT 'k"), "kid names no key"),
    "a kid that is an address": (lambda s: s.stranger.sign(s.claims(), kid="https://evil.example/k"), "kid names no"),
    "a kid that is long": (lambda s: s.stranger.sign(s.claims(), kid="k" * 3000), "no JWS"),
    "no kid": (lambda s: s.maos.sign(s.claims(), kid=""), "kid names no key"),
    "an extension that must be understood": (lambda s: s.with_header(crit=["exp2"], exp2=1), "no JWS"),
    "an unencoded payload": (
        lambda s: part({"alg": "EdDSA", "kid": "maos-1", "b64": False}) + b"." + part(s.claims()) + b".AA",
        "no JWS",
    ),
    "a revoked key": (lambda s: s.revoked.sign(s.claims()), "it is revoked"),
    "a key that was valid once": (lambda s: s.expired.sign(s.claims()), "it was valid until"),
    "a key that is not valid yet": (lambda s: s.early.sign(s.claims()), "it is valid from"),
    "no signature, as an event": (event_around, "no JWS"),
    "a member's token": (
        lambda _: jwt.encode({"sub": str(uuid4()), "role": "authenticated", "aud": "authenticated"}, "m" * 32).encode(),
        "alg",
    ),
    "claims that are a list": (lambda s: s.maos.sign([s.claims()]), "claims"),  # type: ignore[arg-type]
    "alg twice": (lambda s: s.by_hand(b'{"alg":"none","alg":"EdDSA","kid":"maos-1"}'), "a name twice"),
    "kid twice, once escaped": (
        lambda s: s.by_hand(b'{"alg":"EdDSA","kid":"x","k\\u0069d":"maos-1"}'),
        "a name twice",
    ),
    "a claim twice": (lambda s: s.by_hand(None, b',"jti":"other"'), "ambiguous"),
    "a name twice in the command": (lambda s: s.by_hand(None, b',"x":[{"a":1,"a":2}]'), "ambiguous"),
    "a padded signature": (lambda s: s.signed() + b"==", "no JWS"),
    "claims with NUL": (lambda s: s.signed(command=s.said | {"reason": "a\0b"}), "claims"),
    "no jti": (lambda s: s.maos.sign(s.without("jti")), "jti"),
    "an empty jti": (lambda s: s.signed(jti=""), "jti"),
    "a jti that is a number": (lambda s: s.signed(jti=7), "jti"),
    "too large": (lambda _: b"x" * (MAX_COMMAND + 1), "above the limit"),
}
"""By name: the record, and a piece of the dead letter's reason."""

ANSWERS: Final[Mapping[str, tuple[Callable[[Scene], bytes], str]]] = {
    "expired": (lambda s: s.signed(iat=s.claims()["iat"] - 600, exp=s.claims()["iat"] - 300), "expired"),
    "issued later": (lambda s: s.signed(**now_in(s, "iat", 120), **now_in(s, "exp", 60)), "in the future"),
    "not valid yet": (lambda s: s.signed(nbf=s.claims()["iat"] + 120), "in the future"),
    "valid for a year": (lambda s: s.signed(**now_in(s, "exp", 365 * 86_400)), "within 900 s"),
    "valid for ever": (lambda s: s.signed(exp=1e300), "within 900 s"),
    "no exp": (lambda s: s.maos.sign(s.without("exp")), "missing"),
    "no iat": (lambda s: s.maos.sign(s.without("iat")), "missing"),
    "exp as text": (lambda s: s.signed(exp="tomorrow"), "no number"),
    "exp as true": (lambda s: s.signed(exp=True), "no number"),
    "exp before iat": (lambda s: s.signed(exp=s.claims()["iat"] - 1), "within 900 s"),
    "another audience": (lambda s: s.signed(aud="self-healing-workflows.staging"), "aud"),
    "no audience": (lambda s: s.maos.sign(s.without("aud")), "aud"),
    "another issuer": (lambda s: s.signed(iss="maos-staging"), "iss"),
    "no issuer": (lambda s: s.maos.sign(s.without("iss")), "iss"),
    "another issuer's key": (lambda s: s.limited.sign(s.claims()), "iss"),
    "no command": (lambda s: s.maos.sign(s.without("command")), "command"),
    "a command as text": (lambda s: s.signed(command=json.dumps(s.said)), "command"),
    "an unknown command": (lambda s: s.signed(command=s.said | {"command": "explode"}), "must be one of"),
    "an attribute that nobody knows": (lambda s: s.signed(command=s.said | {"everywhere": True}), "everywhere"),
    "a command that the key may not ask for": (
        lambda s: s.limited.sign(s.limited.claims(command("give_up", s.own, uuid4()))),
        "may not ask for give_up",
    ),
    "an organisation that the key may not command": (
        lambda s: s.limited.sign(s.limited.claims(command("heal", s.org, s.failure))),
        "may not command organisation",
    ),
    "all organisations with a key for one": (
        lambda s: s.limited.sign(s.limited.claims({"command": "pause", "issued_by": "x"})),
        "may not",
    ),
    "somebody else's failure under one's own organisation": (
        lambda s: s.limited.sign(s.limited.claims(command("heal", s.own, s.failure))),
        "no such failure",
    ),
    "a failure that does not exist": (
        lambda s: s.limited.sign(s.limited.claims(command("heal", s.own, uuid4()))),
        "no such failure",
    ),
}
"""By name: the record, and a piece of the answer's reason."""


def test_there_are_forty_of_them() -> None:
    assert len(LETTERS) + len(ANSWERS) >= 40


@pytest.fixture
def cast() -> dict[str, Commander]:
    return {
        "maos": Commander.new(),
        "limited": Commander.new("ES256", "limited-1", "limited"),
        "revoked": Commander.new(key_id="maos-0"),
        "expired": Commander.new(key_id="maos-old"),
        "early": Commander.new(key_id="maos-next"),
        "stranger": Commander.new(key_id="nobody"),
        "rsa": Commander.new("RS256", "maos-rsa"),
    }


async def test_no_forgery_has_an_effect_and_each_is_told_why(
    embedded_place: Site, tmp_path: Path, cast: dict[str, Commander]
) -> None:
    path = tmp_path / "keys.yaml"
    place = embedded_place.changed(commands={"keys_file": path, "group_id": f"commands.{uuid4().hex[:12]}"})
    own = await place.organisation()
    write_keys(
        path,
        cast["maos"].entry(),
        cast["rsa"].entry(),
        cast["limited"].entry(commands=["heal"], organisations=[str(own)]),
        cast["revoked"].entry(revoked=True),
        cast["expired"].entry(valid_until="2020-01-01T00:00:00Z"),
        cast["early"].entry(valid_from="2120-01-01T00:00:00Z"),
    )
    async with place.consumer(scripted(Once())) as running:
        org, failure = await deferred(place, running)
        before = await place.db.fetchrow("SELECT * FROM workflow_failures")
        scene = Scene(org=org, own=own, failure=failure, **cast)
        # What is around a record counts for nothing: neither its headers nor its key.
        outside = [("content-type", b"application/cloudevents+json"), ("ce_id", b"x"), ("ce_specversion", b"1.0")]
        for make, _ in LETTERS.values():
            await send(place, make(scene), headers=outside, key=str(failure).encode())
        sent = {}
        for name, (make, _) in ANSWERS.items():
            value = make(scene)
            sent[name] = json.loads(base64.urlsafe_b64decode(value.split(b".")[1] + b"=="))["jti"]
            await send(place, value, headers=outside)

        async def all_told() -> bool:
            told = [one for one in await place.results() if one["type"] == "workflow.command_result.v1"]
            return len(told) >= len(ANSWERS) and len(await place.letters()) >= len(LETTERS)

        await until(all_told)
        results = {
            one["data"]["command_id"]: one["data"] for one in await place.results() if "command_id" in one["data"]
        }
        letters = [one.headers["shw_dlq_message"].decode() for one in await place.letters()]
        assert await place.db.fetchrow("SELECT * FROM workflow_failures") == before
        assert await place.count("heal_decision") + await place.count("heal_request") == 0
    assert len(letters) == len(LETTERS)
    assert len(results) == len(ANSWERS)
    for (name, (_, why)), told in zip(LETTERS.items(), letters, strict=True):
        assert why in told, (name, told)
    for name, (_, why) in ANSWERS.items():
        told = results[sent[name]]
        assert why in told["reason"], (name, told)
        assert told["outcome"] in ("refused", "not_found"), (name, told)


async def test_a_genuine_command_counts_beside_them(tmp_path: Path) -> None:
    maos = Commander.new()
    settings = CommandSettings(keys_file=write_keys(tmp_path / "keys.yaml", maos.entry()))
    keys = CommandKeys.of(settings)
    said = command("heal", uuid4(), uuid4())
    for audience in (AUDIENCE, [AUDIENCE, "another"]):
        found = await read_command(_record(maos.sign(maos.claims(said) | {"aud": audience})), keys, settings, utc_now())
        assert isinstance(found, Order), found
    late = maos.claims(said)
    refused = await read_command(_record(maos.sign(late | {"exp": late["iat"]})), keys, settings, utc_now())
    assert isinstance(refused, RefusedOrder)


def _record(value: bytes) -> Record:
    return Record(topic="t", partition=0, offset=0, timestamp_ms=0, key=None, value=value, headers=())


async def test_a_listed_key_may_come_from_a_jwk_set_which_lists_nobody_itself(tmp_path: Path) -> None:
    maos, other = Commander.new(), Commander.new(key_id="maos-2")
    path = write_keys(tmp_path / "keys.yaml", maos.entry(public_key=None))
    with pytest.raises(ConfigError, match="maos-1 has no public_key"):
        CommandKeys.of(CommandSettings(keys_file=path))
    public = [jwk_of(one.private, "EdDSA") | {"kid": one.key_id} for one in (maos, other)]
    read = json.dumps({"keys": public}).encode()

    async def fetch() -> bytes:
        return read

    settings = CommandSettings(keys_file=path, jwks_url="https://maos.example/jwks.json")
    keys = CommandKeys.of(settings)
    keys.jwks = KeySet(read=fetch)
    said = command("heal", uuid4(), uuid4())
    assert isinstance(await read_command(_record(maos.token(said)), keys, settings, utc_now()), Order)
    stranger = await read_command(_record(other.token(said)), keys, settings, utc_now())
    assert isinstance(stranger, Unattributed)
    assert "kid names no key" in stranger.message


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"public_key": {"kty": "oct", "k": "c2VjcmV0"}}, "public_key is no public JWK"),
        ({"public_key": {"kty": "OKP", "crv": "X25519", "x": "AAAA"}}, "public_key is no public JWK"),
        ({"commands": ["explode"]}, "commands"),
        ({"organisations": ["acme"]}, "organisations"),
        ({"organisations": None}, "organisations"),
        ({"valid_until": "2026-01-01T00:00:00"}, "valid_until"),
        ({"secret": "x"}, "secret"),
    ],
    ids=repr,
)
def test_a_key_file_at_fault_is_refused_with_the_place(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read_key_file(write_keys(tmp_path / "keys.yaml", Commander.new().entry(**change)))


def test_a_private_key_in_the_file_is_refused_and_not_quoted(tmp_path: Path) -> None:
    maos = Commander.new()
    private = jwt.get_algorithm_by_name("EdDSA").to_jwk(maos.private, as_dict=True)
    with pytest.raises(ConfigError) as caught:
        read_key_file(write_keys(tmp_path / "keys.yaml", maos.entry(public_key=private)))
    assert private["d"] not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["keys: [", "keys: " + "[" * 20_000, "keys: 2026-02-30", "keys: 1" + "0" * 5_000, "keys: &k [*k]"]
)
def test_a_key_file_of_odd_yaml_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="SHW_COMMANDS__KEYS_FILE") as error:
        read_key_file(file)
    assert "\n" not in str(error.value)
