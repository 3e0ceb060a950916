"""Passwords on command lines, as data: the commands, and the option or the place that holds one. Pure.

`-p` is a password of one command and a port of the next: an option counts only behind its own command.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class PasswordOption(NamedTuple):
    """Commands, what follows them before the password, and an example."""

    commands: str
    option: str
    """A pattern of lowered text that ends where the password begins."""
    example: str
    secret: str
    value: str = r"[^\s\"'|;&<>]+"
    trigger: str = ""
    """What announces it to the prefilter, in raw JSON too; empty: the command, and an option somewhere behind it."""


_LONG: Final = r"[^\s\"']*"
OPTIONS: Final = (
    PasswordOption("rclone", r"\b(?:pass|password)[\s=]", "rclone config create r sftp pass rcl0nePw", "rcl0nePw", trigger=r"rclone\s"),
    PasswordOption("sshpass", r"-p\s?", "sshpass -p hunter22 ssh root@x", "hunter22"),
    PasswordOption(
        "docker|podman|nerdctl|buildah|skopeo|crane|oras|helm|oc|az|cf|ibmcloud|twine|rancher|argocd|kubelogin|nexus|jfrog|jf|conan|gem|snyk",
        r"(?:login|push|upload)\b(?:(?!\s-p)[^|;&\r\n]){0,200}?\s(?:-p|-pw)[\s=]",
        "docker login -u bob -p d0ckerPw registry", "d0ckerPw",
    ),
    PasswordOption(
        "mongo|mongosh|mongodump|mongorestore|mongoimport|mongoexport|cqlsh|beeline|couchbase-cli|cbq|rabbitmqadmin|ncftpput|ncftpget|kcadm|"
        "influx|influxd|neo4j-admin|cypher-shell|virsh|xfreerdp|rdesktop|useradd|usermod|hydra",
        r"(?:-p|-pw)[\s=]", "mongosh -u app -p m0ngoPw --host db", "m0ngoPw",
    ),
    PasswordOption(
        "mysql|mysqldump|mysqladmin|mysqlimport|mysqlcheck|mysqlsh|mariadb|mariadb-dump|xtrabackup|mydumper|mytop",
        r"-p(?=[^\s-])", "mysql -u root -pM7sqlPw! app", "M7sqlPw!",
    ),
    PasswordOption("redis-cli|valkey-cli|keydb-cli|redis-benchmark", r"(?:-a|--pass)[\s=]", "redis-cli -h x -a r3disPw ping", "r3disPw"),
    PasswordOption("ldapsearch|ldapmodify|ldapadd|ldapdelete|ldappasswd|ldapwhoami|ldapcompare", r"-w\s?", "ldapsearch -x -D cn=a -w ld4pPw -b dc=x", "ld4pPw"),
    PasswordOption("htpasswd", r"-[a-z]*b[a-z]*\s+(?:-\S+\s+)*(?:\S+\s+)?\S+\s+", "htpasswd -b file bob ht9Pass", "ht9Pass"),
    PasswordOption("net", r"(?:user|use)\s+(?:[^\s/]+)\s+(?:/user:\S+\s+)?", "net user bob W1nPw! /add", "W1nPw!", r"(?![/\\])[^\s\"'|;&<>]+", r"\bnet\s+use"),
    PasswordOption("sqlcmd|bcp|osql|isql|mosquitto_pub|mosquitto_sub|ipmitool|osqlw|tsql|fisql", r"(?:-p|-pw)\s?", "sqlcmd -S h -U sa -P Sq1cmdPw -Q x", "Sq1cmdPw"),
    PasswordOption("zip|unzip", r"-p\s?", "unzip -P z1pPw a.zip", "z1pPw"),
    PasswordOption("7z|7za|7zz|rar|unrar", r"-h?p(?=[^\s-])", "7z x -p7zipPw a.7z", "7zipPw"),
    PasswordOption("smbclient|rpcclient|smbget|mount\\.cifs|winexe|wmic", r"(?:-u|--user)[\s=]?[^\s%]+%", "smbclient //h/s -U bob%smbPw1", "smbPw1"),
    PasswordOption("plink|pscp|psftp|putty|kitty|winscp", r"-pw\s", "plink -pw pl1nkPw root@h", "pl1nkPw"),
    PasswordOption("snmpwalk|snmpget|snmpset|snmpbulkwalk", r"-[ax]\s", "snmpwalk -v3 -u bob -A 5nmpAuth h", "5nmpAuth", r"(?!(?:md5|sha[0-9-]*|des|aes[0-9-]*)\b)[^\s\"'|;&<>]+"),
    PasswordOption("openssl|keytool|jarsigner|apksigner|osslsigncode", r"(?:pass:|-(?:store|key|dest?store|src(?:store|key))?pass(?:word|in|out)?\s+(?!env:|file:|stdin)|-k\s)", "openssl rsa -in k -passin pass:0penPw", "0penPw"),
    PasswordOption("sqlplus|impdp|expdp|rman|imp|exp|sqlldr|sqlcl", r"[\w.$#-]+/(?=[^\s@]+(?:@|\s|$))", "sqlplus scott/t1gerPw@db", "t1gerPw", r"(?!/)[^\s\"'@|;&<>]+", r"\b(?:sqlplus|impdp|expdp|rman|imp|exp|sqlldr|sqlcl)\s"),
    PasswordOption("lftp|curlftpfs", r"(?:-u|--user)\s[^\s,]+,", "lftp -u bob,lftpPw1 h", "lftpPw1"),
    PasswordOption("rabbitmqctl", r"(?:add_user|change_password|authenticate_user)\s+\S+\s+", "rabbitmqctl add_user bob r4bbitPw", "r4bbitPw", trigger="rabbitmqctl"),
    PasswordOption("vault", r"login\s+(?:-(?!method)\S+\s+)*(?!-)", "vault login hvx-t0ken-9", "hvx-t0ken-9", r"[^\s\"'|;&<>=-][^\s\"'|;&<>=]+(?!=)", r"vault\s+login"),
    PasswordOption("ngrok", r"(?:authtoken|add-authtoken)\s+", "ngrok authtoken 2ngr0kTok", "2ngr0kTok", trigger="ngrok"),
    PasswordOption("wpa_passphrase|wpa_cli", r"\S+\s+(?!-)", "wpa_passphrase home w1fiPass", "w1fiPass", trigger="wpa_"),
    PasswordOption("swaks|sendemail|msmtp", r"(?:-ap|-xp|--auth-password)\s", "swaks --to a@b -ap sw4ksPw", "sw4ksPw"),
    PasswordOption("echo|printf", r"['\"]?(?:[\w.-]+:)?(?=[^|]{1,200}\|\s{0,4}(?:sudo\s+)?(?:sudo\s+-\w*s|chpasswd|passwd\s+--stdin|\S*\s?login\b[^|]{0,60}stdin|gpg\b))", "echo 'sud0Pw' | sudo -S apt update", "sud0Pw", trigger=r"(?:echo|printf)\s[^\n]*\|"),
    PasswordOption("requirepass|masterauth|auth", r"\s{0,2}", "requirepass r3quirePw", "r3quirePw", r"(?=\S*[0-9])(?=[0-9]*[a-z])[^\s\"'|;&<>:=.,/()\[\]{}]{8,}(?=\s|$)", "requirepass|masterauth"),
    PasswordOption("cmdkey|schtasks|psexec|xfreerdp|wlfreerdp|mstsc|rasdial|runas", r"(?:/pass|/p|/rp|-p)[: ]", "cmdkey /add:h /user:bob /pass:cmdK3y", "cmdK3y", trigger=r"\b(?:cmdkey|schtasks|psexec|xfreerdp|wlfreerdp|mstsc|rasdial|runas)\s"),
    PasswordOption("rocommunity|rwcommunity|rocommunity6|rwcommunity6", r"", "rocommunity c0mmunPw default", "c0mmunPw", trigger="r[ow]community"),
    PasswordOption("logon", r"[\w./-]+,", ".logon td/bob,t3raPw", "t3raPw", trigger=r"logon\s"),
    PasswordOption("identified", r"(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?['\"]?", "CREATE USER bob IDENTIFIED BY 'id3ntPw'", "id3ntPw", r"(?!values\b|externally\b|password\b)[^\s\"';,)]+", r"identified\s+(?:by|with)"),
)  # fmt: skip

_NAMES: Final = "|".join(option.commands for option in OPTIONS)
_WITH_OPTIONS: Final = "|".join(option.commands for option in OPTIONS if not option.trigger)
TRIGGER: Final = "|".join(
    (rf"\b(?:{_WITH_OPTIONS})(?:\.exe)?\s[^\n]*-", *(option.trigger for option in OPTIONS if option.trigger))
)
"""What announces one of the commands, for the prefilter."""
_COMMAND: Final = re.compile(rf"\b(?P<command>{_NAMES})(?:\.exe)?(?=[\s\"'])")
_REACH: Final = 400
_MOST: Final = 500


class TooManyCommands(Exception):
    """More commands than an honest text holds."""


def _tail(option: PasswordOption) -> re.Pattern[str]:
    lead = r"(?:^|(?<=\s)|(?<=\spass:))" if option.option[:1] in "-(" else ""
    return re.compile(rf"{lead}(?:{option.option})(?P<quote>[\"']?)(?P<v>(?:(?<=[\"'])[^\"'\r\n]+|{option.value}))")


_PATTERNS: Final = {
    name.replace("\\", ""): [
        _tail(option) for option in OPTIONS if name in option.commands.split("|")
    ]
    for name in dict.fromkeys(_NAMES.split("|"))
}  # fmt: skip
_ADJACENT: Final = frozenset(
    (
        "net",
        "echo",
        "printf",
        "rocommunity",
        "rwcommunity",
        "rocommunity6",
        "rwcommunity6",
        "requirepass",
        "masterauth",
        "auth",
        "logon",
        "identified",
        "vault",
        "wpa_passphrase",
        "rabbitmqctl",
        "ngrok",
    )
)
_END_OF_COMMAND: Final = re.compile(r"[\r\n;]|\\n|&&")


def passwords_of_commands(low: str) -> Iterator[tuple[int, int]]:
    """Yield where passwords stand in command lines of a lowered text; what a command reaches to is bounded."""
    behind = 0
    for number, found in enumerate(_COMMAND.finditer(low)):
        if number == _MOST:
            raise TooManyCommands
        if found.start() < behind:
            continue
        end = min(found.end() + _REACH, len(low))
        stop = _END_OF_COMMAND.search(low, found.end(), end)
        line = low[found.end() : stop.start() if stop else end]
        name = found["command"]
        for pattern in _PATTERNS[name]:
            stripped = len(line) - len(line.lstrip())
            match = pattern.match(line, stripped) if name in _ADJACENT else pattern.search(line)
            if match is not None and not _is_reference(match["v"]):
                behind = found.end() + match.end("v")
                yield found.end() + match.start("v"), behind


def _is_reference(value: str) -> bool:
    return value.startswith(("$", "<", "{{", "secret://", "[redacted", "%(", "***")) or value == "-"
