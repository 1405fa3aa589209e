"""What the transport expects of the application behind it."""

from collections.abc import Awaitable
from typing import Protocol

from hub.handshake import HandshakeRequest, Rejection


class Socket(Protocol):
    """One open connection, as ``hub.transport.SocketProtocol`` implements it."""

    address: tuple[str, int]
    is_open: bool

    @property
    def queued(self) -> int:
        """Bytes that the kernel has not taken yet."""

    @property
    def taken(self) -> int:
        """Bytes that the kernel has taken while the client read slowly; only differences mean anything."""

    def send(self, payload: bytes) -> None:
        """Send UTF-8 text as one message. After the end of the socket: nothing."""

    def send_frame(self, frame: bytes) -> None:
        """Send what ``text_frame`` made. After the end of the socket: nothing."""

    def close(self, code: int, reason: str = "") -> None:
        """Close, after what was sent before. Only the first call counts."""


class SocketHandler(Protocol):
    """One connection, as the application sees it. Nothing here may block."""

    def opened(self, socket: Socket) -> None:
        """The handshake is done: frames may be sent."""

    def text(self, payload: bytes) -> None:
        """One whole text message."""

    def idle(self) -> None:
        """A ping, a pong or an empty fragment: work for us without end, if the application does not count them."""

    def backpressure(self, bytes_queued: int) -> None:
        """The client reads more slowly than it is sent to; called after each turn that sent more while it did."""

    def drained(self) -> None:
        """It caught up."""

    def closed(self, code: int) -> None:
        """The socket is no more; nothing follows."""


Answer = SocketHandler | Rejection


class SocketApplication(Protocol):
    """Who decides about sockets: found at ``app_state["hub"]``."""

    def accept(self, request: HandshakeRequest) -> Answer | Awaitable[Answer]:
        """Look at path, origin and credentials, and answer with a handler for this socket, or with a refusal."""
