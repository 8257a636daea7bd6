"""How the old database is reached, and what is said where it is not: in a sentence that tells what
to do, and never with the password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path
from ssl import SSLCertVerificationError, SSLError
from urllib.parse import quote

import msgspec
import pymysql
import pytest

from spillway.errors import SpillwayError
from spillway.migrate.config import Source
from spillway.migrate.old.connection import Account, SourceAway, account, connected, explained, run
from spillway.migrate.old.option_file import options
from spillway.run.stack.ports import LOOPBACK
from tests.spillway.migrate.legacy import Shop
from tests.spillway.migrate.servers import Server, on_every_server

SOURCE = Source(
    table="t", shape="row_per_line", time_zone="UTC", url_variable="OLD", tls="off", database="shop"
)
PASSWORDS = ("s3cret", "p@:/?#[]%&='\"\\ +", "pässwört€🎁", "%41", "a;b#c", " lead")


def of_url(url: str, **source: str) -> Account:
    return account(msgspec.structs.replace(SOURCE, **source), {"OLD": url})


@pytest.mark.parametrize("password", PASSWORDS)
def test_every_password_can_be_said_in_a_url(password: str) -> None:
    known = of_url(f"mysql://u:{quote(password, safe='')}@h:3307/shop")
    assert (known.user, known.password, known.host, known.port) == ("u", password, "h", 3307)
    assert known.settings()["password"] == password.encode()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:s3#cret@h/d",
        "mysql://u:s3/cret@h/d",
        "mysql://u:s3?cret@h/d",
        "mysql://u:12/s3cret@h/d",
        "mysql://u:s3[cret@h/d",
        "mysql://u:s3%FFcret@h/d",
        "mysql://u:s3cret@h/d#s3cret",
        "mysql://u:s3cret@h/d/s3cret",
        "mysql://u:s3cret@h:99999/d",
        "mysql://u:s3\tcret@h/d",
        "postgres://u:s3cret@h/d",
        "s3cret",
    ],
)
def test_a_url_with_a_raw_password_is_told_to_be_encoded_and_not_repeated(url: str) -> None:
    with pytest.raises(SpillwayError, match="percent-encoded") as error:
        of_url(url)
    assert "cret" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_socket_has_no_certificate_to_check() -> None:
    known = of_url("mysql://u:p@localhost/shop?socket=/run/my+sql.sock", tls="verify")
    assert (known.unix_socket, known.ssl) == ("/run/my+sql.sock", None)
    assert of_url("mysql://u:p@localhost/shop", tls="verify").ssl is not None
    with pytest.raises(SpillwayError, match="socket="):
        of_url("mysql://u:p@h/shop?ssl-mode=REQUIRED")


def written(folder: Path, text: str) -> Path:
    file = folder / "my.cnf"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("password=plain", "plain"),
        ("  password  =  spaced out  ", "spaced out"),
        ("password = root # not a part of it", "root"),
        ("password = 'a # b' # c", "a # b"),
        ('password = "a\\"b # c"', 'a"b # c'),
        ("password=a\\nb\\tc\\sd\\\\e\\xf", "a\nb\tc d\\e\\xf"),
        ('password = "it\'s"', "it's"),
        ("password = pässwört€", "pässwört€"),
        ("password = a=b", "a=b"),
        ("password", ""),
        ("loose-password = x", "x"),
    ],
)
def test_a_line_of_an_option_file_is_read_as_the_client_reads_it(
    tmp_path: Path, line: str, value: str
) -> None:
    file = written(tmp_path, f"# a comment\n; another\n[mysqld]\npassword = no\n[client]\n{line}\n")
    assert options(file) == {"password": value}


def test_an_option_file_includes_others_and_the_last_value_counts(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b.cnf").write_text("[client-server]\nport = 2\n")
    (tmp_path / "d" / "a.cnf").write_text("[mysql]\nport = 1\nssl\n")
    (tmp_path / "d" / "not-one.txt").write_text("[client]\nport = 9\n")
    (tmp_path / "one.cnf").write_text("[client]\nuser = u\nssl-ca = x\n")
    file = written(tmp_path, f"!include {tmp_path}/one.cnf\n!includedir {tmp_path / 'd'}\n")
    assert options(file) == {"user": "u", "ssl_ca": "x", "port": "2", "ssl": ""}
    known = account(msgspec.structs.replace(SOURCE, url_variable=None, option_file=str(file)), {})
    assert (known.user, known.port) == ("u", 2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user = x\n", "line 1 is in no"),
        ("!use x\n", "directive !use"),
        ("!include {folder}/my.cnf\n", "include each other"),
        ("!include {folder}/none.cnf\n", "none.cnf cannot be read"),
        ("[client]\npassword = x\n", "no user"),
        ("[client]\nuser = x\nport = abc\n", "connection to the old database is wrong"),
        ("[client]\nuser = x\nport = 70000\n", "no port is 70000"),
    ],
)
def test_what_is_wrong_in_an_option_file_is_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    file = written(tmp_path, text.format(folder=tmp_path))
    source = msgspec.structs.replace(SOURCE, url_variable=None, option_file=str(file))
    with pytest.raises(SpillwayError, match=sentence):
        account(source, {})


@pytest.mark.parametrize(
    ("host", "socket"),
    [("", "/s"), ("host=localhost\n", "/s"), ("host=db\n", None), ("protocol=tcp\n", None)],
)
def test_an_option_files_socket_is_only_for_this_machine(
    tmp_path: Path, host: str, socket: str | None
) -> None:
    file = written(tmp_path, f"[client]\nuser=u\nsocket=/s\n{host}")
    source = msgspec.structs.replace(SOURCE, url_variable=None, option_file=str(file))
    assert account(source, {}).unix_socket == socket


def said(error: pymysql.err.MySQLError | RuntimeError) -> SpillwayError:
    known = Account("shop", "u", "s3cret", ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    sentence = explained(error, known)
    assert "{" not in str(sentence)
    return sentence


def over_tls(error: SSLError) -> pymysql.err.OperationalError:
    wrapped = pymysql.err.OperationalError(2003, f"Can't connect to MySQL server on 'h' ({error})")
    wrapped.original_exception = error  # type: ignore[attr-defined]
    return wrapped


def certificate(message: str) -> SSLError:
    error = SSLCertVerificationError(1, "certificate verify failed")
    error.reason, error.verify_message = "CERTIFICATE_VERIFY_FAILED", message
    return error


def protocol(reason: str) -> SSLError:
    error = SSLError(1, "handshake failed")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (over_tls(certificate("self-signed certificate")), "source.tls_ca"),
        (over_tls(certificate("Hostname mismatch, certificate is not valid for 'h'.")), "tunnel"),
        (over_tls(protocol("WRONG_VERSION_NUMBER")), "ssh -L"),
        (over_tls(protocol("UNSUPPORTED_PROTOCOL")), "ssh -L"),
        (pymysql.err.OperationalError(2026, "SSL is required but not supported"), "ssh -L"),
        (pymysql.err.OperationalError(1820, "You must SET PASSWORD"), "password has expired"),
        (pymysql.err.OperationalError(1862, "Your password has expired."), "password has expired"),
        (pymysql.err.OperationalError(4151, "this account is locked"), "ACCOUNT UNLOCK"),
        (pymysql.err.OperationalError(2059, "plugin gssapi not configured"), "IDENTIFIED WITH"),
        (RuntimeError("'pynacl' package is required"), "IDENTIFIED WITH"),
        (pymysql.err.OperationalError(1698, "Access denied for user 'u'"), "IDENTIFIED WITH"),
        (pymysql.err.OperationalError(3159, "insecure transport"), "without TLS"),
        (pymysql.err.OperationalError(1130, "Host '10.0.0.7' is not allowed"), "this machine"),
        (pymysql.err.OperationalError(1129, "Host is blocked"), "FLUSH HOSTS"),
        (pymysql.err.OperationalError(1153, "Got a packet bigger"), "max_allowed_packet"),
        (pymysql.err.OperationalError(1142, "SELECT command denied"), "grants.sql"),
    ],
)
def test_each_way_to_be_refused_says_what_to_do(
    error: pymysql.err.MySQLError | RuntimeError, sentence: str
) -> None:
    assert sentence in str(said(error))
    # Waiting would not help.
    assert not isinstance(said(error), SourceAway)


@pytest.mark.parametrize("code", [1040, 1203, 1317, 2003, 2013, 3032, 3169, 4031])
def test_a_server_that_comes_back_is_waited_for(code: int) -> None:
    assert isinstance(said(pymysql.err.OperationalError(code, "no")), SourceAway)


@contextmanager
def person(shop: Shop, password: str) -> Iterator[Account]:
    """An account of its own on the old server, made as an administrator makes it."""
    shop.run("CREATE USER mover@localhost IDENTIFIED BY %s", (password,))
    try:
        shop.run(f"GRANT SELECT ON {shop.database}.* TO mover@localhost")
        yield Account(shop.database, "mover", password, LOOPBACK, shop.server.port)
    finally:
        shop.run("DROP USER mover@localhost")


@on_every_server
def test_every_password_opens_a_real_server(shop: Shop) -> None:
    for password in PASSWORDS:
        with person(shop, password) as known, connected(known) as connection:
            assert run(connection, "SELECT COUNT(*) FROM orders") == [("0",)]


@on_every_server
def test_a_wrong_password_and_a_wrong_port_are_told_apart(shop: Shop) -> None:
    with person(shop, "right") as known:
        with (
            pytest.raises(SpillwayError, match="does not let mover in") as denied,
            connected(changed(known, password="wrong")),
        ):
            pass
        assert not isinstance(denied.value, SourceAway)
        assert "REQUIRE SSL" in str(denied.value)
        with (
            pytest.raises(SourceAway, match=r"does not answer at 127\.0\.0\.1:1 "),
            connected(changed(known, port=1)),
        ):
            pass


def test_a_certificate_that_is_not_trusted_says_where_to_name_its_authority(
    old_server: Server,
) -> None:
    if old_server.authority is None:
        pytest.skip("SPILLWAY_MYSQL_URL names a server with a certificate of an unknown authority")
    known = Account("mysql", "root", "", LOOPBACK, old_server.port)
    with (
        pytest.raises(SpillwayError, match=r"source\.tls_ca"),
        connected(changed(known, ssl=ssl.create_default_context())),
    ):
        pass
    trusted = ssl.create_default_context(cafile=old_server.authority)
    with (
        pytest.raises(SpillwayError, match="is for another name than localhost"),
        connected(changed(known, host="localhost", ssl=trusted)),
    ):
        pass
    with connected(changed(known, ssl=trusted)) as connection:
        assert run(connection, "SHOW STATUS LIKE 'Ssl_cipher'")[0][1]
