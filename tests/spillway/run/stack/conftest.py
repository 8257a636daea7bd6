from __future__ import annotations

from collections.abc import Iterator

import pytest

from spillway.run.stack.serving import uvicorn_config
from tests.hosting import Host, hosting


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting(lambda application: uvicorn_config(application, lifespan="off")) as host:
        yield host
