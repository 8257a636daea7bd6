"""Signs requests with SigV4, as the function's own role."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

from orders.aws.clients import session
from orders.failures import TransientFailure

#: The headers of a request (method, URL, headers, body) with its signature added.
Sign = Callable[[str, str, Mapping[str, str], bytes], dict[str, str]]


def sigv4_headers(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """For a downstream that sits behind AWS's own authorisation.

    The service name is `execute-api`, API Gateway's: where the other departments' APIs live.
    """
    return _signed(SigV4Auth, "execute-api", method, url, headers, body)


def s3_headers(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """For an object in a bucket."""
    return _signed(S3SigV4Auth, "s3", method, url, headers, body)


def _signed(
    auth: type[SigV4Auth],
    service: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
) -> dict[str, str]:
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    credentials = session().get_credentials()
    if credentials is None:
        raise TransientFailure("the function's role gave no credentials")
    auth(credentials, service, session().get_config_variable("region")).add_auth(request)
    return dict(request.headers.items())
