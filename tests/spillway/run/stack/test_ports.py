"""Listening sockets: on the loopback interface only, and a sentence when there is none to have."""

import asyncio
import socket

import pytest

from spillway.errors import SpillwayError
from spillway.run.stack.ports import LOOPBACK, free_port, listen, port_of


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


def test_an_answer_is_not_held_back_until_there_is_more_to_send() -> None:
    """Nagle's algorithm together with delayed acknowledgements would add 40 ms to each answer."""

    async def no_delay() -> int:
        accepted = asyncio.get_running_loop().create_future()
        listener = listen(0)
        server = await asyncio.start_server(lambda _, one: accepted.set_result(one), sock=listener)
        async with server:
            _, writer = await asyncio.open_connection(LOOPBACK, port_of(listener))
            server_side = await accepted
            connection: socket.socket = server_side.get_extra_info("socket")
            option = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for side in (writer, server_side):
                side.close()
        return option

    assert asyncio.run(no_delay()) == 1
