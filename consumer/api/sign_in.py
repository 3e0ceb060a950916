"""Authentication of the caller: the platform's JWT, HS256 and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import jwt
from fastapi import Request

from consumer.api.errors import ApiError
from consumer.settings import ApiSettings

ALGORITHM: Final = "HS256"
LEEWAY: Final = timedelta(seconds=5)
"""Clock skew that is allowed: clocks of two machines differ by a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A signed-in user, with the claims that row-level security reads."""

    id: UUID
    claims: Mapping[str, Any]


def sign_in(settings: ApiSettings) -> Callable[[Request], User]:
    """Return the dependency that reads the user from `Authorization: Bearer`, or answers 401; 503 without a secret."""
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret is not None else ""

    def signed_in(request: Request) -> User:
        if not secret:
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "sign_in_not_configured",
                "Nobody can sign in: the operator has to set SHW_API__JWT_SECRET.",
            )
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorized("Sign in with `Authorization: Bearer` and a token of the platform.")
        return _verify(token.strip(), secret, settings.jwt_audience)

    return signed_in


def _verify(token: str, secret: str, audience: str | None) -> User:
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],  # pinned: the token's own header must not choose
            audience=audience,
            leeway=LEEWAY,
            options={"require": ["exp", "sub"], "verify_aud": audience is not None},
        )
    except jwt.ExpiredSignatureError:
        raise _unauthorized("The token has expired: sign in again.") from None
    except jwt.InvalidAudienceError:
        raise _unauthorized("The token is for another audience.") from None
    except jwt.MissingRequiredClaimError as error:
        raise _unauthorized(f"The token lacks the claim {error.claim}.") from None
    except jwt.PyJWTError:
        raise _unauthorized("The token is not valid.") from None
    try:
        return User(id=UUID(claims["sub"]), claims=claims)
    except ValueError:
        raise _unauthorized("The token's sub is not a user's id (a UUID).") from None


def _unauthorized(message: str) -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "not_signed_in", message, {"WWW-Authenticate": "Bearer"})
