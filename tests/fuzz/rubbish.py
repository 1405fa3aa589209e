"""Random bytes for a socket's port, each connection by its number: the same seed sends the same again."""

import random
from typing import Final

from tests.hub.raw_client import client_frame

_HANDSHAKE: Final = (
    b"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_OPCODES: Final = (0x0, 0x1, 0x2, 0x8, 0x9, 0xA)
_VALID: Final = (
    b'{"type":"hello","resume":{"board:00000000-0000-7000-8000-000000000000":{"epoch":"0","seq":4}}}',
    b'{"type":"subscribe","id":"1","channel":"board:00000000-0000-7000-8000-000000000000","epoch":"e","seq":9}',
    b'{"type":"unsubscribe","id":"2","channel":"board:00000000-0000-7000-8000-000000000000"}',
    b'{"type":"send","id":"3","channel":"thread:00000000-0000-7000-8000-000000000000","key":"k","body":"\xe2\x98\x82"}',
    b'{"type":"read","id":"4","channel":"thread:00000000-0000-7000-8000-000000000000","seq":3}',
    b'{"type":"typing","channel":"thread:00000000-0000-7000-8000-000000000000","on":true}',
    b'{"type":"auth","id":"5","token":"a.b.c"}',
)


def rubbish(seed: int, number: int) -> bytes:
    """All that connection ``number`` sends."""
    dice = random.Random(f"{seed} {number}")
    sender = (_raw, _bad_handshake, _not_frames, _payloads, _mutated, _fields, _mixed)[number % 7]
    return sender(dice)


def _raw(dice: random.Random) -> bytes:
    """In place of HTTP."""
    return dice.randbytes(dice.randrange(1, 4_000))


def _bad_handshake(dice: random.Random) -> bytes:
    """A handshake with some bytes changed, and frames after it as if it had been accepted."""
    return _with_changes(dice, _HANDSHAKE) + _frame(dice, b'{"type":"hello"}')


def _not_frames(dice: random.Random) -> bytes:
    """In place of frames."""
    return _HANDSHAKE + _raw(dice)


def _payloads(dice: random.Random) -> bytes:
    """Inside of frames whose heads are right."""
    return _HANDSHAKE + b"".join(_frame(dice, dice.randbytes(dice.randrange(126))) for _ in range(dice.randrange(1, 9)))


def _mutated(dice: random.Random) -> bytes:
    """Frames that were right before some bytes of them, head and all, were changed, lost or doubled."""
    wire = b"".join(client_frame(0x1, dice.choice(_VALID)) for _ in range(dice.randrange(1, 6)))
    return _HANDSHAKE + _with_changes(dice, wire)


def _fields(dice: random.Random) -> bytes:
    """Right frames with changed JSON in them."""
    texts = (_with_changes(dice, dice.choice(_VALID)) for _ in range(dice.randrange(1, 9)))
    return _HANDSHAKE + b"".join(client_frame(0x1, text) for text in texts)


def _mixed(dice: random.Random) -> bytes:
    """Right frames, cut into fragments or not, with control frames and rubbish between them."""
    parts = [client_frame(0x1, b'{"type":"hello"}')]
    for _ in range(dice.randrange(1, 9)):
        text = dice.choice(_VALID)
        cut = dice.randrange(len(text))
        fragments = client_frame(0x1, text[:cut], fin=False) + client_frame(0x0, text[cut:])
        parts.append(dice.choice((client_frame(0x1, text), fragments, client_frame(0x9, b"?"), client_frame(0xA))))
    if dice.random() < 0.5:
        parts.append(dice.randbytes(dice.randrange(1, 200)))
    return _HANDSHAKE + b"".join(parts)


def _frame(dice: random.Random, payload: bytes) -> bytes:
    return client_frame(dice.choice(_OPCODES), payload, fin=dice.random() < 0.8)


def _with_changes(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(changed))
        match dice.randrange(3):
            case 0:
                changed[at] = dice.randrange(256)
            case 1:
                del changed[at]
            case _:
                changed[at:at] = changed[at : at + 8]
    return bytes(changed)
