"""Signs requests with AWS Signature Version 4, as S3 and what speaks its protocol demand.

botocore has the signature; what it signs is the request as the egress guard sends it, and it opens no connection. The
secret key is used here and never sent.
"""

from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from typing import Final

from consumer.model.call import AwsSigning, OutboundRequest
from consumer.outbound.credentials import Credentials

_AUTHORIZATION: Final = "authorization"


@lru_cache(maxsize=1)
def _is_installed() -> bool:
    return find_spec("botocore") is not None


def unsignable(request: OutboundRequest) -> str | None:
    """Return why a request that is to be signed cannot be, or None."""
    if request.signing is None:
        return None
    if not _is_installed():
        return "requests to S3 cannot be signed here: install the extra with `pip install -e '.[media]'`"
    keys = [value for name, value in request.headers if name.lower() == _AUTHORIZATION]
    if len(keys) != 1 or len(keys[0].split(" ")) != 2:  # noqa: PLR2004 - the two keys
        return "a request to be signed names its access key and its secret key in one authorization header"
    return None


def signed(request: OutboundRequest, signing: AwsSigning, url: str, credentials: Credentials) -> OutboundRequest:
    """Return the request with its signature, for the URL that it is sent to; hashes the body, and may take a while."""
    # Only who writes to S3 pays for the import: a third of a second.
    from botocore.auth import S3SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials as Keys  # noqa: PLC0415

    plain = [(name, credentials.put_in(value)) for name, value in request.headers]
    [keys] = [value for name, value in plain if name.lower() == _AUTHORIZATION]
    access_key, secret_key = keys.split(" ")
    wire = AWSRequest(method=request.method, url=url, data=request.body or b"")
    for name, value in plain:
        if name.lower() != _AUTHORIZATION:
            wire.headers[name] = value
    S3SigV4Auth(Keys(access_key, secret_key), signing.service, signing.region).add_auth(wire)
    return replace(request, headers=tuple((name, str(value)) for name, value in wire.headers.items()), signing=None)
