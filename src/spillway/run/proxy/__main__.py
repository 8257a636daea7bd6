"""The proxy's own process: `python -m spillway.run.proxy --port PORT --upstream URL`.

It listens on the loopback interface. The control's token is in `SPILLWAY_PROXY_TOKEN`, because
other users of the machine can read a process's arguments.
"""

import argparse
import asyncio
import logging
import os

from spillway.run.proxy.control import Control
from spillway.run.proxy.proxy import serve


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="spillway.run.proxy")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    control = Control(token=os.environ["SPILLWAY_PROXY_TOKEN"])
    asyncio.run(serve("127.0.0.1", options.port, options.upstream, control))


if __name__ == "__main__":
    main()
