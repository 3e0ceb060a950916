"""What counts as one address for the rate limits of the API, and how often its log speaks of one reason."""

from ipaddress import IPv6Network, ip_address
from typing import Final

LINE_EVERY: Final = 30.0
"""Seconds between two log lines of one reason: a stranger must not fill the log."""
MOST_KEYS: Final = 20_000
"""Addresses and users whose rate is remembered."""


def address_key(host: str) -> str:
    """Return what counts as one address: for IPv6 the network of 64 bits, which one host has to itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004 - the protocol's number
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))
