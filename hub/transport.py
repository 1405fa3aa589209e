"""The socket itself: a uvicorn ``ws`` protocol class of our own, with no task and no timer per socket.

``uvicorn.Config(ws=SocketProtocol, ws_max_size=…)``; the application is ``app_state["hub"]``, from the lifespan.

application.accept(request) -> SocketHandler | Rejection, or an awaitable of one (reading pauses; 5 s, then 503)
handler.opened(socket)              after the 101
handler.text(payload)               each whole text message, UTF-8, at most ``ws_max_size`` bytes
handler.idle()                      after a ping, a pong, or an empty fragment: what has no end and says nothing
handler.backpressure(bytes_queued)  after each turn that wrote while over 64 KiB wait; then, once, ``drained()``
handler.closed(code)                exactly once, in a turn of its own: the code that ended it, 1006 for a loss
socket.send(payload)                one text message; socket.send_frame(text_frame(payload)) for many sockets
socket.close(code, reason)          flushes, says why, waits ``close_seconds`` for the answer; later calls do nothing
socket.queued, socket.taken, socket.address, socket.is_open
What a handler raises is logged without its words, and closes its own socket with 1011.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any, ClassVar, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import is_ssl
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol as Wire
from websockets.protocol import State

from hub.acceptance import Acceptance, log_failure
from hub.application import Socket, SocketApplication, SocketHandler
from hub.close_codes import CloseCode
from hub.handshake import HandshakeRequest, Rejection
from hub.socket_server import socket_server
from hub.wire import PING, PONG_HEAD, close_reason, is_utf8, open_wire, text_frame

__all__ = [
    "HandshakeRequest",
    "Rejection",
    "Socket",
    "SocketApplication",
    "SocketHandler",
    "SocketProtocol",
    "text_frame",
]

_INDIRECT = -1
_DIRECT_BYTES = 65_536  # what has more to say is seldom; joining would copy it

ABNORMAL = 1006  # no close frame at all (RFC 6455, section 7.1.5); never sent


class SocketProtocol(asyncio.Protocol):
    """One connection; see the head of this file."""

    __slots__ = (
        "_acceptance",
        "_app_state",
        "_congested",
        "_fd",
        "_handler",
        "_heard",
        "_is_clear",
        "_partial",
        "_pending",
        "_pending_bytes",
        "_pinged_at",
        "_server",
        "_timer",
        "_transport",
        "_wire",
        "_written",
        "address",
        "is_open",
    )

    handshake_seconds: ClassVar[float] = 5.0
    close_seconds: ClassVar[float] = 5.0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """As uvicorn makes it."""
        self._server = socket_server(config, server_state)
        self._app_state = app_state
        self._transport: asyncio.Transport
        self._wire: Wire | None = None
        self._handler: SocketHandler | None = None
        self._acceptance: Acceptance | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._written = 0
        self._partial: bytearray | None = None
        self._heard = True
        self._congested = False
        self._fd = _INDIRECT
        self._is_clear = False  # nothing waits, neither here nor in the transport, that the kernel has to get first
        self._pinged_at: float | None = None
        self.address = ("", 0)
        self.is_open = False

    # What the application calls.

    @property
    def queued(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._pending_bytes + self._transport.get_write_buffer_size() if self.is_open else 0

    @property
    def taken(self) -> int:
        """Bytes that the kernel has taken while the client read slowly; only differences mean anything."""
        return self._written - self.queued

    def send(self, payload: bytes) -> None:
        """Send UTF-8 text as one message. After the end of the socket: nothing."""
        self.send_frame(text_frame(payload))

    def send_frame(self, frame: bytes) -> None:
        """Send what ``text_frame`` made. After the end of the socket: nothing."""
        if self.is_open:
            self._write(frame)

    def close(self, code: int, reason: str = "") -> None:
        """Close, after what was sent before. Only the first call counts.

        Raises:
            ProtocolError: for a code that may not be sent (RFC 6455, section 7.4).

        """
        if not self.is_open:
            return
        assert self._wire
        self._server.writes.deliver()
        if self._wire.state is State.OPEN:
            self._wire.send_close(code, close_reason(reason))
        self._end(code)
        self._write_out()

    # What the loop and uvicorn call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport; the request head follows in ``data_received``."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """The request head, once; then frames."""
        if self._wire:
            self._heard = True
            self._wire.receive_data(data)
            self._read(self._wire)
        elif not self._acceptance:
            self._acceptance = Acceptance(self._server, self._transport, self.handshake_seconds, self._opened)
            self._acceptance.begin(data, self._app_state.get("hub"))

    def eof_received(self) -> None:
        """The client sends no more: without a close frame before, that is a loss."""
        if self._wire:
            self._wire.receive_eof()
            self._read(self._wire)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._server.connections.discard(self)
        if self._acceptance:
            self._acceptance.cancel()
        if self.is_open:
            self._end(ABNORMAL)
        if self._timer:
            self._timer.cancel()
        self._wire = self._acceptance = self._timer = None
        self._fd, self._is_clear = _INDIRECT, False
        self._pending.clear()

    def pause_writing(self) -> None:
        """The transport's buffer is over its high-water mark."""
        self._congested = True

    def resume_writing(self) -> None:
        """It is under its low-water mark again."""
        self._congested = False
        if self.is_open and self._handler:
            self._call(self._handler.drained)

    def shutdown(self) -> None:
        """The server stops, after the application has said goodbye."""
        if self._acceptance:
            self._acceptance.cancel()
        self.close(CloseCode.SERVICE_RESTART, "the process ends")

    def _opened(self, handler: SocketHandler, address: tuple[str, int], response: bytes) -> None:
        """Send the 101 and begin. For ``Acceptance``."""
        self._acceptance = None
        self._handler = handler
        self.address = address
        self._wire = open_wire(self._server.max_message_bytes)
        self.is_open = True
        self._transport.write(response)
        if not is_ssl(self._transport):
            self._fd = self._transport.get_extra_info("socket").fileno()
        self._server.keepalive.add(self)
        self._call(handler.opened, self)

    # Reading.

    def _read(self, wire: Wire) -> None:
        was_open = self.is_open
        for event in wire.events_received():
            if self.is_open:
                self._take(cast("Frame", event))
        if self.is_open and wire.state is not State.OPEN:
            said = wire.close_sent if wire.parser_exc else wire.close_rcvd
            self._end(said.code if said else ABNORMAL)
        self._write_out(may_pong=was_open)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.close(CloseCode.UNSUPPORTED_DATA, "frames are JSON text")
        elif frame.opcode is Opcode.TEXT and frame.fin:
            self._message(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT:
            self._partial = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT:
            # A single buffer: a message of 65,536 fragments must not cost more than its bytes.
            assert self._partial is not None
            self._partial += frame.data
            if frame.fin:
                message, self._partial = bytes(self._partial), None
                self._message(message)
            elif not frame.data:
                self._idle()
        elif frame.opcode is not Opcode.CLOSE:
            self._idle()

    def _idle(self) -> None:
        assert self._handler
        self._call(self._handler.idle)

    def _message(self, message: bytes) -> None:
        assert self._handler
        if is_utf8(message):
            self._call(self._handler.text, message)
        else:
            self.close(CloseCode.INVALID_DATA, "a text message is UTF-8")

    def _call(self, hook: Callable[..., None], *arguments: Any) -> None:
        try:
            hook(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever a handler does, the process lives
            log_failure(hook.__name__, error)
            self.close(CloseCode.INTERNAL_ERROR, "something went wrong on our side")

    # Writing.

    def _write(self, data: bytes) -> None:
        self._server.writes.deliver()
        if not self._pending:
            self._server.writes.add(self)
            self._is_clear = False
        self._pending.append(data)
        self._pending_bytes += len(data)

    def _write_out(self, *, may_pong: bool = True) -> None:
        """Write what the state machine wants said: pongs, and its part of the closing handshake."""
        assert self._wire
        for data in self._wire.data_to_send():
            if not data:
                self._half_close()
            elif (may_pong and not self._congested) or data[0] != PONG_HEAD:
                # A client that pings and does not read must not fill our memory with pongs, and one that was closed
                # for it gets no more.
                self._write(data)

    def flush(self) -> None:
        """Hand over what this turn wrote to this socket."""
        pending = self._pending
        written, self._pending_bytes = self._pending_bytes, 0
        self._server.writes.bytes_written += written
        if pending and not self._transport.is_closing():
            if written <= _DIRECT_BYTES:
                self._hand_over(pending[0] if len(pending) == 1 else b"".join(pending))
            else:
                self._transport.writelines(pending)
        pending.clear()
        self._tell_congestion(written)

    def deliver(self, frames: list[bytes], joined: bytes) -> None:
        """Hand over what was written to a channel: all of its sockets get the same bytes."""
        # Between two sockets the kernel has had the caches: each attribute that is looked at costs.
        if self._is_clear:
            self._put(joined)
            if self._is_clear:
                return
        elif self._pending:
            # Written before, and still waiting for the end of the turn.
            for frame in frames:
                self.send_frame(frame)
            return
        elif self.is_open:
            self._hand_over(joined)
        self._tell_congestion(len(joined))

    def _hand_over(self, data: bytes) -> None:
        """To the kernel where that is possible, which saves a tenth of a delivery; else to the transport."""
        if self._fd != _INDIRECT and self._transport.get_write_buffer_size() == 0:
            self._is_clear = True
            self._put(data)
        else:
            self._transport.write(data)

    def _put(self, data: bytes) -> None:
        """To the kernel; what it does not take, to the transport."""
        try:
            taken = os.write(self._fd, data)
        except OSError:
            # It takes nothing now, or never again: the transport finds out which, and does what is to be done.
            taken = 0
        if taken < len(data):
            self._is_clear = False
            # A view: what waits for many slow readers is the same bytes.
            self._transport.write(memoryview(data)[taken:])

    def _tell_congestion(self, written: int) -> None:
        if self._congested and self.is_open and self._handler:
            self._written += written
            self._call(self._handler.backpressure, self.queued)

    def _half_close(self) -> None:
        """End our side, and drop what still comes: with unread bytes, ``close`` would reset the connection, and the
        client would never see why it was closed."""
        self.flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    # The end.

    def check_alive(self, now: float, timeout: float) -> None:
        """Once an interval: ping a quiet client, end one that left a ping unanswered. For ``Keepalive``."""
        if self._heard:
            self._heard, self._pinged_at = False, None
        elif self._pinged_at is None:
            self._pinged_at = now
            self._write(PING)
        elif now - self._pinged_at >= timeout:
            self.close(CloseCode.PING_TIMEOUT, "no pong came")

    def _end(self, code: int) -> None:
        """Open no more. The handler hears of it in a turn of its own, never inside one of its own calls."""
        self.is_open = False
        self._fd, self._is_clear = _INDIRECT, False
        self._server.keepalive.remove(self)
        self._partial = None
        self._timer = self._server.loop.call_later(self.close_seconds, self._transport.abort)
        self._server.loop.call_soon(self._closed, code)

    def _closed(self, code: int) -> None:
        handler, self._handler = self._handler, None
        if handler:
            self._call(handler.closed, code)
