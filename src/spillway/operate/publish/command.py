"""`spillway publish`: its options. Everything heavy is imported when it runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import SpillwayError
from spillway.target.options import RegionOption
from spillway.ui.options import JsonOption, print_json

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient


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
    from botocore.exceptions import BotoCoreError, ClientError

    from spillway.run.storefront.publish import publish as upload
    from spillway.run.storefront.publish import settings_of
    from spillway.ui.progress import bar

    session = boto3.Session(region_name=region)
    try:
        outputs = _outputs(session.client("cloudformation"), f"spillway-{stage}-web")
        with bar("Uploading the storefront") as progress:
            files = upload(
                session.client("s3"),
                bucket=outputs["SiteBucketName"],
                settings=settings_of(outputs),
                on_file=progress.reach,
            )
    except (BotoCoreError, ClientError) as error:
        raise SpillwayError(
            f"The storefront was not published ({error}): deploy the stage first,"
            f' with `make cdk ARGS="deploy --all -c stage={stage}"`.'
        ) from error
    if as_json:
        print_json({"address": outputs["StoreAddress"], "files": len(files)})
    else:
        typer.echo(f"{len(files)} files are published: {outputs['StoreAddress']}")


def _outputs(cloudformation: "CloudFormationClient", stack: str) -> dict[str, str]:
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}
