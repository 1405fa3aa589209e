"""The life of a socket on the real server: writing, slow readers, failures, signs of life, the end."""

import logging
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from hub.transport import SocketProtocol, text_frame
from tests.hub.raw_client import PATIENCE, RawClient, client_frame
from tests.hub.sockets import EchoClient, Running, serving

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


class Brisk(SocketProtocol):
    """Does not wait long for the answer to a close frame."""

    __slots__ = ()
    close_seconds = 0.1


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_text_frame_is_what_the_library_writes(size: int) -> None:
    """Our fast path and the reference agree, byte for byte."""
    payload = os.urandom(size)
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_what_is_sent_in_one_turn_arrives_whole_and_in_order(client: EchoClient) -> None:
    """Far more frames than one system call takes, and more bytes than the kernel does."""
    client.send_frame(Opcode.TEXT, b"flood 300 20000")
    for number in range(20_000):
        assert client.text() == b"%08d" % number + b"x" * 292
    assert client.handler.congested.get(timeout=PATIENCE) > 65_536
    assert client.handler.drained_at.get(timeout=PATIENCE) < 65_536


def congest(client: EchoClient) -> int:
    """Make the server write more than the kernel takes, and read nothing; the bytes that wait."""
    client.send_frame(Opcode.TEXT, b"flood 60000 200")
    return client.handler.congested.get(timeout=PATIENCE)


def measure(client: EchoClient) -> int:
    """Bytes that wait now."""
    client.send_frame(Opcode.TEXT, b"measure")
    return client.handler.measured.get(timeout=PATIENCE)


def test_backpressure_is_told_for_as_long_as_it_lasts(client: EchoClient) -> None:
    """Each turn that writes more tells how much waits: the application can act at a limit of its own."""
    first = congest(client)
    client.send_frame(Opcode.TEXT, b"flood 60000 10")
    assert client.handler.congested.get(timeout=PATIENCE) >= first + 500_000
    assert client.handler.drained_at.empty()
    for _ in range(210):
        client.text()
    assert client.handler.drained_at.get(timeout=PATIENCE) < 65_536
    assert measure(client) == 0


def test_a_client_that_pings_and_does_not_read_gets_no_pongs(client: EchoClient) -> None:
    """They would fill our memory."""
    congest(client)
    before = measure(client)
    for _ in range(100):
        client.send(client_frame(Opcode.PING, b"x" * 125) * 100)
    assert measure(client) <= before


@LOOPS
def test_a_reader_that_does_not_read_is_cut_off(loop: str) -> None:
    """The close frame waits behind megabytes; after the time for closing the connection is dropped."""
    with serving(loop, Brisk) as running:
        client = running.connect()
        congest(client)
        client.send_frame(Opcode.TEXT, b"close 4101")
        assert client.told() == 4101
        assert client.handler.socket.is_open is False
        running.await_no_connections()
        received = client.stream.read()
        assert 0 < len(received) < 200 * 60_000
        assert (4101).to_bytes(2) not in received
        client.close()


def test_a_close_ends_what_may_be_sent_and_cuts_its_reason(client: EchoClient) -> None:
    """A reason has 123 bytes at most; what is sent after the close is dropped."""
    client.send_frame(Opcode.TEXT, b"close 4003")
    code, reason = client.closing()
    assert code == 4003
    assert reason == ("as told, " * 50)[:123]
    assert client.told() == 4003
    assert client.handler.socket.queued == 0


@LOOPS
def test_a_close_that_is_not_answered_ends_all_the_same(loop: str) -> None:
    """After the time for closing."""
    with serving(loop, Brisk) as running:
        client = running.connect()
        client.send_frame(Opcode.TEXT, b"close 4200")
        assert bytes(client.frame().data[:2]) == (4200).to_bytes(2)
        assert client.stream.read() == b""
        assert client.told() == 4200
        client.close()


def test_what_a_handler_raises_ends_its_own_socket_only(
    running: Running, client: EchoClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its place and without its words."""
    failing = running.connect()
    with caplog.at_level(logging.ERROR):
        failing.send_frame(Opcode.TEXT, b"fail patient-words")
        assert failing.closing()[0] == 1011
    assert failing.told() == 1011
    assert "sockets.py" in caplog.text
    assert "ValueError" in caplog.text
    assert "patient-words" not in caplog.text
    client.send_frame(Opcode.TEXT, b"still here")
    assert client.text() == b"still here"


@LOOPS
def test_a_quiet_client_that_answers_pings_lives(loop: str) -> None:
    """It is asked for a sign of life again and again."""
    with serving(loop, ws_ping_interval=0.05, ws_ping_timeout=60) as running:
        client = running.connect()
        for _ in range(3):
            ping = client.frame()
            assert ping.opcode is Opcode.PING
            client.send_frame(Opcode.PONG, bytes(ping.data))
        client.send_frame(Opcode.CLOSE, b"\x03\xe8")
        assert client.told() == 1000
        client.close()


@LOOPS
def test_a_client_that_answers_no_ping_is_dropped(loop: str) -> None:
    """And told so, in case it only slept."""
    with serving(loop, ws_ping_interval=0.05, ws_ping_timeout=0.05) as running:
        client = running.connect()
        assert client.frame().opcode is Opcode.PING
        assert client.closing()[0] == 4202
        assert client.told() == 4202


@LOOPS
def test_the_end_of_the_server(loop: str) -> None:
    """Sockets are closed with 1012, handshakes that wait are refused, and the process ends."""
    with serving(loop) as running:
        clients = [running.connect() for _ in range(20)]
        waiting = RawClient(running.port)
        waiting.send_request("/later")
        for _ in range(21):
            running.application.requests.get(timeout=PATIENCE)
        running.server.should_exit = True
        for client in clients:
            assert client.closing()[0] == 1012
            assert client.told() == 1012
        assert waiting.head().startswith(b"HTTP/1.1 503 ")
        waiting.close()
    assert running.server.server_state.connections == set()


FRAMES = st.builds(
    client_frame,
    st.integers(0, 15),
    st.binary(max_size=200),
    fin=st.booleans() | st.just(value=True),
    rsv=st.sampled_from([0] * 9 + [1, 2, 4]),
    mask=st.booleans() | st.just(value=True),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(shake=st.booleans() | st.just(value=True), junk=st.lists(FRAMES | st.binary(max_size=300), max_size=8))
def test_no_bytes_take_the_server_down(running: Running, shake: bool, junk: list[bytes]) -> None:
    """Frames and rubbish, before and after the handshake: the socket ends once, and the next one works."""
    client = running.connect() if shake else RawClient(running.port)
    try:
        for data in junk:
            client.send(data)
        client.socket.shutdown(socket.SHUT_WR)
        client.stream.read()
    except OSError:
        assert junk
    client.close()
    if isinstance(client, EchoClient):
        client.told()
    sound = running.connect()
    sound.send_frame(Opcode.TEXT, b"sound")
    assert sound.text() == b"sound"
    sound.close()
