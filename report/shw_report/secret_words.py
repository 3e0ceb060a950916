"""The words and marks that announce a secret: data. Pure.

The healer's own rules are larger and finer. These are coarser on purpose: what the healer would take out may not leave,
and what is taken out here without need costs a heal and no secret. `tests/contract/test_report_redaction.py` holds them
against the healer's. Words are matched in lower case, with a space for each `_`.
"""

from __future__ import annotations

import re

_NAMES = (
    # English
    r"passw|pass(?:wr|ph|code)|pass[ -]?phrase|pswd|psswd|pwd|\bpw\b|secret(?!://)|credential|\bcreds?\b|mnemonic|"
    r"(?:recovery|backup|security|verification|login|access|confirmation|sms|2fa|mfa|otp|one[ -]?time|auth|seed|unlock)"
    r"[ -]?(?:phrase|words?|codes?|answer|pass)|\bseed\b|\bbasic\b|bearer|\bjwt|\bt?otp\b|\bcv[vc]2?\b|\bpsk\b|\bpin\b|"
    r"sshpass|pgpass|\bpass\b|(?:store|key|user|root|bind|login|trust|db|smtp|s?ftp|mysql|pg|redis|mail|admin|http|proxy|imap|"
    r"ldap|vpn|wifi|sudo|auth|basic)[ -]?pass\b|bindpw|rootpw|userpw|token(?!s\b|iz)|authorization|cookie|sess(?:ion)?id|"
    r"connect\.sid|\bauth\b|convertto-secure|"
    r"(?:getconnection|networkcredential|basic ?auth|connect|login|credentials?|authenticate|createcredential)\s?\(|"
    r"(?:api|access|private|signing|encryption|decryption|auth|account|master|subscription|shared|ssh|deploy|licen[sc]e|"
    r"functions|webhook|hmac|admin|consumer|app|application|service[. -]?role|storage|rest|integration|host|ingest|"
    r"unlock|recovery|tenant|management|root|jwt[ -]?signing)[. -]?key|"
    # Other languages
    r"contrase[nñ]a|contrasenya|contrasinal|\bclave\b|\bsenha|palavra|frase[ -]?se|c[oó]d(?:igo|ice)[ -]|\bsegreto|"
    r"\bsecreto|chiave|paro+l|credenzial|credencia|mot[ -]?de[ -]?passe|\bmdp\b|code[ -]?(?:secret|d|conf)|"
    r"phrase[ -]?secr|identifiants|cl[eé][ -]?(?:secr|api|priv|d)|\bjeton|chave|kennwort|passw[oö]rt|zugangs|geheim|"
    r"losungswort|wachtwoord|wachtzin|toegangs|l[oö]senord|kodeord|adgangskode|passord|passiord|lykilor|hemlighet|"
    r"hemmelig|salasana|tunnus|\bhas[lł]o|\bheslo|\bgeslo|lozink|jelsz|slapta|sifre|şifre|gizli|fjal|пароль|парола|гасло|"
    r"лозинка|секрет|ключ|κωδικ|συνθηματικ|密码|密碼|口令|密钥|密鑰|密匙|令牌|凭证|凭据|通行证|助记词|パスワード|パスフレーズ|"
    r"暗証番号|認証キー|秘密鍵|トークン|シークレット|キー|비밀|암호|토큰|m[aậ]t[ ]?kh[aẩ]u|kata[ -]?(?:sandi|laluan)|รหัสผ่าน|"
    r"كلمة المرور|كلمة السر|رمز عبور|گذرواژه|סיסמה|סיסמא|पासवर्ड|கடவுச்சொல்|পাসওয়ার্ড"
)
SECRET_NAME = re.compile(re.sub(r"(?<=\|)\\b", "(?<![a-z])", _NAMES).replace(r"\b", "(?![a-z])"))
"""What names a secret, in a field's name or in a text. A word's edge is no letter: `otp2` and `db_pw` are names too."""

IN_NAMES = tuple(
    """
    pass swd pw secret cred mnemonic phrase word cod answer seed basic bearer jwt otp cvv cvc psk pin token auth cookie
    sessid sessionid connect secure login key contras clave senha palavra frase segreto chiave paro mdp identifiants cle
    jeton chave wort zugang geheim wacht toegang senord kode adgang lykil hemli hemme salas tunnus haslo heslo geslo lozink
    jelsz slapta sifre gizli fjal khau kata
    """.split()
)
"""What each of these names contains, where it is of ASCII: to look for them is ten times as fast as the pattern."""

ABOUT_A_SECRET = re.compile(
    r"s?[ .-]?(?:ids?|polic(?:y|ies)|algo?(?:rithms?)?|length|types?|counts?|expir[a-z]*(?:[ -](?:at|in|on))?|ttl|"
    r"(?:created|updated|changed|rotated|issued)[ -]?(?:at|on|by)|ur[il]s?|endpoint|path|file(?:[ -]?(?:name|path))?|refs?|"
    r"names?|required|enabled|disabled|status|version|fields?|label|scopes?|issuer|format|providers?|attempts?|errors?|"
    r"consent|usage|used|method|mode|description|min[ -]?length|max[ -]?length|verified|valid(?:ity)?|kinds?)"
)
"""What follows the name of a secret, to the end, where it names something about it."""
A_PLACE = re.compile(
    r"(?:.*[ -])?(?:page|next|continuation|sync|pagination|cursor|max|total|prompt|completion|scroll|delta|watch|input|"
    r"output)[ -]?tokens?"
)
"""Names of what is called a token and is none: a place in a list, or a count."""

COMMAND = re.compile(
    r"(?<!\S)['\"]?-(?:-?[a-z-]+(?=[\s=]|$)|[a-z])|\bnet\s+use|\bvault\b|ngrok|rabbitmqctl|wpa |requirepass|masterauth|community|"
    r"\blogon\b|log[io]n|identified|sqlplus|[ie]mpdp|expdp|\brman\b|\bexp\b|\bimp\b|sqlldr|sqlcl|cmdkey|schtasks|psexec|"
    r"freerdp|mstsc|rasdial|runas|\becho\b|printf|smbclient|rclone|keytool|openssl|htpasswd"
)
"""What announces a command or a call that may hold a password: an option, or one of those that take it bare."""

_MARKS = (
    r"AIza|ya29\.|GOCSPX-|IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz|ABSK|bedrock-api-key-|HRKU-|fm2_|fm1[ra]_|fo1_|rnd_|nf[pbo]_|"
    r"vc[pik]_|vercel_blob_rw_|cfut_|cfat_|cfk_|v1\.0-|AQVN|y0_|t1\.9eu|AKID|sbp_|sb_secret_|napi_|npg_|pscale_|rw_Fe26|AVNS_|tskey-|"
    r"sha256~|pul-|rpa_|github_pat_|npm_|pypi-|dckr_[po]at_|rubygems_|AT[AC]TT3|ATBB|BBDC-|CLOJARS_|CCIP(?:AT|RJ)_|bk[ua]a_|bkaj_|"
    r"GR1348941|sq[pua]_|AKCp|cmVmd|API-|sgp_|slk_|pn[ub]_|dbt[cu]_|ico-|dp\.[a-z]{2,5}\.|ops_eyJ|PMAK-|rdme_|tk-us-|dnkey-|whsec_|"
    r"EAAA|pdl_(?:live|sdbx)_apikey_|polar_oat_|FLWSECK|APP_USR-|EZ[AT]K|shippo_|duffel_|apik_|api_org_|gsk_|xai-|pplx-|pcsk_|csk-|"
    r"tgp_v1_|jina_|nvapi-|tvly-|e2b_|lsv2_[ps][tk]_|ls__|wandb_v1_|KGAT_|apify_api_|bb_live_|scp-live-|llx-|unkey_|xapp-|xkeysib-|"
    r"xsmtpsib-|mlsn\.|dG9rO|AAAAAAAAAAAAAAAAAAAAA|IGQV|mfa\.|lin_(?:api|oauth)_|ntn_|secret[_-]|figd_|tfp_|CFPAT-|p8e-|fio-u-|"
    r"sm_pat_|cnvca|BBFF-|BBUS-|glsa_|glc_|NR(?:AK|II|JS)-|sntrys?u?_|ph[xs]_|hc[ab]ik_|dt0c01\.|xa[ap]t-|signkey-prod-|"
    r"tr_(?:prod|dev)_|AGE-SECRET-KEY-1|LTAI|do[oprt]_v1_|dapi|gh[pousr]_|gl[a-z]{2,6}-|[srp]k_(?:live|test|prod|sandbox|[0-9])[_0-9]*|"
    r"AQE|re_[A-Za-z0-9]{8}_|rzp_(?:live|test)_|shp(?:at|ca|pa|ss|tka)_|sq0[a-z]{3}-|(?:live|test)_(?=[0-9a-f]{35})|"
    r"access_token\$|access-(?:sandbox|development|production)-|sk[-_]|pk_(?=[0-9a-f]{34})|xox[a-z](?:\.[a-z]{4})?-|SK(?=[0-9a-f]{32})|"
    r"AC(?=[0-9a-f]{32}[^0-9a-f])|key-(?=[0-9a-f]{32})|pat-(?:na|eu|ap)[0-9]-|u\+|cio(?=\w{32})|hv[sbr]\.|pat(?=[A-Za-z0-9]{14}\.)|"
    r"st\.(?=[0-9a-f]{8})|A3-|(?:sdk|api|mob)-(?=[0-9a-f]{8}-)|sc?auth_|sc_|eyJ|MII|MHcC|MC4C|MIGH|b3BlbnNza|"
    r"A(?:[KS]IA|ROA|IDA|BIA|CCA|3T[A-Z0-9])(?=[A-Z0-9]{16})"
)
_SHORT_MARKS = (
    r"AQ\.|SG\.|EAA|hf_|r8_|fw_|pa-|BSA|fc-|m0-|sl\.|pat\.|oy2|[sbr]\.(?=\w{24})|[MNO](?=[\w-]{22,27}\.[\w-]{6}\.)"
)
_REST = r"[A-Za-z0-9+/=_.~$-]"
ISSUED = re.compile(
    rf"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:(?:{_MARKS}){_REST}{{8,}}|(?:{_SHORT_MARKS})(?={_REST}{{0,60}}[0-9]){_REST}{{16,}})"
    r"(?:[\s:,;|\"'=\\]{1,10}(?:[A-Za-z0-9/+]{40}|[0-9a-f]{32})(?![A-Za-z0-9/+]))?"
)
"""Tokens by the marks that their issuers gave them."""
SHAPES = (
    re.compile(r"[0-9]{8}:AA[A-Za-z0-9_-]{32,}"),
    re.compile(r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}"),
    re.compile(r"1//0[A-Za-z0-9_-]{20,}"),
    re.compile(r"\.atlasv1\.[A-Za-z0-9_-]{40,}"),
    re.compile(r"\b[0-9a-f-]{12,40}:[0-9a-f]{32,64}\b"),
    re.compile(r"\$(?:2[abxy]|[156y]|apr1|argon2(?:id|i|d)|scrypt)\$\S{20,}"),
    re.compile(r"WIFI:\S+"),
    re.compile(r"hooks\.slack\.com\S*|discord(?:app)?\.com\S*webhooks\S*"),
    re.compile(r"[a-z0-9][_-](?:key|pat|tok|token|secret|sk|apikey)[_-][A-Za-z0-9]{24,}"),
    re.compile(r"(?<=\s)-(?:u|-user|-proxy-user|-creds|-src-creds|-dest-creds|U)[ =]?[\"']?[^\s:\"'/=-][^\s:]*:\S+"),
    re.compile(r"(?:[0-9]{2,5}|\*):[\w*-]{1,64}:[\w.-]{1,64}:[^\s:\"'\\,]{4,}"),
)
"""Secrets of other forms."""

PLAIN_WORDS = frozenset(
    """
    a an the is was are were be been being has have had not no never only also still and or but if in on at of to for by
    with from as it its this that there which when while must should may can cannot could does did do will would please
    required missing invalid incorrect wrong expired empty unset null none undefined blank absent unknown present
    valid true false disabled enabled optional needed used unused mismatch short long weak old new too already
    rejected denied refused accepted found given provided supplied specified configured rotated revoked stale malformed
    unavailable unsupported unauthorized forbidden failed failure error errors exception authentication authorization
    server client user request response header field parameter argument input anonymous oauth saml ldap any
    unauthenticated timeout timed out connection refused reset host port url http https api json object string number
    unexpected expecting expected property name enclosed double quotes delimiter position line column char character end
    exceeded limit rate try again later access after before
    """.split()
)
"""Words of messages about secrets, which are none."""
