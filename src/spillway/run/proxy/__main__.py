"""The proxy's own process: `python -m spillway.run.proxy PORT UPSTREAM_URL`.

It listens on the loopback interface. The control's token is in `SPILLWAY_PROXY_TOKEN`, because
other users of the machine can read a process's arguments.
"""

import asyncio
import logging
import os
import sys

from spillway.run.proxy.control import Control
from spillway.run.proxy.proxy import serve


def main() -> None:
    port, upstream = sys.argv[1:]
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    control = Control(token=os.environ["SPILLWAY_PROXY_TOKEN"])
    asyncio.run(serve("127.0.0.1", int(port), upstream, control))


if __name__ == "__main__":
    main()
