"""Mutual TLS with a server that demands a certificate, both made here."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orders.domain.units import Millis
from orders.downstream.certificates import CertifiedPool, days_left, not_after
from orders.downstream.proofs import NoProof
from orders.downstream.transport import Call, Https
from orders.failures import Misconfigured, TransientFailure
from orders.wiring import SystemClock
from tests.orders.downstream.servers import Answering, answering

TODAY = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Secret:
    value: str
    renewed: str | None = None

    def text(self) -> str:
        return self.value

    def renew(self) -> bool:
        if self.renewed is None:
            return False
        self.value, self.renewed = self.renewed, None
        return True


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def with_key(self, password: bytes | None = None) -> str:
        hidden: Any = (
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password)
        )
        form = serialization.PrivateFormat.PKCS8
        return self.pem + self.key.private_bytes(serialization.Encoding.PEM, form, hidden).decode()


def issued(name: str, by: Issued | None = None, days: int = 60) -> Issued:
    """An authority, or what it has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if by is None else by.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - timedelta(days=100))
        .not_valid_after(TODAY + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=by is None,
                crl_sign=by is None,
                **dict.fromkeys(
                    (
                        "content_commitment",
                        "key_encipherment",
                        "data_encipherment",
                        "key_agreement",
                        "encipher_only",
                        "decipher_only",
                    ),
                    False,
                ),
            ),
            critical=True,
        )
    )
    return Issued(builder.sign(signer, hashes.SHA256()), key)


@cache
def authority() -> Issued:
    return issued("Company CA")


@cache
def ours() -> Issued:
    return issued("spillway", authority())


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Answering]:
    file = tmp_path / "server.pem"
    file.write_text(issued("127.0.0.1", authority()).with_key())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = tls.maximum_version = request.param
    tls.load_cert_chain(file)
    tls.load_verify_locations(cadata=authority().pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    with answering(lambda _asked: (201, {}, b"{}"), tls) as told:
        yield told


def pool(
    certificate: Secret | None, authorities: Secret | None, loaded: list[Millis] | None = None
) -> CertifiedPool:
    told = [] if loaded is None else loaded
    return CertifiedPool(urllib3.PoolManager, told.append, certificate, authorities)


def status_of(server: Answering, pool: CertifiedPool) -> int:
    send = Https(pool, NoProof(), SystemClock(), 5.0)
    return send(Call("POST /holds", "POST", f"{server.url}/holds", {}, b"{}")).status


def turned_away(server: Answering) -> AbstractContextManager[Any]:
    """In TLS 1.3 the handshake is over for us by then, and a server that hangs up while we write
    may be all that we see."""
    if server.tls is not None and server.tls.maximum_version is ssl.TLSVersion.TLSv1_2:
        says = r"POST /holds: it ended the TLS handshake \(.*alert"
        return pytest.raises(Misconfigured, match=says)
    return pytest.raises(TransientFailure, match="POST /holds: ")


def test_the_server_takes_our_certificate_and_we_take_its_own(
    server: Answering, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, loaded = list(tmp_path.iterdir()), list[Millis]()
    shown = pool(Secret(ours().with_key()), Secret(authority().pem), loaded)
    assert [status_of(server, shown) for _ in range(2)] == [201, 201]
    assert len(server.asked) == 2
    assert loaded == [Millis(round((TODAY + timedelta(days=60)).timestamp() * 1000))]
    assert list(tmp_path.iterdir()) == before


def test_the_key_is_in_a_file_that_others_cannot_read_and_gone_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, certfile: Any, *args: Any, **named: Any) -> None:
            seen.append(Path(certfile).stat().st_mode & 0o777)
            super().load_cert_chain(certfile, *args, **named)

    monkeypatch.setattr(ssl, "create_default_context", lambda **_: Context(ssl.PROTOCOL_TLS_CLIENT))
    for text in (ours().with_key(), ours().pem):
        try:
            pool(Secret(text), None).current()
        except Misconfigured:
            assert text == ours().pem
    assert seen == [0o600, 0o600]
    assert list(tmp_path.iterdir()) == []


def test_without_our_certificate_the_server_ends_the_handshake(server: Answering) -> None:
    with turned_away(server):
        status_of(server, pool(None, Secret(authority().pem)))
    assert server.asked == []


def test_a_certificate_that_was_replaced_is_shown_at_the_next_try(server: Answering) -> None:
    another = issued("spillway", issued("Another CA"))
    shown = pool(Secret(another.with_key(), ours().with_key()), Secret(authority().pem))
    with turned_away(server):
        status_of(server, shown)
    assert status_of(server, shown) == 201


def test_a_server_that_another_authority_signed_is_not_spoken_to(server: Answering) -> None:
    for authorities in (None, Secret(issued("Company CA").pem)):
        with pytest.raises(Misconfigured, match="its certificate is not valid"):
            status_of(server, pool(Secret(ours().with_key()), authorities))
    assert server.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        lambda: ours().pem,
        lambda: ours().pem + issued("x").with_key().partition("-----END CERTIFICATE-----\n")[2],
        # It would be asked for at a terminal that nobody sits at.
        lambda: ours().with_key(b"password"),
    ],
)
def test_what_is_no_certificate_with_its_key_is_a_mistake_of_ours(text: Any) -> None:
    certificate = Secret(text if isinstance(text, str) else text())
    with pytest.raises(Misconfigured, match=r"client certificate"):
        pool(certificate, None).current()


def test_what_is_no_authority_is_a_mistake_of_ours() -> None:
    with pytest.raises(Misconfigured, match="authorities"):
        pool(None, Secret("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")).current()


@pytest.mark.parametrize("days", [1, 60, 400 * 365 // 10])
def test_the_end_of_a_certificate_is_read(days: int) -> None:
    """Before 2050 and after: they are written in two forms."""
    ends = TODAY + timedelta(days=days)
    assert not_after(issued("x", days=days).with_key()) == round(ends.timestamp() * 1000)


def test_the_end_is_told_of_a_month_before() -> None:
    day = 24 * 60 * 60 * 1000
    assert days_left(Millis(30 * day), Millis(0)) is None
    assert days_left(Millis(30 * day - 1), Millis(0)) == 29
    assert days_left(Millis(0), Millis(1)) == -1


@pytest.mark.parametrize("cut", [10, 40, 100])
def test_a_certificate_that_is_cut_off_is_none(cut: int) -> None:
    der = ours().certificate.public_bytes(serialization.Encoding.DER)[:cut]
    with pytest.raises(Misconfigured, match="no certificate in PEM"):
        not_after(ssl.DER_cert_to_PEM_cert(der))
