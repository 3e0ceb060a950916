"""Secrets of many shapes to plant, made up here and put together at run time: no scanner shall take them for real."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Planted:
    """A secret as it stands in a text, and the part of it that nobody may find anywhere."""

    text: str
    core: str
    only_random: bool = False
    """Neither its shape nor what stands before it tells of it: in a request it is no secret."""


def _marked(mark: str, core: str) -> Planted:
    return Planted(mark + core, core)


_SALT: Final = "Zk7Qw2Xr9"
_KEY: Final = "PRIVATE " + "KEY"
_BODY: Final = "MIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu"
PLANTED: Final = {
    "bearer": _marked("Bearer ", "mF_9.B5f-4.1JqMq"),
    "basic": _marked("Basic ", b64encode(b"planted:open-sesame-41").decode()),
    "cloud key pair": _marked("AKIA" + "IOSFODNN7EXAMPLE ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKY"),
    "forge token": _marked("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"),
    "chat token": _marked("xoxb-", "17653672481-19874698323-" + _SALT),
    "chat webhook": _marked("https://hooks." + "slack.com/services/", "T0AB12CDE/B0FG34HIJ/kLm5NoPqRsTuVwXyZ01"),
    "payment key": _marked("sk_" + "live_", "4eC39HqLyjWDarjtT1zdp7dc"),
    "model key": _marked("sk-" + "ant-api03-", "Ab12Cd34Ef56Gh78Ij90Kl12"),
    "maps key": _marked("AIza", "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
    "web token": _marked("eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0NTY3In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"),
    "private key": Planted(f"-----BEGIN {_KEY}-----\n{_BODY}\n-----END {_KEY}-----", _BODY),
    "connection string": Planted("postgres://app:open-sesame-57@db.internal:5432/main", "open-sesame-57"),
    "signed query": Planted("https://files.example.com/a?sv=1&sig=q1W2e3R4t5Y6u7I8%3D", "q1W2e3R4t5Y6u7I8"),
    "session cookie": Planted("Cookie: sid=open-sesame-63; theme=dark", "open-sesame-63"),
    "named password": Planted("password=open-sesame-79", "open-sesame-79"),
    "JSON within JSON": Planted('{\\"client_secret\\": \\"open sesame 83\\", \\"n\\": 1}', "open sesame 83"),
    "bot token": _marked("bot110201543:AA", "HdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
    "random": Planted("vN3xQ8rT2mK9sW5pL7yH4jF6bC1zD0gE", "vN3xQ8rT2mK9sW5pL7yH4jF6bC1zD0gE", only_random=True),
}
