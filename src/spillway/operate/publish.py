"""``spillway publish``: the storefront's files, to the bucket of a deployed stage."""

import json
from typing import Annotated, Any

import typer

from spillway.errors import SpillwayError


def publish(
    stage: Annotated[str, typer.Option("--stage", help="A stage that was deployed to AWS.")],
    region: Annotated[
        str | None,
        typer.Option("--region", help="Where it is; otherwise as your AWS settings say."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was published as one JSON object.")
    ] = False,
) -> None:
    """Build the storefront and upload it to a deployed stage, with your own AWS credentials.

    Customers see the new version with their next page; nothing has to be purged.

    Example: `spillway publish --stage dev`
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.console import Console
    from rich.progress import Progress

    from spillway.run.storefront.publish import publish as upload
    from spillway.run.storefront.publish import settings_of

    session = boto3.Session(region_name=region)
    try:
        outputs = _outputs(session.client("cloudformation"), f"spillway-{stage}-web")
        console = Console(stderr=True)
        hidden = not console.is_terminal
        with Progress(console=console, transient=True, disable=hidden) as progress:
            bar = progress.add_task("Upload the storefront")
            files = upload(
                session.client("s3"),
                bucket=outputs["SiteBucketName"],
                settings=settings_of(outputs),
                on_file=lambda count, total: progress.update(bar, completed=count, total=total),
            )
    except (BotoCoreError, ClientError) as error:
        raise SpillwayError(
            f"The storefront was not published ({error}): deploy the stage first,"
            f' with `make cdk ARGS="deploy --all -c stage={stage}"`.'
        ) from error
    if as_json:
        typer.echo(json.dumps({"address": outputs["StoreAddress"], "files": len(files)}))
    else:
        typer.echo(f"{len(files)} files are published: {outputs['StoreAddress']}")


def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}
