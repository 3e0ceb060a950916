"""Egress rules: checks a URL against the hosts, ports and schemes that the catalog allows. Pure.

The check of the resolved addresses is in `dialing.py`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from uuid import UUID

import httpx2

from consumer.catalog.access import Host, among
from consumer.model.call import EgressRefused
from consumer.outbound.forbidden_addresses import Network

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_AUTHORITY: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)")
_HOST_AND_PORT: Final = re.compile(r"(?:[^\[\]:]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_LAST_PORT: Final = 65535
_MAX_NAME: Final = 253
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An allowed destination; the URL that was checked is exactly the one that is dialled."""

    url: httpx2.URL
    host: str
    port: int
    networks: tuple[Network, ...]
    """Networks besides public ones to which the host may resolve."""
    redirects: int = 0
    """How many redirects of a call without effect may be followed from here."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: credentials are sent to this origin only."""
        return self.url.scheme, self.host, self.port


def target_of(url: str, hosts: Sequence[Host], org_id: UUID | None = None) -> Target | EgressRefused:
    """Match a URL against the hosts that the catalog allows an organisation."""
    parsed = _parse_url(url)
    if isinstance(parsed, EgressRefused):
        return parsed
    host = parsed.raw_host.decode("ascii")
    port = parsed.port or _DEFAULT_PORTS[parsed.scheme]
    # A host that is listed for other organisations alone is refused as an unlisted one: whose it is, is not revealed.
    listed = [rule for rule in hosts if among(org_id, rule.organisations) and host_matches(host, rule.host)]
    fault = None if any(canonical_host(rule.host) == host for rule in listed) else _ambiguous_form(host)
    if fault is not None:
        return EgressRefused(reason=f"the URL's host {_short(host)} is {fault}: write it in its plain form")
    if not listed:
        return EgressRefused(
            reason=f"the host {_short(host)} is not allowed: list it under the workflow's `hosts` in the catalog, "
            "for this organisation"
        )
    rules = [rule for rule in listed if port in rule.ports and parsed.scheme in rule.schemes]
    if not rules:
        return EgressRefused(
            reason=f"{parsed.scheme} to port {port} of {_short(host)} is not allowed: add it to the host's `ports` and "
            "`schemes` in the catalog"
        )
    networks = tuple(network for rule in rules for network in rule.addresses)
    redirects = max(rule.redirects for rule in rules)
    return Target(url=parsed, host=host, port=port, networks=networks, redirects=redirects)


def odd_text(text: str) -> str | None:
    """Return why a URL, or a relative reference, is ambiguous between URL parsers, or None."""
    # The plain space is the only whitespace that `isprintable` accepts.
    if not text.isprintable() or " " in text or "\\" in text:
        return "the URL holds whitespace, a control character or a backslash: encode it"
    found = _AUTHORITY.match(text)
    if found and "@" in found[1]:
        return "the URL carries a user name: send credentials as a header `secret://NAME`"
    if found and found[1]:
        plain = _HOST_AND_PORT.fullmatch(found[1])
        if not plain or (plain[1] and not 1 <= int(plain[1]) <= _LAST_PORT):
            return "the URL's host and port cannot be read: write `host`, `host:port` or `[address]:port`"
    return None


def host_matches(host: str, pattern: str) -> bool:
    """Return whether a canonical host matches a pattern: the same host, or a subdomain for `*.`."""
    if pattern.startswith("*."):
        return _ambiguous_form(host) is None and not _is_address(host) and host.endswith(canonical_host(pattern[1:]))
    return host == canonical_host(pattern)


def any_host_matches(host: str, patterns: Iterable[str]) -> bool:
    """Return whether a canonical host matches any of the patterns."""
    return any(host_matches(host, pattern) for pattern in patterns)


@lru_cache(maxsize=4096)
def canonical_host(text: str) -> str:
    """Return a host in the form of a parsed URL: lower case, IDNA encoded, without an address's brackets."""
    bare = text.removeprefix("[").removesuffix("]")
    try:
        return str(IPv6Address(bare)) if ":" in bare else httpx2.URL(scheme="https", host=text).raw_host.decode("ascii")
    except (httpx2.InvalidURL, AddressValueError):
        return text.lower()


def _parse_url(text: str) -> httpx2.URL | EgressRefused:
    odd = odd_text(text)
    if odd is not None:
        return EgressRefused(reason=odd)
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError):
        return EgressRefused(reason="the URL cannot be read: send an absolute http(s) URL with a plain host")
    if url.scheme not in _DEFAULT_PORTS or not url.raw_host:
        return EgressRefused(reason="the URL is not an absolute http(s) URL: nothing else is dialled")
    if "secret://" in text:
        return EgressRefused(reason="the URL names a secret: only header values may")
    host = url.raw_host.decode("ascii")
    found = _AUTHORITY.match(text)
    if found is None or not (found[1].isascii() or "xn--" in host):
        return EgressRefused(reason="the URL's host is written with look-alikes of plain characters: write it plainly")
    # One canonical spelling of an IPv6 address, so that what is compared, dialled and sent as Host is the same.
    return url.copy_with(host=str(IPv6Address(host))) if ":" in host else url


def _is_address(host: str) -> bool:
    try:
        IPv6Address(host) if ":" in host else IPv4Address(host)
    except AddressValueError:
        return False
    return True


def _ambiguous_form(host: str) -> str | None:
    """Return why a host's spelling is ambiguous between resolvers: what is compared must be what is dialled."""
    if _is_address(host):
        return None
    if host.endswith("."):
        return "written with a trailing dot"
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return "a number, or an address in an unusual notation"
    if len(host) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        return "not a host name"
    return None


def _short(host: str) -> str:
    return host[:_SHOWN]
