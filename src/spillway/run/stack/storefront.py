"""The storefront on the emulator: published as on AWS, with what the emulator needs beside."""

import json
from typing import Any

from spillway.run.stack.aws import client
from spillway.run.storefront.publish import publish, settings_of


def publish_storefront(emulator: str, outputs: dict[str, str]) -> None:
    """Publish it to the bucket that the stacks' `outputs` name."""
    s3 = client(emulator, "s3")
    bucket = outputs["SiteBucketName"]
    _let_cloudfront_read(s3, bucket)
    # The issuer that the tokens name is AWS's own; here the emulator describes it.
    discovery = f"{emulator}/{outputs['UserPoolId']}/.well-known/openid-configuration"
    publish(s3, bucket=bucket, settings={**settings_of(outputs), "discovery": discovery})


def _let_cloudfront_read(s3: Any, bucket: str) -> None:
    """Take the demand for TLS out of the bucket's policy.

    The emulator's CloudFront reads its bucket within the process, and its policy check takes that
    for a request without TLS. That the template demands TLS is tested on the template.
    """
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
