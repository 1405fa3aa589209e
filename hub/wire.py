"""Frames of RFC 6455 as the server writes them: never masked, never compressed, never fragmented."""

import logging

from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

PING = Frame(Opcode.PING, b"").serialize(mask=False)
PONG_HEAD = 0x80 | Opcode.PONG  # the first byte of every pong

# The library logs whole frames and request lines at DEBUG: those hold tokens and patients' words.
QUIET = logging.getLogger("carebell.websockets")
QUIET.setLevel(logging.ERROR)


def text_frame(payload: bytes) -> bytes:
    """One text message of UTF-8 ``payload`` as one unmasked frame (RFC 6455, section 5.2).

    Encode once, then hand the same bytes to ``send_frame`` of every socket.
    """
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


def text_payload(frame: bytes) -> bytes:
    """The opposite, for those who take frames and have no socket."""
    size = frame[1]
    return frame[2 if size < 126 else 4 if size == 126 else 10 :]


def open_wire(max_message_bytes: int) -> Protocol:
    """The state machine of one connection after its handshake.

    The one that read the handshake is not kept: its generator holds the request, query and all, for as long as the
    connection lives (2 KB, and a token in memory for hours).
    """
    return Protocol(SERVER, max_size=max_message_bytes, logger=QUIET)


def close_reason(text: str) -> str:
    """Cut to the 123 bytes that a close frame has room for (RFC 6455, section 5.5)."""
    return text.encode()[:123].decode(errors="ignore")


def is_utf8(message: bytes) -> bool:
    """True for valid UTF-8 (RFC 3629): no surrogates, nothing overlong, nothing cut short."""
    if message.isascii():
        return True
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
