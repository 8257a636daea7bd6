"""Listening sockets on the loopback interface."""

import errno
import socket

from spillway.errors import SpillwayError

LOOPBACK = "127.0.0.1"
#: Where a stack's origin is, unless another port is named.
DEFAULT_PORT = 8080


def port_option(port: int) -> str:
    """What says on a command line which stack is meant, with a space before it."""
    return "" if port == DEFAULT_PORT else f" --port {port}"


def listen(port: int) -> socket.socket:
    """A socket that listens on `port` of the loopback interface; 0 lets the system choose."""
    # The protocol by its name: asyncio switches Nagle's algorithm off only where it knows it, and
    # Nagle together with delayed acknowledgements adds 40 ms to every answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Else a port stays unusable for a minute after the former stack's last connection.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise SpillwayError(_why_not(port, error)) from error
    listener.listen(1024)
    return listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def free_port() -> int:
    """A port that was free a moment ago, for a child that needs a number."""
    with listen(0) as listener:
        return port_of(listener)


def _why_not(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program: choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} is reserved for administrators: choose one above 1023 with --port."
    return f"Port {port} cannot be used ({error.strerror}): choose another with --port."
