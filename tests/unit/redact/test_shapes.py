"""Tokens of the well-known issuers, each in the places where one stands."""

import json
import random
import string

import pytest

from consumer.redact import REDACTED, may_hold_secret, redact_json, redact_text
from consumer.redact.issuers import SHAPES
from tests.support.planted import PLANTED

HEX, B62, B64 = "0123456789abcdef", string.ascii_letters + string.digits, string.ascii_letters + string.digits + "-_"
CHANCE = random.Random(20)


def drawn(alphabet: str, size: int) -> str:
    return "".join(CHANCE.choice(alphabet) for _ in range(size))


# Each in two halves, the mark and the rest: no scanner of repositories shall take them for real.
ISSUED = {
    "AKIA and its secret": ("AKIA", drawn(string.ascii_uppercase, 16) + ", " + drawn(B62 + "/+", 40)),
    "ASIA": ("ASIA", drawn(string.ascii_uppercase, 16)),
    "GitHub": ("gho_", drawn(B62, 36)),
    "GitHub, fine-grained": ("github_pat_", drawn(B62, 22) + "_" + drawn(B62, 59)),
    "GitLab": ("glpat-", drawn(B64, 20)),
    "GitLab, deploy": ("gldt-", drawn(B64, 20)),
    "Slack": ("xoxp-", "1234567890-" + drawn(B62, 24)),
    "Slack, app": ("xapp-", "1-A0123456-" + drawn(HEX, 64)),
    "Slack, hook": ("hooks.slack.com/services/", "T0123456/B0123456/" + drawn(B62, 24)),
    "Discord, hook": ("discord.com/api/webhooks/", "1234567890/" + drawn(B64, 60)),
    "Stripe": ("sk_live_", drawn(B62, 24)),
    "Stripe, restricted": ("rk_test_", drawn(B62, 24)),
    "Stripe, hook": ("whsec_", drawn(B62, 32)),
    "OpenAI": ("sk-", drawn(B62, 48)),
    "OpenAI, project": ("sk-proj-", drawn(B64, 100)),
    "Anthropic": ("sk-ant-", "api03-" + drawn(B64, 90)),
    "Google": ("AIza", drawn(B64, 35)),
    "Google, access": ("ya29.", drawn(B64, 60)),
    "Google, refresh": ("1//0", drawn(B64, 40)),
    "Google, client": ("GOCSPX-", drawn(B64, 28)),
    "Azure, signature": ("https://a.blob.core.windows.net/c?sv=1&sig=", drawn(B62, 43) + "%3D"),
    "Azure, account": ("AccountName=a;AccountKey=", drawn(B62, 86) + "=="),
    "Azure, application": ("abc8Q~", drawn(B62, 34)),
    "Twilio": ("SK", drawn(HEX, 32)),
    "SendGrid": ("SG.", drawn(B64, 22) + "." + drawn(B64, 43)),
    "Mailgun": ("key-", drawn(HEX, 32)),
    "Mailgun, new": (drawn(HEX, 32), "-" + drawn(HEX, 8) + "-" + drawn(HEX, 8)),
    "Mailchimp": (drawn(HEX, 32), "-us12"),
    "npm": ("npm_", drawn(B62, 36)),
    "PyPI": ("pypi-", "AgEIcHlwaS5vcmc" + drawn(B64, 80)),
    "Hugging Face": ("hf_", drawn(B62, 34)),
    "DigitalOcean": ("dop_v1_", drawn(HEX, 64)),
    "Shopify": ("shpat_", drawn(HEX, 32)),
    "Square": ("sq0atp-", drawn(B64, 22)),
    "Telegram": ("1234567890:", "AA" + drawn(B64, 33)),
    "Discord": ("M" + drawn(B62, 25) + ".", drawn(B62, 6) + "." + drawn(B62, 38)),
    "JWT": ("eyJ", drawn(B62, 20) + ".eyJ" + drawn(B62, 40) + "." + drawn(B64, 43)),
    "age": ("AGE-SECRET-KEY-1", drawn("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    "Vault": ("hvs.", drawn(B64, 90)),
    "Doppler": ("dp.pt.", drawn(B62, 43)),
    "Linear": ("lin_api_", drawn(B62, 40)),
    "Notion": ("ntn_", drawn(B62, 46)),
    "Notion, old": ("secret_", drawn(B62, 43)),
    "Postman": ("PMAK-", drawn(HEX, 24) + "-" + drawn(HEX, 34)),
    "Databricks": ("dapi", drawn(HEX, 32)),
    "a model host": ("gsk_", drawn(B62, 52)),
    "PGP": ("-----BEGIN PGP PRIVATE " + "KEY BLOCK-----\n\n", drawn(B62, 64)),
    "SSH": ("-----BEGIN OPENSSH PRIVATE " + "KEY-----\n", drawn(B62, 64)),
}


@pytest.mark.parametrize(("mark", "rest"), ISSUED.values(), ids=ISSUED)
@pytest.mark.parametrize(
    "around", ["{}", "call with {} failed", "({})", "a\n{}", '{{\\"x\\": \\"{}\\"}}', "x\\n{}", '"{}",1']
)
def test_an_issuers_token_goes_wherever_it_stands(mark: str, rest: str, around: str) -> None:
    text = around.format(mark + rest)
    clean = redact_text(text)
    assert rest not in clean
    assert REDACTED in clean
    assert redact_text(clean) == clean
    assert may_hold_secret(json.dumps(text, ensure_ascii=False).encode())


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
@pytest.mark.parametrize("level", range(3))
def test_a_secret_in_json_within_json_goes(level: int, *, planted: object) -> None:
    text, core = planted.text, planted.core  # type: ignore[attr-defined]
    for _ in range(level):
        text = json.dumps({"note": text, "n": 1})
    clean, paths = redact_json({"said": text})
    assert core not in json.dumps(clean)
    assert paths == ("/said",)


@pytest.mark.parametrize(
    "text",
    [
        "https://api.twilio.com/2010-04-01/Accounts/AC" + "0123456789abcdef" * 2 + "/Messages.json",
        "pk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "sk-learn-contrib-and-friends",
        "task-01HZX3Q8R2M7K5N9T4V6W8Y0AB",
        "SKU0123456789",
        "npm_config_cache",
        "hf_hub_download",
        "secret_santa",
        "dapixel",
        "https://discord.com/channels/1234567890/1234567890",
        "key-value-store",
    ],
)
def test_what_only_begins_like_a_token_stays(text: str) -> None:
    assert redact_text(text) == text


def test_each_shape_has_a_trigger_that_an_escape_in_json_cannot_break() -> None:
    assert len(SHAPES) > 50
    for shape in SHAPES:
        assert not set(shape.trigger) & set("\"'/\n"), shape
