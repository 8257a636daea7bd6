"""Signs a downstream call with SigV4, for downstreams that sit behind AWS's own authorisation."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from orders.aws.clients import session
from orders.failures import TransientFailure


def sigv4_headers(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The same headers with the signature added, by the function's own role.

    The service name is `execute-api`, API Gateway's: where the other departments' APIs live.
    """
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    credentials = session().get_credentials()
    if credentials is None:
        raise TransientFailure("the function's role gave no credentials")
    SigV4Auth(credentials, "execute-api", session().get_config_variable("region")).add_auth(request)
    return dict(request.headers.items())
