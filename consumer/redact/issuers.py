"""The formats of issued tokens as data: who issues it, its pattern, what announces it, an example. Pure.

What is in here are facts about tokens: the marks that issuers chose so that they can be found, and their lengths. They
were compared with the rules of gitleaks, trufflehog and detect-secrets. An example is a template that
`tests/support/redaction/drawn.py` fills in: `{W36}` stands for 36 letters and digits.
"""

from typing import Final, NamedTuple


class SecretShape(NamedTuple):
    """One issuer's token format, and the trigger that announces it."""

    issuer: str
    pattern: str
    """Begins with a letter."""
    trigger: str
    """A looser pattern for the prefilter, without a quote, a slash or a control character."""
    example: str


_SIGNS: Final = {
    "W": "[A-Za-z0-9]",
    "U": "[A-Za-z0-9_-]",
    "B": "[A-Za-z0-9+/=_-]",
    "H": "[0-9a-f]",
    "A": "[A-Z0-9]",
    "a": "[a-z0-9]",
}
_MORE_PARTS: Final = r"(?:\.(?=[A-Za-z_-]{0,60}+[0-9])[A-Za-z0-9_-]{12,})*"
"""What follows a dot: of many tokens the first part is an id, and the second one the secret."""
_UUID: Final = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_WITH_A_DIGIT: Final = "(?=[A-Za-z_+/-]{0,60}+[0-9])"
_BESIDE: Final = r"(?:\\{0,4}[\s:,;|\"'=]){1,10}"


def _issued(issuer: str, mark: str, signs: str, least: int, usual: int) -> SecretShape:
    """Build the common shape: a mark, and so many signs of an alphabet."""
    escaped = mark.replace(".", r"\.").replace("$", r"\$").replace("+", r"\+")
    trigger = escaped if len(mark) > 3 else f"{escaped}{_SIGNS[signs]}{{{min(least, 20)}}}"  # noqa: PLR2004 - it is not rare
    weak = len(mark) <= 3 and mark not in ("hf_", "r8_")  # noqa: PLR2004 - so short a mark begins words too
    digit = _WITH_A_DIGIT if weak and signs not in "HA" else ""
    pattern = f"{escaped}{digit}{_SIGNS[signs]}{{{least},}}{_MORE_PARTS}"
    return SecretShape(issuer, pattern, trigger, f"{mark}{{{signs}{usual}}}")


_MARKED: Final = (
    # Clouds and hosts
    ("Google, key of 2025", "AQ.", "U", 30, 50), ("Google, key", "AIza", "U", 30, 35),
    ("Google, access", "ya29.", "U", 16, 60), ("Google, client", "GOCSPX-", "U", 20, 28),
    ("Amazon, session", "IQoJb3JpZ2lu", "B", 60, 300), ("Amazon, session, older", "FwoGZXIvYXdz", "B", 60, 300),
    ("Amazon, session, oldest", "FQoGZXIvYXdz", "B", 60, 300), ("Amazon, Bedrock", "ABSK", "B", 60, 128),
    ("Amazon, Bedrock, short", "bedrock-api-key-", "B", 30, 200),
    ("Heroku", "HRKU-", "U", 30, 60), ("Fly", "fm2_", "B", 40, 120), ("Fly, older", "fm1r_", "B", 40, 120),
    ("Fly, attenuated", "fm1a_", "B", 40, 120), ("Fly, oldest", "fo1_", "U", 40, 43), ("Render", "rnd_", "W", 24, 28),
    ("Netlify", "nfp_", "W", 30, 36), ("Netlify, build", "nfb_", "W", 30, 36), ("Netlify, OAuth", "nfo_", "W", 30, 36),
    ("Vercel", "vcp_", "W", 20, 56), ("Vercel, CI", "vci_", "W", 20, 56), ("Vercel, gateway", "vck_", "W", 20, 56),
    ("Vercel, blob", "vercel_blob_rw_", "U", 20, 48), ("Cloudflare, user", "cfut_", "W", 30, 48),
    ("Cloudflare, account", "cfat_", "W", 30, 48), ("Cloudflare, global", "cfk_", "W", 30, 48),
    ("Cloudflare, origin", "v1.0-", "H", 24, 24),
    ("Yandex", "AQVN", "U", 30, 36), ("Yandex, OAuth", "y0_", "U", 40, 56), ("Yandex, session", "t1.9eu", "B", 40, 120),
    ("Tencent", "AKID", "W", 28, 32), ("Supabase", "sbp_", "H", 30, 40), ("Supabase, secret", "sb_secret_", "U", 20, 31),
    ("Neon", "napi_", "W", 30, 64), ("PlanetScale", "pscale_tkn_", "U", 16, 43),
    ("PlanetScale, password", "pscale_pw_", "U", 16, 43), ("PlanetScale, OAuth", "pscale_oauth_", "U", 16, 43),
    ("Railway", "rw_Fe26.2", "B", 30, 60), ("Aiven", "AVNS_", "U", 16, 19), ("Tailscale", "tskey-", "U", 20, 40),
    ("OpenShift", "sha256~", "U", 40, 43), ("Pulumi", "pul-", "H", 36, 40), ("RunPod", "rpa_", "W", 30, 44),
    # Forges, registries, delivery
    ("GitHub, fine-grained", "github_pat_", "U", 20, 82), ("npm", "npm_", "W", 20, 36), ("PyPI", "pypi-", "U", 30, 100),
    ("Docker", "dckr_pat_", "U", 16, 27), ("Docker, organisation", "dckr_oat_", "U", 16, 32),
    ("RubyGems", "rubygems_", "H", 32, 48), ("Atlassian", "ATATT3", "B", 20, 180), ("Atlassian, scoped", "ATCTT3", "B", 20, 180),
    ("Bitbucket", "ATBB", "W", 24, 32), ("Bitbucket, server", "BBDC-", "B", 30, 44), ("Clojars", "CLOJARS_", "a", 40, 60),
    ("CircleCI", "CCIPAT_", "U", 30, 63), ("CircleCI, project", "CCIPRJ_", "U", 30, 63), ("Buildkite", "bkua_", "H", 30, 40),
    ("Buildkite, agent", "bkaa_", "W", 30, 40), ("Buildkite, job", "bkaj_", "B", 30, 60), ("GitLab, runner", "GR1348941", "U", 16, 20),
    ("Sonar, project", "sqp_", "H", 36, 40), ("Sonar, user", "squ_", "H", 36, 40), ("Sonar, analysis", "sqa_", "H", 36, 40),
    ("Artifactory", "AKCp", "W", 50, 69), ("Artifactory, reference", "cmVmd", "W", 50, 59), ("NuGet", "oy2", "a", 40, 43),
    ("Octopus", "API-", "A", 25, 26), ("Sourcegraph", "sgp_", "U", 36, 57), ("Sourcegraph, Cody", "slk_", "H", 36, 64),
    ("Prefect", "pnu_", "W", 30, 36), ("Prefect, service", "pnb_", "W", 30, 36), ("dbt", "dbtc_", "U", 20, 42),
    ("dbt, user", "dbtu_", "U", 20, 42), ("Infracost", "ico-", "W", 30, 32), ("Doppler", "dp.pt.", "W", 20, 43),
    ("1Password, service account", "ops_eyJ", "B", 60, 200), ("Postman", "PMAK-", "U", 30, 59), ("Harness", "pat.", "U", 20, 22),
    ("ReadMe", "rdme_", "a", 40, 70), ("Scalingo", "tk-us-", "U", 30, 48), ("Defined Networking", "dnkey-", "U", 40, 79),
    # Money, shops, post
    ("Stripe, hook", "whsec_", "B", 16, 32), ("Facebook", "EAA", "W", 80, 160), ("Square", "EAAA", "U", 50, 60),
    ("Paddle", "pdl_live_apikey_", "U", 20, 60), ("Paddle, test", "pdl_sdbx_apikey_", "U", 20, 60),
    ("Polar", "polar_oat_", "U", 20, 43), ("Flutterwave", "FLWSECK-", "U", 20, 34), ("Flutterwave, test", "FLWSECK_TEST-", "U", 12, 34),
    ("Mercado Pago", "APP_USR-", "U", 30, 70), ("EasyPost", "EZAK", "W", 40, 54), ("EasyPost, test", "EZTK", "W", 40, 54),
    ("Shippo", "shippo_live_", "H", 30, 40), ("Shippo, test", "shippo_test_", "H", 30, 40), ("Duffel", "duffel_live_", "U", 30, 43),
    ("Duffel, test", "duffel_test_", "U", 30, 43), ("Whop", "apik_", "U", 20, 40),
    # Models and what serves them
    ("Hugging Face", "hf_", "W", 20, 34), ("Hugging Face, organisation", "api_org_", "W", 20, 34), ("Groq", "gsk_", "W", 20, 52),
    ("xAI", "xai-", "W", 20, 80), ("Perplexity", "pplx-", "W", 20, 48), ("Replicate", "r8_", "W", 20, 37),
    ("Pinecone", "pcsk_", "U", 20, 70), ("Cerebras", "csk-", "a", 30, 48), ("Fireworks", "fw_", "W", 20, 24),
    ("Together", "tgp_v1_", "U", 30, 43), ("Jina", "jina_", "U", 40, 60), ("Voyage", "pa-", "U", 40, 43), ("Brave", "BSA", "U", 24, 28),
    ("NVIDIA", "nvapi-", "U", 40, 64), ("Tavily", "tvly-", "U", 20, 36), ("E2B", "e2b_", "H", 30, 40), ("Firecrawl", "fc-", "H", 32, 32),
    ("LangSmith", "lsv2_pt_", "U", 30, 43), ("LangSmith, service", "lsv2_sk_", "U", 30, 43), ("LangSmith, older", "ls__", "H", 32, 32),
    ("Weights & Biases", "wandb_v1_", "U", 30, 77), ("Kaggle", "KGAT_", "H", 30, 32), ("Apify", "apify_api_", "W", 24, 36),
    ("Browserbase", "bb_live_", "U", 20, 28), ("Scrapfly", "scp-live-", "H", 30, 32), ("LlamaCloud", "llx-", "W", 40, 48),
    ("Unkey", "unkey_", "W", 20, 24), ("Mem0", "m0-", "W", 36, 40),
    # Messages, people, work
    ("Slack, app", "xapp-", "U", 12, 80), ("SendGrid", "SG.", "U", 16, 22), ("Brevo", "xkeysib-", "U", 30, 81),
    ("Brevo, SMTP", "xsmtpsib-", "U", 30, 81), ("MailerSend", "mlsn.", "H", 30, 64), ("Intercom", "dG9rO", "B", 50, 60),
    ("Twitter", "AAAAAAAAAAAAAAAAAAAAA", "B", 30, 90), ("Instagram", "IGQV", "U", 60, 120), ("Dropbox", "sl.", "U", 60, 135),
    ("Discord, person", "mfa.", "U", 60, 84), ("Linear", "lin_api_", "W", 20, 40), ("Linear, OAuth", "lin_oauth_", "W", 20, 64),
    ("Notion", "ntn_", "W", 20, 46), ("Notion, older", "secret_", "W", 30, 43), ("Figma", "figd_", "U", 20, 40),
    ("Typeform", "tfp_", "U", 30, 44), ("Contentful", "CFPAT-", "U", 30, 43), ("Adobe", "p8e-", "a", 30, 32),
    ("Frame.io", "fio-u-", "U", 40, 64), ("Settlemint", "sm_pat_", "W", 16, 16), ("Canva", "cnvca", "U", 30, 56),
    ("Ubidots", "BBFF-", "W", 26, 30), ("Ubidots, newer", "BBUS-", "W", 26, 30),
    # Watching
    ("Grafana", "glsa_", "B", 20, 41), ("Grafana, cloud", "glc_", "B", 20, 100), ("New Relic", "NRAK-", "A", 20, 27),
    ("New Relic, insert", "NRII-", "U", 20, 32), ("New Relic, browser", "NRJS-", "H", 19, 19), ("Sentry, user", "sntryu_", "B", 20, 64),
    ("Sentry, organisation", "sntrys_", "B", 20, 120), ("PostHog", "phx_", "W", 30, 43), ("PostHog, secret", "phs_", "W", 30, 43),
    ("Statsig", "secret-", "W", 30, 40), ("Honeycomb", "hcaik_", "a", 30, 58), ("Honeycomb, environment", "hcbik_", "a", 30, 58),
    ("Dynatrace", "dt0c01.", "U", 20, 24), ("Axiom", "xaat-", "U", 30, 36), ("Axiom, person", "xapt-", "U", 30, 36),
    ("Inngest", "signkey-prod-", "H", 30, 64), ("Trigger.dev", "tr_prod_", "W", 16, 20),
    ("Trigger.dev, development", "tr_dev_", "W", 16, 20), ("age", "AGE-SECRET-KEY-1", "A", 20, 58),
)  # fmt: skip
"""Issuer, mark, alphabet of what follows, least and usual number of its signs."""


_OWN: Final = (
    # The secret half of a key pair has no shape of its own: it is found by the key id before it.
    SecretShape(
        "Amazon",
        rf"A(?:[KS]IA|ROA|IDA|BIA|CCA|3T[A-Z0-9])[A-Z0-9]{{16}}(?![A-Za-z0-9])"
        rf"(?:{_BESIDE}[A-Za-z0-9/+]{{40}}(?![A-Za-z0-9/+]))?",
        "A(?:[KS]IA|ROA|IDA|BIA|CCA|3T[A-Z0-9])[A-Z0-9]{16}",
        "AKIA{A16}",
    ),
    SecretShape("Alibaba", "LTAI[A-Za-z0-9]{12,26}(?![A-Za-z0-9])", "LTAI[A-Za-z0-9]{12}", "LTAI{W20}"),
    SecretShape("DigitalOcean", "do[oprt]_v1_[0-9a-f]{20,}", "do[oprt]_v1_", "dop_v1_{H64}"),
    SecretShape("Databricks", "dapi[0-9a-f]{32}(?:-[0-9])?", "dapi[0-9a-f]{32}", "dapi{H32}"),
    SecretShape("GitHub", "gh[pousr]_[A-Za-z0-9]{20,}", "gh[pousr]_", "ghp_{W36}"),
    SecretShape("GitLab", "gl[a-z]{2,6}-[A-Za-z0-9_.-]{16,}", "gl[a-z]{2,6}-[A-Za-z0-9_-]{16}", "glpat-{U20}"),
    *(
        SecretShape("Stripe", f"{kind}k_(?:live|test|prod|sandbox)_[A-Za-z0-9_-]{{8,}}", f"{kind}k_(?:live|test|prod|sandbox)_", kind + "k_live_{W24}")
        for kind in "sr"
    ),
    SecretShape("Adyen", r"AQE[A-Za-z0-9+/]{20,}={0,2}(?:-[A-Za-z0-9+/]{20,}={0,2})?(?:-\S{8,64})?", "AQE[A-Za-z0-9+]{20}", "AQE{W80}-{B40}=-{W16}"),
    SecretShape("a network's code", r"WIFI:[^\s]{0,120}?;?P:[^;\s]{1,64}", "WIFI:", "WIFI:T:WPA;S:n;P:{W12};;"),
    SecretShape("Resend", "re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}", "re_[A-Za-z0-9]{8}_", "re_{W8}_{W24}"),
    SecretShape("Razorpay", "rzp_(?:live|test)_[A-Za-z0-9]{10,}", "rzp_", "rzp_live_{W14}"),
    SecretShape("Shopify", "shp(?:at|ca|pa|ss|tka)_[A-Fa-f0-9]{16,}", "shp[a-z]{2,3}_", "shpat_{H32}"),
    SecretShape("Square", "sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{20,}", "sq0[a-z]{3}-", "sq0atp-{U22}"),
    *(
        SecretShape("Lob", f"{kind}_[0-9a-f]{{35}}(?![0-9a-z])", f"{kind}_[0-9a-f]{{35}}", kind + "_{H35}")
        for kind in ("live", "test")
    ),
    SecretShape(
        "PayPal", r"access_token\$(?:production|sandbox)\$[0-9a-z]{8,}\$[0-9a-f]{16,}", r"access_token\$",
        "access_token$production${a16}${H32}",
    ),
    SecretShape("Plaid", rf"access-(?:sandbox|development|production)-{_UUID}", "access-(?:sandbox|development|production)-", "access-sandbox-{G1}"),
    SecretShape("OpenAI and its like", "sk-(?=[a-z_-]{0,60}+[A-Z0-9])[A-Za-z0-9_-]{16,}", "sk-[A-Za-z0-9_-]{16}", "sk-proj-{U100}"),
    SecretShape("ElevenLabs and its like", f"sk_{_WITH_A_DIGIT}(?:[a-z0-9]{{2,10}}_)?[A-Za-z0-9]{{20,}}", "sk_[A-Za-z0-9_]{20}", "sk_{H48}"),
    SecretShape("Slack", "xox[a-z](?:[.][a-z]{4})?-[A-Za-z0-9-]{8,}", "xox[a-z]", "xoxb-{D12}-{D12}-{W24}"),
    SecretShape("Slack, hook", r"hooks\.slack\.com\\?/(?:services|workflows|triggers)\\?/[A-Za-z0-9/_\\-]{16,}", r"hooks\.slack\.com", "hooks.slack.com/services/T{A9}/B{A9}/{W24}"),
    SecretShape("Discord, hook", r"discord(?:app)?\.com\\?/api\\?/(?:v[0-9]{1,2}\\?/)?webhooks\\?/[0-9]{5,}\\?/[\w-]{20,}", r"discord(?:app)?\.com", "discord.com/api/webhooks/{D18}/{U68}"),
    SecretShape("Twilio", "SK[0-9a-f]{32}", "SK[0-9a-f]{32}", "SK{H32}"),
    # An account's id alone is no secret, and is in the path of every call.
    SecretShape("Twilio, account", rf"AC[0-9a-f]{{32}}{_BESIDE}[0-9a-f]{{32}}(?![0-9a-z])", "AC[0-9a-f]{32}", "AC{H32}:{H32}"),
    SecretShape("Mailgun", "key-[0-9a-f]{32}(?![0-9a-z])", "key-[0-9a-f]{32}", "key-{H32}"),
    SecretShape("HubSpot", "pat-(?:na|eu|ap)[0-9]-[0-9a-f-]{30,}", "pat-(?:na|eu|ap)[0-9]-", "pat-na1-{G1}"),
    SecretShape("PagerDuty", rf"u(?<![/+]u)\+{_WITH_A_DIGIT}[A-Za-z0-9_+-]{{16,22}}(?![A-Za-z0-9_+/-])", r"u\+[A-Za-z0-9_+-]{16}", "u+{U18}"),
    SecretShape("ClickUp", "pk_[0-9]{6,12}_[A-Z0-9]{24,}", "pk_[0-9]{6}", "pk_{D8}_{A32}"),
    SecretShape("Klaviyo", "pk_[0-9a-f]{34}(?![0-9A-Za-z])", "pk_[0-9a-f]{34}", "pk_{H34}"),
    SecretShape("Crates.io", f"cio{_WITH_A_DIGIT}[A-Za-z0-9]{{32}}(?![A-Za-z0-9])", "cio[A-Za-z0-9]{32}", "cio{W32}"),
    SecretShape("Vault", r"hv[sbr]\.[A-Za-z0-9_-]{20,}", r"hv[sbr]\.", "hvs.{U90}"),
    *(
        SecretShape("Vault, older", rf"{kind}\.(?=[a-z0-9]{{0,23}}[A-Z]){_WITH_A_DIGIT}[A-Za-z0-9]{{24}}(?![A-Za-z0-9])", rf"{kind}\.[A-Za-z0-9]{{24}}", kind + ".{W24}")
        for kind in "sbr"
    ),
    SecretShape("Doppler, others", r"dp\.(?:st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{20,}", r"dp\.[a-z]{2,5}\.", "dp.st.prd.{W43}"),
    SecretShape("Infisical", r"st\.[0-9a-f]{8}[0-9a-f-]{12,}\.[0-9a-f]{16,}\.[0-9a-f]{16,}", r"st\.[0-9a-f]{8}", "st.{H24}.{H32}.{H32}"),
    SecretShape("1Password, secret", "A3-[A-Z0-9]{6}-(?:[A-Z0-9]{5,6}-?){4,5}", "A3-[A-Z0-9]{6}-", "A3-{A6}-{A6}-{A5}-{A5}-{A5}"),
    SecretShape("Airtable", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{40,}", r"pat[A-Za-z0-9]{14}\.", "pat{W14}.{H64}"),
    *(
        SecretShape("LaunchDarkly", f"{kind}-{_UUID}", f"{kind}-[0-9a-f]{{8}}-", kind + "-{G1}")
        for kind in ("sdk", "api", "mob")
    ),
    SecretShape("Authress", r"s(?:c|cauth)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,}", r"\.acc[_-]", "sc_{a12}.{a4}.acc-{a12}.{B40}"),
    SecretShape("a signed token", r"eyJ(?<![_-]eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*", r"eyJ[A-Za-z0-9_-]{8,}\.", "eyJ{W20}.eyJ{W40}.{U43}"),
    # Private keys without their frame: the first bytes of their DER and OpenSSH forms, in base64
    SecretShape(
        "a private key's first bytes",
        r"M(?:II[A-Za-z0-9+/]{2,8}IBA(?:AK|DAN)[A-Za-z0-9+/]|HcCAQEEI|C4CAQAwBQYDK2VwBCIEI|IGHAgEAMBMGByqGSM49)[A-Za-z0-9+/=\s\\]{16,}",
        "MII[A-Za-z0-9+]{2,8}IBA(?:AK|DAN)|MHcCAQEEI|MC4CAQAwBQYDK2VwBCIEI|MIGHAgEAMBMGByqGSM49",
        "MIIEowIBAAKCAQEA{B64}",
    ),
    SecretShape("an OpenSSH key's first bytes", r"b3BlbnNzaC1rZXktdjEA[A-Za-z0-9+/=\s\\]{16,}", "b3BlbnNzaC1rZXktdjEA", "b3BlbnNzaC1rZXktdjEA{B64}"),
    # A bot token: the user's id, the time and the digest, each in base64
    *(
        SecretShape("Discord", rf"{first}[A-Za-z0-9_-]{{22,27}}\.[A-Za-z0-9_-]{{6}}\.[A-Za-z0-9_-]{{27,40}}", r"\.[\w-]{6}\.[\w-]{27}", first + "{W25}.{W6}.{W38}")
        for first in "MNO"
    ),
)  # fmt: skip

SHAPES: Final = (*(_issued(*row) for row in _MARKED), *_OWN)
