"""Authentication of the caller by the platform's JWT: HS256 with a shared secret, or a public key of its JWK set."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from consumer.api.errors import ApiError
from consumer.api.key_set import ALGORITHMS, KeySet, KeysUnreadable, key_set
from consumer.api.tokens import HMAC, SignInRefused, TokenHeader, TokenRules, User, read_header, user_of, verify
from consumer.metrics import SignInRefusal
from consumer.settings import ApiSettings

_PUBLIC: Final = frozenset(ALGORITHMS.values())

MESSAGES: Final[Mapping[SignInRefusal, str]] = {
    SignInRefusal.NO_TOKEN: "Sign in with `Authorization: Bearer` and a token of the platform.",
    SignInRefusal.MALFORMED: "The token is not valid.",
    SignInRefusal.AMBIGUOUS: "The sign-in can be read in two ways: send one Authorization header, and each name once.",
    SignInRefusal.ALGORITHM: "The token is signed by an algorithm that is not accepted.",
    SignInRefusal.KEY_UNKNOWN: "The token is signed with a key that is not known.",
    SignInRefusal.SIGNATURE: "The token is not valid.",
    SignInRefusal.EXPIRED: "The token has expired: sign in again.",
    SignInRefusal.NOT_YET_VALID: "The token is not valid yet.",
    SignInRefusal.AUDIENCE: "The token is for another audience.",
    SignInRefusal.ISSUER: "The token is of another issuer.",
    SignInRefusal.ROLE: "The token is not a signed-in user's: its role is another one.",
    SignInRefusal.ANONYMOUS_USER: "The token is an anonymous user's: sign in with an account.",
    SignInRefusal.CLAIMS: (
        "The token lacks a claim (exp, sub), or one is not what it has to be: sub is a user's UUID; exp, nbf and iat "
        "are whole seconds since 1970, in their order."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Reads the user from `Authorization: Bearer`."""

    secret: bytes | None
    keys: KeySet | None
    rules: TokenRules

    async def user(self, *authorizations: str) -> User:
        """Return the user of a request's Authorization headers, which have to be one.

        Raises
        ------
        SignInRefused
            There is no token, or more than one, or it does not sign anybody in.
        ApiError
            Nobody can sign in now: no key is configured, or the keys cannot be read.

        """
        if self.secret is None and self.keys is None:
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "sign_in_not_configured",
                "Nobody can sign in: the operator has to set SHW_API__JWT_SECRET or SHW_API__JWKS_URL.",
            )
        if len(authorizations) > 1:
            raise SignInRefused(SignInRefusal.AMBIGUOUS)
        scheme, _, token = "".join(authorizations).partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise SignInRefused(SignInRefusal.NO_TOKEN)
        header = read_header(token)
        claims = verify(token, await self._key(header), header.algorithm)
        return user_of(claims, self.rules, datetime.now(UTC))

    async def _key(self, header: TokenHeader) -> Any:  # noqa: ANN401 - a key of the library's, or bytes
        """Return the key of a token: of the kind that its algorithm needs, so that no key is taken for another kind."""
        if header.algorithm == HMAC and self.secret is not None:
            return self.secret
        if header.algorithm not in _PUBLIC or self.keys is None:
            raise SignInRefused(SignInRefusal.ALGORITHM)
        try:
            key = await self.keys.find(header.algorithm, header.key_id)
        except KeysUnreadable:
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "sign_in_unavailable",
                "The platform's keys cannot be read now; try again.",
                {"Retry-After": "30"},
            ) from None
        if key is None:
            raise SignInRefused(SignInRefusal.KEY_UNKNOWN)
        return key


def sign_in(settings: ApiSettings) -> SignIn:
    """Create what signs users in, with the configured keys."""
    secret = settings.jwt_secret.get_secret_value().encode() if settings.jwt_secret is not None else None
    rules = TokenRules(audience=settings.jwt_audience, issuer=settings.jwt_issuer, role=settings.jwt_role)
    return SignIn(secret=secret or None, keys=key_set(settings), rules=rules)


def refusal(reason: SignInRefusal) -> ApiError:
    """Return the answer to a sign-in that was refused."""
    headers = {"WWW-Authenticate": "Bearer"}
    return ApiError(HTTPStatus.UNAUTHORIZED, "not_signed_in", MESSAGES[reason], headers)
