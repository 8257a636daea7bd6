"""A running stack as tests, the demo and the command line see it."""

from pathlib import Path
from typing import Any

import msgspec

from infra.stage import load
from spillway.errors import SpillwayError
from spillway.run.loopback import http_client
from spillway.run.proxy import Proxy
from spillway.run.stack.aws import client
from spillway.run.stack.deployment import STAGE
from spillway.run.stack.fakes import Fakes
from spillway.run.stack.folder import StackFolder, running_ports
from spillway.run.stack.keys import Keys, SigningKey
from spillway.run.stack.processes import children
from spillway.run.stack.users import USERS, Pool

_NOT_FOR_SCRIPTS = frozenset(
    {"fakes", "commanded", "emulator_pid", "up_seconds", "pool", "secrets"}
)


class Secrets(msgspec.Struct, frozen=True):
    """What no output shows."""

    keys: Keys
    passwords: dict[str, str]
    proxy_token: str

    def __repr__(self) -> str:
        return "Secrets(...)"


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stack's parts are, and the keys to them.

    `tables` are names: `orders` and one per downstream. `queues` are URLs by name: `inventory`,
    `inventory_dead_letter` and so on, and `relay_dead_letter`. The proxy is between the deployed
    functions and the emulator; `emulator` is reached directly.
    """

    origin: str
    api: str
    console: str
    emulator: str
    proxy_url: str = msgspec.field(name="proxy")
    #: Which fakes they are, where each has its fault settings, and where it takes commands.
    fakes: Fakes = Fakes.CONTRACTS
    downstreams: dict[str, str]
    commanded: dict[str, str]
    region: str
    tables: dict[str, str]
    queues: dict[str, str]
    pid: int
    folder: str = msgspec.field(name="state")
    emulator_pid: int
    up_seconds: float = 0.0
    pool: Pool
    secrets: Secrets

    @property
    def proxy(self) -> Proxy:
        return Proxy(self.proxy_url, self.secrets.proxy_token)

    @property
    def state(self) -> Path:
        """The folder with its logs."""
        return Path(self.folder)

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    @property
    def receipt_key(self) -> SigningKey:
        return self.secrets.keys.receipt

    @property
    def price_key(self) -> SigningKey | None:
        """The pricing engine's; None where the stage takes no price signatures."""
        return self.secrets.keys.price if load(STAGE).price_keys_parameter else None

    def endpoints(self) -> dict[str, Any]:
        """Everything a script needs, as a JSON object without secrets."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in fields.items() if name not in _NOT_FOR_SCRIPTS}

    def client(self, service: str, config: Any = None) -> Any:
        """A boto3 client of the emulator, safe to use from several threads."""
        return client(self.emulator, service, config)

    def token(self, user: str) -> str:
        """A new access token of one of USERS: a JWT, valid for 1 h."""
        if user not in USERS:
            raise SpillwayError(f"There is no user {user!r}: choose one of {', '.join(USERS)}.")
        return self.pool.token(user, self.password(user))

    def password(self, user: str) -> str:
        """What `<user>@example.com` signs in with at the storefront."""
        return self.secrets.passwords[user]

    def fault_settings(self, downstream: str) -> dict[str, Any]:
        """How a downstream's fake misbehaves at present; see `simulation.downstreams`."""
        return self._fault_settings("GET", downstream)

    def set_fault_settings(self, downstream: str, **changes: Any) -> dict[str, Any]:
        """Change some fault settings of a downstream, leave the others, and return them all."""
        return self._fault_settings(
            "PUT", downstream, {**self.fault_settings(downstream), **changes}
        )

    def tell_of_parcel(self, **news: Any) -> dict[str, Any]:
        """Have fulfilment's fake tell what became of a parcel: the fields of
        `simulation.downstreams.parcels.News`. Returns the message that was taken."""
        return self._ask_fake("POST", "fulfilment", "parcels", news, "Fulfilment did not tell it")

    def _fault_settings(self, method: str, downstream: str, content: Any = None) -> dict[str, Any]:
        refused = f"The fault settings of {downstream} were refused"
        return self._ask_fake(method, downstream, "fault-settings", content, refused)

    def _ask_fake(
        self, method: str, downstream: str, path: str, content: Any, refused: str
    ) -> dict[str, Any]:
        with http_client() as http:
            answer = http.request(
                method,
                f"{self.downstreams[downstream]}/{path}",
                headers={"x-api-key": self.secrets.keys.api_keys[downstream]},
                json=content,
            )
        document: dict[str, Any] = answer.json()
        if not answer.is_success:
            raise SpillwayError(f"{refused}: {document['detail']}")
        return document

    def worker_pids(self) -> list[int]:
        """The processes that run Lambda functions at present."""
        return [
            pid for pid, command in children(self.emulator_pid).items() if "_worker.py" in command
        ]


def attach(port: int) -> Stack:
    """The stack that another process runs on `port`."""
    folder = StackFolder(port)
    if folder.owner() is None:
        others = " or ".join(f"--port {other}" for other in running_ports())
        use = f"name the one that runs with {others}, or " if others else ""
        raise SpillwayError(
            f"No stack runs on port {port}: {use}start one with `spillway up --port {port}`."
        )
    published = folder.published()
    if published is None:
        raise SpillwayError(f"The stack on port {port} is still starting: try again in a moment.")
    return msgspec.json.decode(published, type=Stack)
