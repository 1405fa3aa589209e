"""A client that speaks raw bytes: single frames of RFC 6455, right or wrong on purpose."""

import base64
import os
import socket
import struct
from typing import Any

from websockets.frames import Frame, Opcode

PATIENCE = 60.0


def client_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """A client's frame, right or wrong on purpose."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    stream = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload) ^ int.from_bytes(stream)).to_bytes(size)


class RawClient:
    """A TCP connection with just enough of RFC 6455 to look at single frames."""

    def __init__(self, port: int) -> None:
        """Connect; no handshake yet."""
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A small window, so that a client which does not read is soon one that the server feels.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self.stream = self.socket.makefile("rb")

    def request(self, path: str, **headers: str) -> bytes:
        """Send a handshake; the head of the answer."""
        self.send_request(path, **headers)
        return self.head()

    def send_request(self, path: str, **headers: str) -> None:
        """Send a handshake. An empty header is left out."""
        fields = {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
        self.send("\r\n".join(lines).encode())

    def head(self) -> bytes:
        """The head of an HTTP response."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.stream.readline()
            assert line, head
            head += line
        return head

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.socket.sendall(data)

    def send_frame(self, opcode: int, payload: bytes = b"", **options: Any) -> None:
        """One frame, see ``client_frame``."""
        self.send(client_frame(opcode, payload, **options))

    def frame(self) -> Frame:
        """The next frame of the server, which must be unmasked and whole."""
        first, size = self.exactly(2)
        assert size < 128, "the server must not mask"
        assert first & 0xF0 == 0x80, "one unfragmented frame, no reserved bits"
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.exactly(8))
        return Frame(Opcode(first & 0x0F), self.exactly(size))

    def exactly(self, size: int) -> bytes:
        """That many bytes."""
        data = self.stream.read(size)
        if len(data) != size:
            raise EOFError
        return data

    def text(self) -> bytes:
        """The next frame, which must be text."""
        frame = self.frame()
        assert frame.opcode is Opcode.TEXT, frame
        return bytes(frame.data)

    def closing(self) -> tuple[int, str]:
        """The next frame, which must be a close, answered; then the end. Code (1005 for none) and reason."""
        frame = self.frame()
        assert frame.opcode is Opcode.CLOSE, frame
        self.send_frame(Opcode.CLOSE, bytes(frame.data[:2]))
        assert self.stream.read() == b""
        self.close()
        code = int.from_bytes(frame.data[:2]) if frame.data else 1005
        return code, bytes(frame.data[2:]).decode()

    def close(self) -> None:
        """Orderly, on the level of TCP alone."""
        self.stream.close()
        self.socket.close()

    def reset(self) -> None:
        """Vanish with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()
