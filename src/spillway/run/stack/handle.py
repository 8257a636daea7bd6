"""A running stack as tests, the demo and the command line see it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spillway.errors import SpillwayError
from spillway.run.stack.folder import StackFolder
from spillway.run.stack.keys import Keys, ReceiptKey
from spillway.run.stack.processes import children

if TYPE_CHECKING:
    from spillway.run.proxy import Proxy
    from spillway.run.stack.users import Pool


@dataclass(frozen=True)
class Stack:
    """Where a stack's parts are, and the keys to them.

    `tables` are names: `orders` and one per downstream. `queues` are URLs by name:
    `inventory`, `inventory_dead_letter` and so on, and `relay_dead_letter`. `proxy` stands
    between the deployed functions and the emulator; `emulator` is reached directly.
    """

    origin: str
    api: str
    console: str
    emulator: str
    proxy: "Proxy"
    downstreams: dict[str, str]
    region: str
    tables: dict[str, str]
    queues: dict[str, str]
    pid: int
    emulator_pid: int
    state: Path
    up_seconds: float
    _published: dict[str, Any] = field(repr=False)
    _keys: Keys = field(repr=False)
    _passwords: dict[str, str] = field(repr=False)

    @property
    def port(self) -> int:
        """The origin's port."""
        return int(self.origin.rpartition(":")[2])

    @property
    def receipt_key(self) -> ReceiptKey:
        """What receipts are signed with."""
        return self._keys.receipt

    def api_key(self, downstream: str) -> str:
        """What a downstream wants in `x-api-key`."""
        return self._keys.api_keys[downstream]

    def endpoints(self) -> dict[str, Any]:
        """Everything a script needs, as a JSON object without secrets."""
        shown = (
            "origin",
            "api",
            "console",
            "emulator",
            "proxy",
            "downstreams",
            "region",
            "tables",
            "queues",
            "pid",
            "state",
        )
        return {name: self._published[name] for name in shown}

    def client(self, service: str, config: Any = None) -> Any:
        """A boto3 client of the emulator, safe to use from several threads."""
        from spillway.run.stack.aws import client

        return client(self.emulator, service, config)

    def token(self, user: str) -> str:
        """A new access token of `shopper`, `other` or `wholesale`: a JWT, valid for 1 h.

        Raises SpillwayError when there is no such user.
        """
        from spillway.run.stack.users import USERS

        if user not in USERS:
            raise SpillwayError(f"There is no user {user!r}: choose one of {', '.join(USERS)}.")
        return self.pool.token(user, self._passwords[user])

    @property
    def pool(self) -> "Pool":
        """Where its customers are."""
        from spillway.run.stack.users import Pool

        pool = self._published["user_pool"]
        return Pool(self.emulator, pool["id"], pool["client_id"])

    def password(self, user: str) -> str:
        """What `<user>@example.com` signs in with at the storefront."""
        return self._passwords[user]

    def fault_settings(self, downstream: str) -> dict[str, Any]:
        """How a downstream's fake misbehaves at present; see `simulation.downstreams`."""
        return self._fault_settings("GET", downstream)

    def set_fault_settings(self, downstream: str, **changes: Any) -> dict[str, Any]:
        """Change some fault settings of a downstream, leave the others, and return them all."""
        return self._fault_settings(
            "PUT", downstream, {**self.fault_settings(downstream), **changes}
        )

    def _fault_settings(self, method: str, downstream: str, content: Any = None) -> dict[str, Any]:
        import httpx

        with httpx.Client(trust_env=False) as client:
            answer = client.request(
                method,
                f"{self.downstreams[downstream]}/fault-settings",
                headers={"x-api-key": self.api_key(downstream)},
                json=content,
            )
        if not answer.is_success:
            raise SpillwayError(f"The fault settings of {downstream} were refused: {answer.text}")
        fault_settings: dict[str, Any] = answer.json()
        return fault_settings

    def worker_pids(self) -> list[int]:
        """The processes that run Lambda functions at present."""
        return [
            pid for pid, command in children(self.emulator_pid).items() if "_worker.py" in command
        ]


def attach(port: int) -> Stack:
    """The stack that another process runs on `port`.

    Raises SpillwayError when none does, or it is not ready yet.
    """
    folder = StackFolder(port)
    if folder.owner() is None:
        raise SpillwayError(
            f"No stack runs on port {port}: start one with `spillway up --port {port}`."
        )
    state = folder.state()
    if state is None:
        raise SpillwayError(f"The stack on port {port} is still starting: try again in a moment.")
    return _stack(state, folder.secrets())


def _stack(state: dict[str, Any], secrets: dict[str, Any]) -> Stack:
    # Here, so that the command line's help does not wait for it.
    from spillway.run.proxy import Proxy

    return Stack(
        origin=state["origin"],
        api=state["api"],
        console=state["console"],
        emulator=state["emulator"],
        proxy=Proxy(state["proxy"], secrets["proxy_token"]),
        downstreams=state["downstreams"],
        region=state["region"],
        tables=state["tables"],
        queues=state["queues"],
        pid=state["pid"],
        emulator_pid=state["emulator_pid"],
        state=Path(state["state"]),
        up_seconds=state["up_seconds"],
        _published=state,
        _keys=Keys.from_json(secrets["keys"]),
        _passwords=secrets["passwords"],
    )
