"""Why a service could not be asked, in plain words: not httpx's, botocore's or the system's.

A library names its own classes and what it did last; whoever reads it wants to know what to do.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spillway.errors import SpillwayError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

#: AWS's codes for credentials that it does not take.
_NOT_KNOWN = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_SIGN_IN = "sign in (`aws sso login`), or choose others (`export AWS_PROFILE=...`)"


def why_silent(error: BaseException) -> str:
    """Why there was no good answer: `nothing listens at its address`, or AWS's own words."""
    import httpx
    from botocore import exceptions as aws

    if isinstance(error, aws.ClientError):
        return said_by_aws(error)
    causes = list(_causes(error))

    def was(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if was(ssl.SSLCertVerificationError):
        return "its certificate is not to be trusted"
    if was(ssl.SSLError, aws.SSLError):
        return "it speaks no TLS there"
    if was(socket.gaierror):
        return "there is no such host"
    if was(TimeoutError, httpx.TimeoutException, aws.ConnectTimeoutError, aws.ReadTimeoutError):
        return "it took too long"
    if was(httpx.ConnectError, aws.EndpointConnectionError, ConnectionRefusedError):
        return "nothing listens at its address"
    if was(httpx.ProxyError, aws.ProxyConnectionError):
        return "the proxy on the way does not let it through"
    if was(httpx.TransportError, aws.HTTPClientError, ConnectionError):
        return "the connection broke"
    return "the answer could not be read"


def unreachable(error: Exception, *, on_aws: bool) -> SpillwayError:
    """What to tell of a botocore or httpx error. Not `on_aws`: a stack on this machine was asked,
    or what cannot be told from one."""
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    if isinstance(error, aws.ClientError):
        return _refused(error)
    if isinstance(error, aws.ProfileNotFound):
        name = error.kwargs["profile"]
        return SpillwayError(
            f"There is no AWS profile {name!r} here: choose one that `aws configure list-profiles`"
            " names (`export AWS_PROFILE=...`)."
        )
    if isinstance(error, aws.InvalidRegionError | aws.NoRegionError):
        return SpillwayError(
            f"{error.kwargs.get('region_name', '')!r} can't be an AWS Region: write one like"
            " eu-west-1."
        )
    if isinstance(error, _credential_errors()):
        return SpillwayError(f"The AWS credentials can't be used: {_SIGN_IN}.")
    if isinstance(error, ResponseParserError):
        return SpillwayError(
            "Something else than AWS answered: check AWS_ENDPOINT_URL, and any proxy on the way."
        )
    if on_aws:
        return SpillwayError(
            f"AWS does not answer ({why_silent(error)}): check your network, and AWS_ENDPOINT_URL"
            " if it is set, then try again."
        )
    return SpillwayError(
        f"The service does not answer ({why_silent(error)}): check that it is running, then try"
        " again."
    )


def _refused(error: ClientError) -> SpillwayError:
    code = error.response.get("Error", {}).get("Code", "")
    said = said_by_aws(error)
    if code in _NOT_KNOWN:
        return SpillwayError(f"AWS does not take these credentials ({said}): {_SIGN_IN}.")
    if code.startswith("AccessDenied") or code == "UnauthorizedOperation":
        return SpillwayError(f"Your credentials may not do this ({said}): use some that may.")
    if "NotFound" in code or "NoSuch" in code or "NonExistent" in code:
        return SpillwayError(
            f"AWS has no such thing ({said}): check the name, the account and the Region."
        )
    return SpillwayError(f"AWS refused ({said}): try again.")


def said_by_aws(error: ClientError) -> str:
    """AWS's own words: `DescribeStacks: ExpiredToken, The security token has expired`."""
    words = error.response.get("Error", {})
    said = ", ".join(words[name] for name in ("Code", "Message") if words.get(name))
    return f"{error.operation_name}: {said}"


def _credential_errors() -> tuple[type[Exception], ...]:
    from botocore import exceptions as aws

    return (
        aws.CredentialRetrievalError,
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.SSOError,
        aws.TokenRetrievalError,
        aws.ConfigParseError,
        aws.ConfigNotFound,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it, also where a library names its cause only in a field."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            named = getattr(one, "kwargs", {}).get("error")
            waiting += [one.__cause__, one.__context__, named, *one.args]
