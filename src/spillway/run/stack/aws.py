"""boto3 clients that reach one emulator and nothing else."""

import os
import threading
from functools import cache
from typing import Any

from spillway.run.stack.processes import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

# Clients are safe to share between threads; making one is not.
_making = threading.Lock()


def client(endpoint: str, service: str, config: Any = None) -> Any:
    """A boto3 client of `service` at `endpoint`, safe to use from several threads.

    Neither the user's AWS settings nor a proxy are asked. `config`, a botocore `Config`, is
    merged over the settings made here.
    """
    from botocore.config import Config

    settings: dict[str, Any] = {
        "proxies": {},
        "ignore_configured_endpoint_urls": True,
        "retries": {"mode": "standard", "total_max_attempts": 3},
    }
    own = Config(**settings)
    with _making:
        return _session().client(
            service,
            endpoint_url=endpoint,
            # A certificate bundle that the user's environment names may not exist here.
            verify=False,
            config=own.merge(config) if config else own,
        )


@cache
def _session() -> Any:
    """One session for all: it keeps the parsed service models."""
    import boto3
    from botocore.session import Session

    # (name in the file, environment variable, default, conversion): neither of the first two, so
    # that the user's profile and files are not looked for.
    settings = Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        region_name=REGION,
        botocore_session=settings,
    )
