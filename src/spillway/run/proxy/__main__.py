"""The proxy's own process: ``python -m spillway.run.proxy --port PORT --upstream PORT``.

Both ports are on the loopback interface. The control's token is in ``SPILLWAY_TAP_TOKEN``: other
users of the machine can read a process's arguments.
"""

import argparse
import asyncio
import logging
import os

from spillway.run.proxy.control import Control
from spillway.run.proxy.proxy import serve

_LOOPBACK = "127.0.0.1"


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="spillway.run.proxy")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    control = Control(token=os.environ["SPILLWAY_TAP_TOKEN"])
    asyncio.run(serve(_LOOPBACK, options.port, (_LOOPBACK, options.upstream), control))


if __name__ == "__main__":
    main()
