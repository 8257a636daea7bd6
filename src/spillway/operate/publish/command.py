"""`spillway publish`: its options. Everything heavy is imported when it runs."""

import time
from typing import Annotated

import typer

from spillway.errors import SpillwayError
from spillway.target.options import RegionOption, Target, explain_unreachable
from spillway.ui.options import JsonOption, print_json


def publish(
    stage: Annotated[str, typer.Option("--stage", help="A stage that was deployed to AWS.")],
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the storefront and upload it to a deployed stage, with your own AWS credentials.

    Writes to the stage's bucket. Customers see the new version with their next page; nothing has to
    be purged. The goods and prices that pages show are those of the published price books: there
    must be one.

    Example: `spillway publish --stage dev`
    """
    from orders.domain.units import Millis
    from spillway.operate.prices import bucket as books
    from spillway.operate.prices.storefront import Storefront
    from spillway.run.storefront.publish import publish as upload
    from spillway.run.storefront.publish import settings_of
    from spillway.target.service import session_of
    from spillway.ui.progress import bar

    outputs = Target(stage=stage, region=region).outputs("SiteBucketName")
    s3 = session_of(region=region).client("s3")
    with explain_unreachable(on_aws=True), bar("Uploading the storefront") as progress:
        storefront = Storefront(s3, outputs["SiteBucketName"])
        now = Millis(time.time_ns() // 1_000_000)
        if not storefront.show(books.PriceBucket(s3, outputs[books.OUTPUT]), now):
            raise SpillwayError(
                "The storefront shows what the price book has, and none is published: run"
                " `spillway prices publish BOOK.toml` first."
            )
        files = upload(
            s3,
            bucket=outputs["SiteBucketName"],
            settings=settings_of(outputs),
            on_file=progress.reach,
        )
    if as_json:
        print_json({"address": outputs["StoreAddress"], "files": len(files)})
    else:
        typer.echo(f"{len(files)} files are published: {outputs['StoreAddress']}")
