"""Bytes go to the kernel past the transport while nothing waits there: order, slow readers, lost connections, TLS."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from hub.channels import Channel
from hub.joined_writes import joined_writes
from hub.wire import text_frame
from tests.hub.raw_client import PATIENCE, RawClient
from tests.hub.sockets import Echo, EchoClient, Running, serving


class Follower:
    """A member of a channel, for the socket of an echo client."""

    def __init__(self, echo: Echo) -> None:
        self.outlet: Any = echo.socket

    def send_signal(self, frame: bytes) -> None:
        """As any other."""
        self.outlet.send_frame(frame)


def in_server(running: Running, work: Callable[[], Awaitable[None]]) -> None:
    """Have the server's loop do it, and wait."""

    async def run() -> None:
        await work()

    asyncio.run_coroutine_threadsafe(run(), running.loop).result(PATIENCE)


def channel_of(clients: Sequence[EchoClient]) -> Channel:
    """A channel that they follow. Made in the server's loop."""
    channel = Channel("board:x", 8, lambda _: None, joined_writes())
    for client in clients:
        channel.join(Follower(client.handler), [])
    return channel


def numbered(number: int, size: int) -> bytes:
    return b"%08d" % number + b"x" * (size - 8)


@pytest.fixture(params=["asyncio", "uvloop"])
def own(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server for one test."""
    with serving(request.param) as running:
        yield running


@pytest.mark.parametrize("size", [300, 40_000])
def test_what_the_kernel_takes_in_part_arrives_whole_and_in_order(own: Running, size: int) -> None:
    """Frames of the socket and of its channel in turn, a turn of the loop for two or for each, to who reads late."""
    client = own.connect()
    times = 400

    async def write() -> None:
        channel = channel_of([client])
        for number in range(times):
            if number % 3:
                channel.broadcast(numbered(number, size))
            else:
                client.handler.socket.send(numbered(number, size))
            if number % 2:
                await asyncio.sleep(0)

    in_server(own, write)
    is_congested = not client.handler.congested.empty()
    assert is_congested is (size > 1000)
    for number in range(times):
        assert client.text() == numbered(number, size)
    if is_congested:
        assert client.handler.drained_at.get(timeout=PATIENCE) < 65_536

    # It has caught up, and is written to as before.
    in_server(own, write)
    for number in range(times):
        assert client.text() == numbered(number, size)


def test_a_connection_lost_in_the_middle_leaves_the_others_alone(own: Running) -> None:
    """The number of its socket is soon another's, who must not get what was meant for the one that is gone."""
    lost, kept = own.connect(), own.connect()
    channels: list[Channel] = []

    async def write(first: int = 0) -> None:
        if not channels:
            channels.append(channel_of([lost, kept]))
        for number in range(first, first + 50):
            channels[0].broadcast(numbered(number, 20_000))
            await asyncio.sleep(0)

    in_server(own, write)
    lost.reset()
    assert lost.told() == 1006
    newcomers = [own.connect() for _ in range(5)]
    in_server(own, lambda: write(50))
    for newcomer in newcomers:
        newcomer.send_frame(Opcode.TEXT, b"mine")
        assert newcomer.text() == b"mine"
        newcomer.close()
    for number in range(100):
        assert kept.text() == numbered(number, 20_000)
    kept.close()


def test_nothing_follows_a_close_frame(own: Running) -> None:
    """What was broadcast before comes before it, what is broadcast after it does not come."""
    client = own.connect()

    async def write() -> None:
        channel = channel_of([client])
        channel.broadcast(b"before")
        client.handler.socket.close(4101)
        channel.broadcast(b"after")

    in_server(own, write)
    assert client.text() == b"before"
    assert client.closing()[0] == 4101


def test_a_reader_that_overflows_may_leave_while_it_is_written_to(
    own: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sessions do; it gets what was written before, and nothing after."""
    slow, quick = own.connect(), own.connect()

    async def write() -> None:
        channel = channel_of([slow, quick])
        monkeypatch.setattr(slow.handler, "backpressure", lambda _: channel.members.clear())
        for number in range(1000):
            if not channel.members:
                break
            channel.broadcast(numbered(number, 40_000))
            await asyncio.sleep(0)
        assert not channel.members

    in_server(own, write)
    slow.send_frame(Opcode.TEXT, b"end")
    number = 0
    while (text := slow.text()) != b"end":
        assert text == numbered(number, 40_000)
        number += 1
    assert number > 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_with_tls_nothing_goes_past_the_transport(loop: str, tmp_path: Path) -> None:
    """Else it would be in clear text on the wire."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with serving(loop, ssl_keyfile=str(key), ssl_certfile=str(certificate)) as running:
        client = EchoClient.__new__(EchoClient)
        RawClient.__init__(client, running.port)
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        client.socket = context.wrap_socket(client.socket)
        client.stream = client.socket.makefile("rb")
        assert client.request("/echo").startswith(b"HTTP/1.1 101 ")
        client.handler = running.application.opened.get(timeout=PATIENCE)

        async def write() -> None:
            channel = channel_of([client])
            for number in range(10):
                channel.broadcast(numbered(number, 300))
                await asyncio.sleep(0)

        in_server(running, write)
        for number in range(10):
            assert client.text() == numbered(number, 300)
        client.close()


def test_frames_of_a_turn_are_one_write(own: Running) -> None:
    """Of the channel, that is: counted in bytes, they are all there."""
    client = own.connect()

    async def write() -> None:
        before = joined_writes().bytes_written
        channel = channel_of([client])
        for number in range(5):
            channel.broadcast(numbered(number, 300))
        await asyncio.sleep(0)
        assert joined_writes().bytes_written - before == 5 * len(text_frame(numbered(0, 300)))

    in_server(own, write)
    for number in range(5):
        assert client.text() == numbered(number, 300)
