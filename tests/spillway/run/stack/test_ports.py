"""Listening sockets: on the loopback interface only, and a sentence when there is none to have."""

import pytest

from spillway.errors import SpillwayError
from spillway.run.stack.ports import free_port, listen, port_of


def test_the_system_chooses_a_port_on_the_loopback_interface() -> None:
    with listen(0) as listener:
        assert listener.getsockname() == ("127.0.0.1", port_of(listener))


def test_the_error_for_a_taken_port_names_the_next_step() -> None:
    with listen(0) as listener:
        port = port_of(listener)
        with pytest.raises(SpillwayError) as refusal:
            listen(port)
    assert str(refusal.value) == (
        f"Port {port} is taken by another program: choose another with --port."
    )


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()
    with listen(port) as listener:
        assert port_of(listener) == port
