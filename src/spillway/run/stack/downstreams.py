"""The fakes of a stack on this machine, and what they need to reach it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from spillway.run.stack.aws import client
from spillway.run.stack.deployment import STAGE
from spillway.run.stack.fakes import Fakes
from spillway.run.stack.handle import Stack
from spillway.run.stack.keys import DOWNSTREAMS
from spillway.run.stack.ports import port_of
from spillway.run.stack.processes import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

#: The warehouse's own, which no stack makes.
WAREHOUSE_QUEUE = f"spillway-{STAGE}-fake-warehouse"


def commanded_at(fakes: Fakes, urls: Mapping[str, str], emulator: str) -> dict[str, str]:
    """Where each downstream takes commands: at these addresses, but for the warehouse, whose queue
    is made here."""
    if fakes is Fakes.CONTRACTS:
        return dict(urls)
    made = client(emulator, "sqs").create_queue(QueueName=WAREHOUSE_QUEUE)
    return {**urls, "fulfilment": made["QueueUrl"]}


@contextmanager
def downstreams_served(stack: Stack, listener: socket.socket) -> Iterator[None]:
    """Serve the fakes until the block ends."""
    from simulation.downstreams.dynamodb_ledger import dynamodb_ledgers
    from simulation.downstreams.server import application, served, uvicorn_config
    from spillway.run.stack.serving import serving

    ledgers = dynamodb_ledgers(
        {name: stack.tables[name] for name in DOWNSTREAMS},
        endpoint_url=stack.emulator,
        region=REGION,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )
    keys = stack.secrets.keys
    if stack.fakes is Fakes.CONTRACTS:
        from simulation.downstreams.callback import Callback
        from simulation.downstreams.parcels import Parcels

        callback = Callback(f"{stack.api}/outcomes/fulfilment", keys.outcome.key)
        fakes = application(ledgers, keys.api_keys, parcels=Parcels(callback.send))
        with serving(uvicorn_config(fakes, port=port_of(listener)), listener):
            yield
        return

    from simulation.downstreams.examples.running import Way, at_work, examples

    way = Way(
        callback_url=f"{stack.api}/outcomes/inventory",
        callback_key=keys.outcome.key,
        sqs=stack.client("sqs"),
        commands_url=stack.commanded["fulfilment"],
        outcomes_url=stack.queues["outcomes-fulfilment"],
    )
    three = examples(ledgers, keys.api_keys, way)
    config = uvicorn_config(served(three.by_downstream), port=port_of(listener))
    with serving(config, listener), at_work(three, way):
        yield
