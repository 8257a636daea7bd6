"""Connections on which a downstream sees our certificate (mutual TLS), or shows one of an authority
that is not public. Only a stage that has either imports this.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3
from urllib3.exceptions import ProtocolError, SSLError

from orders.domain.units import Millis
from orders.downstream.proofs import Secret
from orders.failures import Misconfigured

#: So long before its end it is told of: what a company's own authority takes to sign another, and
#: a person to ask for it.
TOLD_BEFORE_DAYS = 30
DAY_MS = 24 * 60 * 60 * 1000

_END = "-----END CERTIFICATE-----"
_SEQUENCE, _CONTEXT_0 = 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18


@dataclass(slots=True)
class CertifiedPool:
    """urllib3's pool, made anew when its certificates are replaced.

    `make` makes one that verifies as usual. `certificate`: ours with its chain, and its private
    key, in PEM. `authorities`: those that may have signed the downstream's instead of the public
    ones, in PEM. `loaded` hears when a certificate of ours ends, each time one is loaded.
    """

    make: Callable[[], urllib3.PoolManager]
    loaded: Callable[[Millis], object]
    certificate: Secret | None = None
    authorities: Secret | None = None
    _of: tuple[str | None, str | None] | None = field(default=None, init=False)
    _pool: urllib3.PoolManager | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def request(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Raises Misconfigured where the certificates are none."""
        pool = self.current()
        try:
            return pool.request(method, url, **options)
        except (SSLError, ProtocolError):
            # A server that does not take ours says so, or hangs up before that has been read (TLS
            # 1.3). Ours may have been replaced: the next try shows the new one.
            for secret in (self.certificate, self.authorities):
                if secret is not None:
                    secret.renew()
            raise

    def current(self) -> urllib3.PoolManager:
        """Raises Misconfigured, TransientFailure."""
        certificate = None if self.certificate is None else self.certificate.text()
        authorities = None if self.authorities is None else self.authorities.text()
        with self._lock:
            if self._pool is None or self._of != (certificate, authorities):
                pool = self.make()
                pool.connection_pool_kw["ssl_context"] = context(certificate, authorities)
                self._pool, self._of = pool, (certificate, authorities)
                if certificate is not None:
                    self.loaded(not_after(certificate))
            return self._pool


def days_left(ends_at: Millis, now: Millis) -> int | None:
    """None where that is so many that nobody need do anything yet."""
    days = (ends_at - now) // DAY_MS
    return days if days < TOLD_BEFORE_DAYS else None


def context(certificate: str | None, authorities: str | None) -> ssl.SSLContext:
    """Each is in PEM, or None. Raises Misconfigured."""
    try:
        made = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise Misconfigured("the downstream's authorities are no certificates in PEM") from error
    if certificate is not None:
        with _in_a_file(certificate) as path:
            try:
                # Without a password a key that needs one would be asked for at the terminal.
                made.load_cert_chain(path, password="")
            except ssl.SSLError as error:
                why = (error.reason or "unreadable").lower()
                raise Misconfigured(
                    f"the client certificate and its key cannot be used ({why})"
                ) from error
    return made


@contextmanager
def _in_a_file(secret: str) -> Iterator[str]:
    """TLS takes them from a file only. It can be read by this process's user alone (mkstemp gives
    it mode 600), and is gone before there is a connection."""
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secret)
        yield path
    finally:
        Path(path).unlink()


def not_after(pem: str) -> Millis:
    """When the first certificate in it ends. Raises Misconfigured where there is none."""
    try:
        first = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(_END) + len(_END)]
        return _not_after(ssl.PEM_cert_to_DER_cert(first))
    except (ValueError, IndexError) as error:
        raise Misconfigured("the client certificate is no certificate in PEM") from error


def _not_after(der: bytes) -> Millis:
    """RFC 5280, section 4.1: Certificate, in it TBSCertificate, whose fields are the version (may
    be left out), serial number, signature algorithm, issuer and validity: two times. Python's ssl
    tells this of a peer's certificate only."""
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    tag, _, after = _element(rest)
    rest = after if tag == _CONTEXT_0 else rest
    for _ in range(3):
        _, _, rest = _element(rest)
    tag, validity, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("no validity")
    _, _, rest = _element(validity)
    tag, time, _ = _element(rest)
    forms = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
    if tag not in forms:
        raise ValueError("no time")
    # Two digits of a year are of 1950 to 2049 there, and of 1969 to 2068 here: no difference for a
    # certificate that has not ended.
    ends = datetime.strptime(time.decode("ascii"), forms[tag]).replace(tzinfo=UTC)
    return Millis(round(ends.timestamp() * 1000))


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """The first element's tag and content, and what follows it. Raises IndexError, ValueError."""
    tag, length, begins = der[0], der[1], 2
    if length & 0x80:
        begins += length & 0x7F
        length = int.from_bytes(der[2:begins])
    if len(der) < begins + length:
        raise ValueError("cut off")
    return tag, der[begins : begins + length], der[begins + length :]
