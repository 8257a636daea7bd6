"""`spillway publish`: its options. Everything heavy is imported when it runs."""

from typing import Annotated

import typer

from spillway.target.options import RegionOption, Target, explain_unreachable
from spillway.ui.options import JsonOption, print_json


def publish(
    stage: Annotated[str, typer.Option("--stage", help="A stage that was deployed to AWS.")],
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the storefront and upload it to a deployed stage, with your own AWS credentials.

    Writes to the stage's bucket. Customers see the new version with their next page; nothing has to
    be purged.

    Example: `spillway publish --stage dev`
    """
    import boto3

    from spillway.run.storefront.publish import publish as upload
    from spillway.run.storefront.publish import settings_of
    from spillway.ui.progress import bar

    outputs = Target(stage=stage, region=region).outputs("SiteBucketName")
    with explain_unreachable(), bar("Uploading the storefront") as progress:
        files = upload(
            boto3.Session(region_name=region).client("s3"),
            bucket=outputs["SiteBucketName"],
            settings=settings_of(outputs),
            on_file=progress.reach,
        )
    if as_json:
        print_json({"address": outputs["StoreAddress"], "files": len(files)})
    else:
        typer.echo(f"{len(files)} files are published: {outputs['StoreAddress']}")
