"""What is asked over the web: the issuer's metadata, the certificate, the store's address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from infra.stage import CognitoPool
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.findings import Finding, fault, ok, warning
from spillway.target.unreachable import why_silent

#: ACM renews a certificate 60 days before its end; so near to it, that has failed for a month.
EXPIRY_WARNING_DAYS = 30
_DAY_SECONDS = 86_400


def check_issuer(account: Account) -> Iterator[Finding]:
    """The gateway reads the same two documents, and takes RSA signatures only:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html"""
    if account.issuer is None or account.issuer_at is None:
        return
    about = account.issuer
    next_step = f"check [identity] issuer in {account.file} with whoever runs it"
    try:
        wrong = _wrong_issuer(account, account.issuer, account.issuer_at)
    except LookupError as missing:
        wrong = f"has no {missing.args[0]} in its metadata"
    except ValueError:
        wrong = "has no metadata that can be read"
    except (httpx.TransportError, httpx.InvalidURL) as error:
        wrong = f"does not answer ({why_silent(error)})"
    if wrong is None:
        yield ok(about, "publishes its metadata and RSA keys")
    else:
        yield fault(about, f"{wrong}: every request is answered 401", next_step)


def _wrong_issuer(account: Account, issuer: str, at: str) -> str | None:
    answer = account.http.get(f"{at.rstrip('/')}/.well-known/openid-configuration")
    if answer.status_code != 200:
        return f"answers {answer.status_code} for its metadata"
    metadata = answer.json()
    if metadata["issuer"] != issuer:
        return f"calls itself {metadata['issuer']}, which is what its tokens have"
    keys = account.http.get(metadata["jwks_uri"]).json()["keys"]
    if not any(key["kty"] == "RSA" and key.get("use", "sig") == "sig" for key in keys):
        return "has no RSA key to sign with"
    return None


def check_certificate(account: Account) -> Iterator[Finding]:
    arn = account.stage.web.certificate_arn
    if arn is None:
        return
    acm = account.client("acm")
    try:
        certificate = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    except acm.exceptions.ResourceNotFoundException:
        yield fault(arn, "is not there", f"correct [web] certificate_arn in {account.file}")
        return
    yield _certificate(account, arn, certificate)


def _certificate(account: Account, arn: str, certificate: dict[str, Any]) -> Finding:
    host = httpx.URL(account.stage.web.url or "").host
    if certificate["Status"] != "ISSUED":
        return fault(
            arn,
            f"is {certificate['Status']}: CloudFront refuses it",
            "set the DNS record that ACM asks for, and wait until it is ISSUED",
        )
    names = {certificate["DomainName"], *certificate.get("SubjectAlternativeNames", ())}
    if not names & {host, f"*.{host.partition('.')[2]}"}:
        return fault(
            arn, f"is for {', '.join(sorted(names))}, not for {host}", "ask ACM for one for it"
        )
    left = (certificate["NotAfter"].timestamp() - account.now() / 1000) / _DAY_SECONDS
    if left < EXPIRY_WARNING_DAYS:
        return warning(
            arn, f"ends in {left:.0f} days and was not renewed", "see in ACM why it was not"
        )
    return ok(arn, f"is for {host}, and ends in {left:.0f} days")


def check_address(account: Account) -> Iterator[Finding]:
    """A store with its own domain is compared with the distribution that it must lead to. Without
    one the sign-in page must know the distribution's address, which the first deployment gave."""
    url, distribution = account.stage.web.url, account.outputs.get("DistributionDomainName")
    if distribution is None or account.stage.fakes:
        return
    if account.stage.web.certificate_arn is None or url is None:
        yield from _given_address(account, f"https://{distribution}")
        return
    next_step = f"set its DNS record: an alias (or CNAME) to {distribution}"
    try:
        shown, expected = (_page(account, at) for at in (url, f"https://{distribution}"))
    except httpx.TransportError as error:
        yield fault(url, f"does not answer ({why_silent(error)})", next_step)
        return
    if shown == expected:
        yield ok(url, "leads to the storefront")
    else:
        yield fault(url, "shows something else than the stage's distribution", next_step)


def _given_address(account: Account, given: str) -> Iterator[Finding]:
    if not isinstance(account.stage.identity, CognitoPool):
        return
    url = account.stage.web.url
    next_step = f'put url = "{given}" under [web] in {account.file}, and deploy again'
    if url is None:
        yield fault(given, "the sign-in page does not know it: nobody can sign in", next_step)
    elif url != given:
        yield warning(
            given, f"customers can sign in at {url} only, which has no certificate here", next_step
        )
    else:
        yield ok(given, "is what the sign-in page comes back to")


def _page(account: Account, at: str) -> tuple[int, bytes]:
    answer = account.http.get(f"{at}/")
    return answer.status_code, answer.content
