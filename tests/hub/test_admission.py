"""Handshakes take turns with open sockets, and none is forgotten."""

import asyncio
import time

import pytest
from websockets.frames import Opcode

from hub import admission
from hub.admission import TURN_SECONDS, Admission
from tests.hub.raw_client import RawClient
from tests.hub.sockets import serving


async def test_what_is_ready_goes_between_two_handshakes_that_take_their_time() -> None:
    done: list[str] = []
    is_over = asyncio.Event()

    def handshake(name: str) -> None:
        time.sleep(TURN_SECONDS)
        done.append(name)
        if name == "third":
            is_over.set()

    loop = asyncio.get_running_loop()
    gate = Admission(loop)
    assert gate.admit(lambda: handshake("first"))
    assert not gate.admit(lambda: handshake("second"))
    assert not gate.admit(lambda: handshake("third"))
    loop.call_soon(done.append, "message")
    await is_over.wait()
    assert [one for one in done if one != "message"] == ["first", "second", "third"]
    assert done.index("message") < done.index("third")
    await asyncio.sleep(0)
    assert gate.admit(lambda: handshake("later")), "the crowd is gone"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_crowd_comes_in_and_who_has_left_meanwhile_is_no_trouble(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for a turn of its own here; the application is asked about those who are still there."""
    monkeypatch.setattr(admission, "TURN_SECONDS", 1e-9)
    with serving(loop) as running:
        clients = [RawClient(running.port) for _ in range(60)]
        for client in clients:
            client.send_request("/echo")
        for client in clients[::3]:
            client.reset()
        for number, client in enumerate(clients):
            if number % 3:
                assert client.head().startswith(b"HTTP/1.1 101 ")
                client.send_frame(Opcode.TEXT, b"%d" % number)
        for number, client in enumerate(clients):
            if number % 3:
                assert client.text() == b"%d" % number
                client.close()
        running.await_no_connections()
