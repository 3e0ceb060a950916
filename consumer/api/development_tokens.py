"""Tokens that the API accepts where no platform signs people in: for development and the first tries."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from consumer.api.tokens import HMAC
from consumer.errors import ConfigError
from consumer.settings import ApiSettings


def sign_token(settings: ApiSettings, user: UUID, lasts: timedelta) -> str:
    """Sign a token of a user with the secret that the API checks tokens by, with the claims that it asks for.

    Raises ConfigError where no secret is set.
    """
    if settings.jwt_secret is None:
        message = "SHW_API__JWT_SECRET is not set: tokens are signed with it (32 bytes at least)"
        if settings.jwks_url is not None or settings.jwks_file is not None:
            message += "; the platform whose keys SHW_API__JWKS_URL or SHW_API__JWKS_FILE names signs its own"
        raise ConfigError(message)
    claims: dict[str, object] = {"sub": str(user), "role": settings.jwt_role, "exp": datetime.now(UTC) + lasts}
    if settings.jwt_audience is not None:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer is not None:
        claims["iss"] = settings.jwt_issuer
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm=HMAC)
