"""The shop window: what is public, what may run in it, and what passes to the API."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from spillway.run.storefront.site import page_sources
from tests.infra.templates import Properties, Templates


def distribution(templates: Templates) -> Properties:
    [found] = templates.resources("AWS::CloudFront::Distribution")
    config: Properties = found["DistributionConfig"]
    return config


def behaviours(templates: Templates) -> dict[str, Any]:
    config = distribution(templates)
    others = {one["PathPattern"]: one for one in config["CacheBehaviors"]}
    return {"*": config["DefaultCacheBehavior"], **others}


def page_headers(templates: Templates) -> dict[str, Any]:
    policies = templates.resources("AWS::CloudFront::ResponseHeadersPolicy")
    [headers] = [
        policy["ResponseHeadersPolicyConfig"]
        for policy in policies
        if "ContentSecurityPolicy" in policy["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    ]
    found: dict[str, Any] = headers
    return found


def security_policy(templates: Templates) -> str:
    header = page_headers(templates)["SecurityHeadersConfig"]["ContentSecurityPolicy"]
    assert header["Override"] is True
    policy = header["ContentSecurityPolicy"]
    if isinstance(policy, str):
        return policy
    return "".join(
        part if isinstance(part, str) else f"<{part['Ref']}>" for part in policy["Fn::Join"][1]
    )


def test_only_the_distribution_reads_the_bucket_and_only_with_tls(dev: Templates) -> None:
    web = dev.by_stack["spillway-dev-web"]["Resources"].values()
    [bucket] = [found["Properties"] for found in web if found["Type"] == "AWS::S3::Bucket"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [policy] = [found["Properties"] for found in web if found["Type"] == "AWS::S3::BucketPolicy"]
    denied, allowed = policy["PolicyDocument"]["Statement"]
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert set(allowed["Action"]) == {"s3:GetObject", "s3:ListBucket"}
    assert "AWS:SourceArn" in allowed["Condition"]["StringEquals"]


def test_the_bucket_is_reached_by_origin_access_control(dev: Templates) -> None:
    [control] = dev.resources("AWS::CloudFront::OriginAccessControl")
    config = control["OriginAccessControlConfig"]
    assert (config["SigningBehavior"], config["SigningProtocol"]) == ("always", "sigv4")
    site, api = distribution(dev)["Origins"]
    assert "OriginAccessControlId" in site
    assert api["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"


def test_it_speaks_http_3_and_compresses_and_is_never_read_without_tls(dev: Templates) -> None:
    assert distribution(dev)["HttpVersion"] == "http2and3"
    assert {name: one["ViewerProtocolPolicy"] for name, one in behaviours(dev).items()} == {
        "*": "redirect-to-https",
        "/assets/*": "redirect-to-https",
        "/api/*": "https-only",
    }
    assert behaviours(dev)["*"]["Compress"] is True
    assert behaviours(dev)["/assets/*"]["Compress"] is True


def test_the_api_is_never_cached_and_gets_every_method_and_header(dev: Templates) -> None:
    api = behaviours(dev)["/api/*"]
    # AWS's own policies, by their ids: CachingDisabled and AllViewerExceptHostHeader.
    assert api["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert api["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert {"GET", "PUT"} <= set(api["AllowedMethods"])


def test_no_error_page_takes_the_place_of_the_api_s_own_answers(dev: Templates) -> None:
    assert "CustomErrorResponses" not in distribution(dev)


def test_the_function_knows_every_page_of_the_site(dev: Templates) -> None:
    [function] = dev.resources("AWS::CloudFront::Function")
    assert function["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0"
    [known] = re.findall(r"var PAGES = \{(.*)\};", function["FunctionCode"])
    assert re.findall(r'"([\w-]+)": 1', known) == sorted(dict(page_sources()))
    # CloudFront takes functions of 10 KB.
    assert len(function["FunctionCode"]) < 10_000


def test_the_policy_lets_nothing_run_that_is_not_the_store_s_own(dev: Templates) -> None:
    policy = dict(directive.split(" ", 1) for directive in security_policy(dev).split("; "))
    assert "unsafe" not in security_policy(dev)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["connect-src"] == (
        "'self' https://cognito-idp.<AWS::Region>.<AWS::URLSuffix>"
        " https://example-dev.auth.<AWS::Region>.amazoncognito.com"
    )


def test_pages_can_be_neither_framed_nor_sniffed_and_tell_nobody_where_one_was(
    dev: Templates,
) -> None:
    headers = page_headers(dev)["SecurityHeadersConfig"]
    assert headers["FrameOptions"]["FrameOption"] == "DENY"
    assert headers["ReferrerPolicy"]["ReferrerPolicy"] == "no-referrer"
    assert headers["ContentTypeOptions"]["Override"] is True
    assert headers["StrictTransportSecurity"] == {
        "AccessControlMaxAgeSec": 365 * 24 * 60 * 60,
        # A store at its company's own name must not bind the company's other subdomains.
        "IncludeSubdomains": False,
        "Override": True,
    }


def test_a_store_with_a_certificate_answers_under_its_own_name(unusual: Templates) -> None:
    config = distribution(unusual)
    assert config["Aliases"] == ["store.example.com"]
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    outputs = unusual.by_stack["spillway-unusual-web"]["Outputs"]
    assert outputs["StoreAddress"]["Value"] == "https://store.example.com"


def test_a_store_without_a_certificate_is_where_cloudfront_puts_it(dev: Templates) -> None:
    address = dev.by_stack["spillway-dev-web"]["Outputs"]["StoreAddress"]["Value"]
    assert address["Fn::Join"][1][0] == "https://"
    assert address["Fn::Join"][1][1]["Fn::GetAtt"][1] == "DomainName"
    assert "Aliases" not in distribution(dev)


def test_with_another_issuer_the_storefront_signs_in_there(unusual: Templates) -> None:
    outputs = unusual.by_stack["spillway-unusual-web"]["Outputs"]
    assert msgspec.json.decode(outputs["StorefrontSettings"]["Value"]) == {
        "issuer": "https://login.example.com/a/b/",
        "client_id": "storefront",
        "scope": "openid email",
        "sign_out": "oidc",
        "groups_claim": "cognito:groups",
        "wholesale_group": "wholesale",
    }


def test_the_storefront_knows_which_orders_are_held_and_who_decides(local: Templates) -> None:
    settings = local.by_stack["spillway-local-web"]["Outputs"]["StorefrontSettings"]["Value"]
    said = msgspec.json.decode(
        settings
        if isinstance(settings, str)
        else "".join(part for part in settings["Fn::Join"][1] if isinstance(part, str))
    )
    assert said["approvals"] == {
        "limit_claim": "purchase_limit",
        "group": "approvers",
        "companies": {"wholesale": "company_id"},
    }


def test_a_store_s_pages_connect_to_its_payment_gateway_too(unusual: Templates) -> None:
    assert (
        "connect-src 'self' https://login.example.com https://pay.example.com"
        " https://risk.example.com;" in security_policy(unusual)
    )
