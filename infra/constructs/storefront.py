"""The storefront: static files behind CloudFront, and the API under /api/ on the same origin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.global_name import global_name
from infra.constructs.orders_api import STAGE_NAME
from infra.constructs.review import accept_finding
from infra.security_policy import content_security_policy
from infra.stage import Stage

WEB = Path(__file__).parents[2] / "web"
#: Made from the API's contract when the site is built; all others have a file of their own.
GENERATED_PAGES = ("api-docs",)


class Storefront(Construct):
    """A private bucket and its distribution. At rest it costs what a few hundred KB in S3 do.

    The files are not part of the stack: `spillway publish` uploads them.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        api_host: str,
        connect_sources: Sequence[str],
        stage: Stage,
    ) -> None:
        super().__init__(scope, id_)
        self.bucket = s3.Bucket(
            self,
            "Site",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            # It can be published again at any time; deleted, it would first have to be emptied.
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        accept_finding(
            self.bucket,
            "AwsSolutions-S1",
            reason="Only CloudFront reads it, and what it holds is public: access logs would be"
            " most of its price and tell nothing.",
        )
        self.distribution = self._distribution(api_host, connect_sources, stage)

    def _distribution(
        self, api_host: str, connect_sources: Sequence[str], stage: Stage
    ) -> cloudfront.Distribution:
        site = origins.S3BucketOrigin.with_origin_access_control(
            self.bucket,
            origin_access_control=cloudfront.S3OriginAccessControl(
                self,
                "SiteAccess",
                origin_access_control_name=global_name(self, "site", stage=stage),
            ),
            # With LIST a file that is not there is a 404; without it S3 says 403.
            origin_access_levels=[cloudfront.AccessLevel.READ, cloudfront.AccessLevel.LIST],
        )
        headers = self._page_headers(connect_sources, stage)
        pages = self._pages(stage)
        certificate, host = self._certificate(stage), stage.web.host
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=stage.resource_name("storefront"),
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            default_root_object="index.html",
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            default_behavior=cloudfront.BehaviorOptions(
                origin=site,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=headers,
                function_associations=[
                    cloudfront.FunctionAssociation(function=pages, event_type=event)
                    for event in (
                        cloudfront.FunctionEventType.VIEWER_REQUEST,
                        cloudfront.FunctionEventType.VIEWER_RESPONSE,
                    )
                ],
            ),
            additional_behaviors={
                "/assets/*": cloudfront.BehaviorOptions(
                    origin=site,
                    viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                    cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                    response_headers_policy=headers,
                ),
                f"/{STAGE_NAME}/*": cloudfront.BehaviorOptions(
                    origin=origins.HttpOrigin(api_host),
                    # A redirect would make a GET of a PUT; a token must not travel in the clear.
                    viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
                    allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                    cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                    # The Authorization header included, which no other policy passes on uncached.
                    origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                    response_headers_policy=self._api_headers(stage),
                ),
            },
            domain_names=None if certificate is None or host is None else [host],
            certificate=certificate,
            minimum_protocol_version=None
            if certificate is None
            else cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        )
        self._accept_findings(distribution, stage)
        return distribution

    def _certificate(self, stage: Stage) -> acm.ICertificate | None:
        arn = stage.web.certificate_arn
        if arn is None:
            return None
        return acm.Certificate.from_certificate_arn(self, "Certificate", arn)

    def _pages(self, stage: Stage) -> cloudfront.Function:
        names = sorted(
            {path.stem for path in (WEB / "storefront" / "pages").glob("*.html")}
            | set(GENERATED_PAGES)
        )
        code = (WEB / "edge" / "pages.js").read_text()
        known = json.dumps(dict.fromkeys(names, 1))
        return cloudfront.Function(
            self,
            "Pages",
            function_name=global_name(self, "pages", stage=stage),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            code=cloudfront.FunctionCode.from_inline(
                code.replace("var PAGES = {};", f"var PAGES = {known};")
            ),
        )

    def _page_headers(
        self, connect_sources: Sequence[str], stage: Stage
    ) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "PageHeaders",
            response_headers_policy_name=global_name(self, "pages", stage=stage),
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=content_security_policy(connect_sources), override=True
                ),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                content_type_options=_NO_SNIFFING,
                strict_transport_security=_HTTPS_ONLY,
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in (
                        ("cross-origin-opener-policy", "same-origin"),
                        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
                    )
                ]
            ),
        )

    def _api_headers(self, stage: Stage) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "ApiHeaders",
            response_headers_policy_name=global_name(self, "api", stage=stage),
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_type_options=_NO_SNIFFING, strict_transport_security=_HTTPS_ONLY
            ),
        )

    def _accept_findings(self, distribution: cloudfront.Distribution, stage: Stage) -> None:
        findings = {
            "AwsSolutions-CFR1": "The store sells to whoever signs in, wherever they are.",
            "AwsSolutions-CFR2": "A WAF is 5 dollars a month before the first request, several"
            " times all that idles here. What it would guard is static files, and an API that"
            " takes no request without a valid token and has a throttle of its own.",
            "AwsSolutions-CFR3": "The API logs each of its requests; who looked at which picture"
            " is not worth keeping.",
            "Annotation::@aws-cdk/aws-cloudfront-origins:listBucketSecurityRisk": "The function"
            " turns every address but a page's, an asset's and the settings' into that of a page:"
            " no request ever asks for the bucket itself.",
        }
        if stage.web.certificate_arn is None:
            findings["AwsSolutions-CFR4"] = (
                "Under *.cloudfront.net the lowest TLS version is AWS's. With a certificate of the"
                " store's own it is 1.2."
            )
        for rule, reason in findings.items():
            accept_finding(distribution, rule, reason=reason)


_NO_SNIFFING = cloudfront.ResponseHeadersContentTypeOptions(override=True)
_HTTPS_ONLY = cloudfront.ResponseHeadersStrictTransportSecurity(
    # Not for its subdomains: a store at its company's own name must not bind all of the company's.
    access_control_max_age=Duration.days(365),
    include_subdomains=False,
    override=True,
)
