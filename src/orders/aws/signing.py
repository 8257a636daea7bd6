"""Signs requests with SigV4, as the function's own role."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from orders.aws.clients import session, user_agent
from orders.failures import TransientFailure

#: The headers of a request (method, URL, headers, body) with its signature added.
Sign = Callable[[str, str, Mapping[str, str], bytes], dict[str, str]]


#: VPC Lattice checks no digest of the body, and demands that the request says so:
#: https://docs.aws.amazon.com/vpc-lattice/latest/ug/sigv4-authenticated-requests.html
_UNSIGNED_BODY = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}


def sigv4_for(
    service: str, region: str | None, credentials: Callable[[], Credentials] | None = None
) -> Sign:
    """For a downstream that sits behind AWS's own authorisation, in its Region (None: the
    function's own).

    `service`: `execute-api` is API Gateway, `lambda` a function or its URL, `sqs` a queue,
    `vpc-lattice-svcs` VPC Lattice. `credentials`: of another than the function's role.
    """
    of_caller = credentials or _credentials
    always = _UNSIGNED_BODY if service == "vpc-lattice-svcs" else {}

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        request = AWSRequest(method=method, url=url, headers={**headers, **always}, data=body)
        own = session().get_config_variable("region")
        return _signed(request, SigV4Auth(of_caller(), service, region or own))

    return sign


def naming_caller(sign: Sign) -> Sign:
    """The same for AWS itself: it also says who calls, as the SDK does."""

    def named(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        return sign(method, url, {"user-agent": user_agent(), **headers}, body)

    return named


def s3_headers(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """For an object in a bucket of the function's own Region."""
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    region = session().get_config_variable("region")
    return _signed(request, S3SigV4Auth(_credentials(), "s3", region))


def _credentials() -> Credentials:
    credentials = session().get_credentials()
    if credentials is None:
        raise TransientFailure("the function's role gave no credentials")
    return credentials


def _signed(request: AWSRequest, auth: SigV4Auth) -> dict[str, str]:
    auth.add_auth(request)
    return dict(request.headers.items())
