"""Publishing: the site's files into the bucket that CloudFront reads.

A step of its own and not CDK's BucketDeployment, which would put a Lambda function with the AWS
command line into the account for what is thirty uploads. Assets are uploaded before pages and are
never deleted: a page that is open somewhere still fetches those of the version before.
"""

import json
from collections.abc import Callable
from typing import Any

from spillway.run.storefront.site import File, build


def publish(
    s3: Any,
    *,
    bucket: str,
    settings: dict[str, object],
    on_file: Callable[[int, int], None] = lambda _, __: None,
) -> list[File]:
    """Build the site and upload it; returns its files. Fine to repeat.

    `s3` is a boto3 client, `settings` what `/config.json` says. `on_file` gets the
    number of uploaded files and of all files.
    """
    files = build(settings)
    for count, file in enumerate(files, start=1):
        s3.put_object(
            Bucket=bucket,
            Key=file.key,
            Body=file.content,
            ContentType=file.media_type,
            CacheControl=file.cache_control,
            Metadata=file.metadata,
        )
        on_file(count, len(files))
    return files


def settings_of(outputs: dict[str, str]) -> dict[str, object]:
    """What `/config.json` says, from the web stack's outputs."""
    settings: dict[str, object] = json.loads(outputs["StorefrontSettings"])
    return settings
