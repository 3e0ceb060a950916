"""Redirects: decides from the answer alone where one leads; the egress guard then checks its URL like any other."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import httpx2

from consumer.model.call import Answer, OutboundRequest
from consumer.outbound.allowed_hosts import Target, odd_text

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WITHOUT_EFFECT: Final = frozenset({"GET", "HEAD"})
_CROSS_ORIGIN_HEADERS: Final = frozenset({"accept", "accept-language", "cache-control", "user-agent"})
"""Headers that are sent to another origin: an API key's header may have any name, so all others are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFollowed:
    """The redirect is not followed but returned as the answer; with a reason where the catalog allows redirects."""

    reason: str | None = None


def next_call(
    request: OutboundRequest, target: Target, answer: Answer, asked: Collection[str]
) -> OutboundRequest | NotFollowed:
    """Return the call that a redirect asks for, not yet checked by the guard; `asked` are the URLs called so far.

    Only a GET or HEAD without a body is redirected: that has no effect at the new URL.
    """
    if answer.status not in _REDIRECTS or request.method not in _WITHOUT_EFFECT or request.body is not None:
        return NotFollowed()
    if len(asked) > target.redirects:
        return NotFollowed(reason="more redirects than the host's `redirects` allow" if len(asked) > 1 else None)
    url = _redirect_url(target, answer)
    if isinstance(url, NotFollowed):
        return url
    if str(url) in asked:
        return NotFollowed(reason="the redirect leads back to where it came from")
    return replace(request, url=str(url))


def without_credentials(request: OutboundRequest) -> OutboundRequest:
    """Strip a call for another origin down to the headers that hold no secret."""
    kept = (name.lower() in _CROSS_ORIGIN_HEADERS and "secret://" not in value for name, value in request.headers)
    left = tuple(pair for pair, keep in zip(request.headers, kept, strict=True) if keep)
    return replace(request, headers=left, signing=None)


def _redirect_url(target: Target, answer: Answer) -> httpx2.URL | NotFollowed:
    places = {value for name, value in answer.headers if name.lower() == "location"}
    if len(places) != 1:
        return NotFollowed(reason="the redirect names no place, or several")
    place = places.pop()
    odd = "it is not ASCII" if not place.isascii() else odd_text(place)
    if odd is not None:
        return NotFollowed(reason=f"the redirect's place cannot be used: {odd}")
    try:
        url = target.url.join(place).copy_with(fragment=None)
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        return NotFollowed(reason="the redirect's place cannot be read")
    if target.url.scheme == "https" and url.scheme != "https":
        return NotFollowed(reason="the redirect leads from https to something weaker")
    return url
