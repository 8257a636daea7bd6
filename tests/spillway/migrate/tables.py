"""Orders tables on a bare emulator, and migrations that write to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from spillway.migrate.config import Config, Target, read_config
from spillway.migrate.running import Parts, Place, assembled
from spillway.migrate.verifying.comparing import Verdict
from spillway.run.stack.processes import REGION
from spillway.target.archive import Archive
from tests.spillway.archived import no_archive
from tests.spillway.migrate.legacy import DOCS, Shop
from tests.tables import make_table


def make_orders_table(dynamodb: Any) -> str:
    return make_table(dynamodb, "orders", streamed=True)


def config_for(shop: Shop, table: str, folder: Path, **changes: Any) -> Config:
    """The worked example of the shop's shape, with this test's databases."""
    example = read_config(DOCS / f"{shop.shape}.toml")
    source = msgspec.structs.replace(
        example.source, url_variable="OLD_SHOP", option_file=None, tls="off"
    )
    target = Target(region=REGION, orders_table=table, write_units_per_second_max=1_000_000)
    return msgspec.structs.replace(
        example,
        source=source,
        target=target,
        cutover=msgspec.structs.replace(example.cutover, quiet_seconds=0.1),
        quarantine_file=str(folder / "quarantine.jsonl"),
        **changes,
    )


@contextmanager
def migration(
    shop: Shop,
    dynamodb: Any,
    config: Config,
    streams: Any = None,
    archive: Archive | None = None,
) -> Iterator[Parts]:
    table = config.target.orders_table
    assert table is not None
    clients = {"dynamodb": dynamodb, "dynamodbstreams": streams}
    place = Place(
        lambda service, _config: clients[service],
        table,
        f"{table}-migration",
        None,
        archive or no_archive(),
    )
    environment = {"OLD_SHOP": shop.server.url(shop.database)}
    with assembled(config, place, environment) as parts:
        parts.state.make_table()
        yield parts


def verified(parts: Parts) -> Verdict:
    """Without pauses between its looks: nobody writes meanwhile."""
    judge = parts.verify(lambda *_: None)
    judge.pause_seconds = 0
    return judge.whole()


def config_file(
    shop: Shop, table: str, folder: Path, changes: Mapping[str, str] | None = None
) -> Path:
    """The worked example as a file for the command line, with this test's databases.

    `changes`: by the first word of a line, the line that replaces it.
    """
    text = (DOCS / f"{shop.shape}.toml").read_text()
    lines = [line.partition("  #")[0] for line in text.splitlines()]
    replaced = {
        "url_variable": 'url_variable = "OLD_SHOP"',
        "option_file": 'url_variable = "OLD_SHOP"',
        "tls": 'tls = "off"',
        "local_port": f'region = "{REGION}"\norders_table = "{table}"',
        "write_units_per_second_max": "write_units_per_second_max = 1_000_000",
        "quarantine_file": f'quarantine_file = "{folder / "quarantine.jsonl"}"',
        **(changes or {}),
    }
    path = folder / "migration.toml"
    path.write_text("\n".join(replaced.get(line.partition(" ")[0], line) for line in lines))
    return path
