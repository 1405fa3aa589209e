"""RFC 6455 against the real socket, case by case: framing, fragmentation, control frames, UTF-8, closing."""

import socket

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Opcode
from websockets.sync.client import connect

from tests.hub.raw_client import client_frame
from tests.hub.sockets import EchoClient, Running
from tests.support.web import WAIT_SECONDS

CONT, TEXT, BINARY, CLOSE, PING, PONG = (int(opcode) for opcode in Opcode)
LIMIT = 65_536
FISH = "κόσμε 🐟".encode()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, LIMIT])
def test_a_message_of_each_length_coding_comes_back(client: EchoClient, size: int) -> None:
    """The three codings of length, at their borders (section 5.2)."""
    client.send_frame(TEXT, b"x" * size)
    assert client.text() == b"x" * size


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_frames_may_arrive_in_any_pieces(client: EchoClient, chunk: int) -> None:
    """TCP knows no frames."""
    data = client_frame(TEXT, FISH) + client_frame(PING, b"now") + client_frame(TEXT, b"y" * 200)
    for start in range(0, len(data), chunk):
        client.send(data[start : start + chunk])
    answers = [client.frame() for _ in range(3)]
    assert [bytes(frame.data) for frame in answers if frame.opcode is Opcode.TEXT] == [FISH, b"y" * 200]
    assert [bytes(frame.data) for frame in answers if frame.opcode is Opcode.PONG] == [b"now"]


@pytest.mark.parametrize(
    "code", [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF]
)
def test_characters_at_the_borders_of_utf8_come_back(client: EchoClient, code: int) -> None:
    """Noncharacters as well: they are valid UTF-8 (RFC 3629, section 3)."""
    text = f"<{chr(code)}>".encode()
    client.send_frame(TEXT, text)
    assert client.text() == text


def test_ten_pings_are_ten_pongs_in_their_order_whatever_pongs_come_unasked(client: EchoClient) -> None:
    """Section 5.5.3: a pong that nobody asked for is passed over."""
    for number in range(10):
        client.send_frame(PONG, b"unasked")
        client.send_frame(PING, b"%d" % number)
    answers = [client.frame() for _ in range(10)]
    assert [(frame.opcode, bytes(frame.data)) for frame in answers] == [(Opcode.PONG, b"%d" % n) for n in range(10)]


def test_many_frames_in_one_piece(client: EchoClient) -> None:
    """Each is answered, in order."""
    client.send(b"".join(client_frame(TEXT, b"%d" % n) for n in range(500)))
    assert [client.text() for _ in range(500)] == [b"%d" % n for n in range(500)]


def test_fragments_are_one_message_with_control_frames_between(client: EchoClient) -> None:
    """Section 5.4: control frames may come between the fragments of a message, also empty fragments count."""
    client.send_frame(TEXT, b"one ", fin=False)
    client.send_frame(PING, b"still there?")
    assert bytes(client.frame().data) == b"still there?"
    client.send_frame(CONT, b"", fin=False)
    client.send_frame(CONT, b"two ", fin=False)
    client.send_frame(PONG, b"unasked")
    client.send_frame(CONT, b"three")
    assert client.text() == b"one two three"
    client.send_frame(TEXT, b"next")
    assert client.text() == b"next"


def test_a_character_may_be_split_over_fragments(client: EchoClient) -> None:
    """UTF-8 is that of the message, not of the fragment (section 5.6)."""
    client.send_frame(TEXT, FISH[:1], fin=False)
    for position in range(1, len(FISH) - 1):
        client.send_frame(CONT, FISH[position : position + 1], fin=False)
    client.send_frame(CONT, FISH[-1:])
    assert client.text() == FISH


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        pytest.param([client_frame(TEXT, b"x", mask=False)], 1002, id="unmasked"),
        pytest.param([client_frame(TEXT, b"x", rsv=4)], 1002, id="rsv1 without an extension"),
        pytest.param([client_frame(TEXT, b"x", rsv=2)], 1002, id="rsv2"),
        pytest.param([client_frame(TEXT, b"x", rsv=1)], 1002, id="rsv3"),
        pytest.param([client_frame(PING, b"x", rsv=4)], 1002, id="rsv1 on a ping"),
        *(pytest.param([client_frame(code, b"x")], 1002, id=f"opcode {code}") for code in (3, 4, 5, 6, 7)),
        *(pytest.param([client_frame(code, b"x")], 1002, id=f"opcode {code}") for code in (11, 12, 13, 14, 15)),
        pytest.param([client_frame(PING, b"x" * 126)], 1002, id="ping over 125 bytes"),
        pytest.param([client_frame(PING, b"x", fin=False)], 1002, id="fragmented ping"),
        pytest.param([client_frame(CLOSE, b"\x03\xe8", fin=False)], 1002, id="fragmented close"),
        pytest.param([client_frame(CONT, b"x")], 1002, id="continuation of nothing"),
        pytest.param([client_frame(CONT, b"x", fin=False)], 1002, id="unfinished continuation of nothing"),
        pytest.param([client_frame(TEXT, b"x", fin=False), client_frame(TEXT, b"y")], 1002, id="text inside a text"),
        pytest.param(
            [client_frame(TEXT, b"x", fin=False), client_frame(BINARY, b"y")], 1002, id="binary inside a text"
        ),
        pytest.param(
            [client_frame(TEXT, b"x", fin=False), client_frame(CLOSE, b"\x03\xe8")], 1002, id="close in a text"
        ),
        pytest.param([client_frame(BINARY, b"x")], 1003, id="binary"),
        pytest.param([client_frame(BINARY, b"", fin=False)], 1003, id="binary in fragments"),
        pytest.param([client_frame(TEXT, b"\xff")], 1007, id="not UTF-8"),
        *(
            pytest.param([client_frame(TEXT, b"ok " + bad)], 1007, id=f"not UTF-8: {bad.hex()}")
            for bad in (
                b"\x80",
                b"\xbf",
                b"\xc2",
                b"\xe0\x80\xaf",
                b"\xf0\x80\x80\xaf",
                b"\xc1\xbf",
                b"\xe0\x9f\xbf",
                b"\xf0\x8f\xbf\xbf",
                b"\xf5\x80\x80\x80",
                b"\xf8\x88\x80\x80\x80",
                b"\xfc\x84\x80\x80\x80\x80",
                b"\xfe",
                b"\xff\xff",
                b"\xed\xbf\xbf",
                b"\xed\xad\xbf\xed\xb0\x80",
                b"\xc3\x28",
                b"\xe2\x82\x28",
            )
        ),
        pytest.param([client_frame(TEXT, b"\xed\xa0\x80")], 1007, id="surrogate"),
        pytest.param([client_frame(TEXT, b"\xc0\xaf")], 1007, id="overlong"),
        pytest.param([client_frame(TEXT, b"\xf4\x90\x80\x80")], 1007, id="above U+10FFFF"),
        pytest.param([client_frame(TEXT, FISH[:-1])], 1007, id="cut in a character"),
        pytest.param(
            [client_frame(TEXT, FISH[:2], fin=False), client_frame(CONT, b"\xff")], 1007, id="split, not UTF-8"
        ),
        pytest.param([client_frame(TEXT, b"x" * (LIMIT + 1))], 1009, id="one byte too many"),
        pytest.param([client_frame(TEXT, b"x" * 2_000_000)], 1009, id="two megabytes"),
        pytest.param(
            [client_frame(TEXT, b"x" * LIMIT, fin=False), client_frame(CONT, b"y")], 1009, id="fragments too big"
        ),
        pytest.param([b"\x81\xff" + b"\xff" * 8], 1009, id="a length of 2**64 - 1"),
    ],
)
def test_a_violation_is_closed_with_its_code(client: EchoClient, wire: list[bytes], code: int) -> None:
    """The client reads why, even where it is still sending; the application hears the same code."""
    for data in wire:
        client.send(data)
    assert client.closing()[0] == code
    assert client.told() == code


def test_what_came_before_a_violation_was_heard(client: EchoClient) -> None:
    """A good message in the same packet is answered first."""
    client.send(client_frame(TEXT, b"good") + client_frame(BINARY, b"bad") + client_frame(TEXT, b"ignored"))
    assert client.text() == b"good"
    assert client.closing()[0] == 1003


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe", b"x" * 125])
def test_a_ping_is_answered_with_its_payload(client: EchoClient, payload: bytes) -> None:
    """Section 5.5.2."""
    client.send_frame(PING, payload)
    pong = client.frame()
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, payload)


@pytest.mark.parametrize(
    ("payload", "echoed", "told"),
    [
        (b"", 1005, 1005),
        (b"\x03\xe8", 1000, 1000),
        (b"\x03\xe9bye", 1001, 1001),
        *((code.to_bytes(2), code, code) for code in (1002, 1003, 1007, 1008, 1009, 1010, 1011, 3999, 4000)),
        *((code.to_bytes(2), 1002, 1002) for code in (1016, 1100, 2000)),
        (b"\x03\xe8" + b"x" * 123, 1000, 1000),
        (b"\x0b\xb8", 3000, 3000),
        (b"\x13\x87" + FISH, 4999, 4999),
        (b"\x03", 1002, 1002),
        (b"\x00\x00", 1002, 1002),
        (b"\x03\xe7", 1002, 1002),
        (b"\x03\xec", 1002, 1002),
        (b"\x03\xed", 1002, 1002),
        (b"\x03\xee", 1002, 1002),
        (b"\x03\xf8", 1002, 1002),
        (b"\x0b\xb7", 1002, 1002),
        (b"\x13\x88", 1002, 1002),
        (b"\xff\xff", 1002, 1002),
        (b"\x03\xe8\xff", 1007, 1007),
    ],
)
def test_a_close_is_answered(client: EchoClient, payload: bytes, echoed: int, told: int) -> None:
    """A valid code comes back, one that may not be on the wire is a violation (section 7.4)."""
    client.send_frame(CLOSE, payload)
    assert client.closing()[0] == echoed
    assert client.told() == told


def test_nothing_is_heard_after_a_close(client: EchoClient) -> None:
    """Section 5.5.1: what follows a close frame is dropped."""
    client.send(client_frame(TEXT, b"last") + client_frame(CLOSE, b"\x03\xe8") + client_frame(TEXT, b"too late"))
    assert client.text() == b"last"
    assert client.closing()[0] == 1000


@pytest.mark.parametrize(
    "data",
    [b"", b"\x81", client_frame(TEXT, b"x" * 300)[:150], client_frame(TEXT, b"first", fin=False)],
    ids=["nothing", "half a head", "half a frame", "half a message"],
)
@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_client_that_vanishes_is_a_loss(client: EchoClient, data: bytes, how: str) -> None:
    """Without a close frame the application hears 1006, wherever the stream was cut."""
    client.send(data)
    client.socket.shutdown(socket.SHUT_WR) if how == "end" else client.reset()
    assert client.told() == 1006


def test_a_client_library_agrees(running: Running) -> None:
    """An independent client: subprotocol, messages both ways, compression declined, and a clean close."""
    with connect(f"ws://127.0.0.1:{running.port}/echo", subprotocols=["carebell.v1"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "carebell.v1"
        assert client.protocol.extensions == []
        client.send("Grüezi")
        assert client.recv() == "Grüezi"
        client.send(iter(["in ", "", "pieces"]))
        assert client.recv() == "in pieces"
        assert client.ping().wait(10)
        handler = running.application.opened.get(timeout=WAIT_SECONDS)
        client.send("close 4200")
        with pytest.raises(ConnectionClosedError, match="4200"):
            client.recv()
    assert handler.closes.get(timeout=WAIT_SECONDS) == 4200
