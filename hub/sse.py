"""Boards as Server-Sent Events, for networks that block WebSockets (WHATWG HTML, section 9.2).

The same subscription as on a socket: a snapshot or what was missed, then events. ``id`` is the position, so that the
browser's ``Last-Event-ID`` resumes.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from core.access import PUBLIC
from core.actor import ANONYMOUS
from core.runtime import Runtime
from core.streams import Position
from domain.identity.policy import check_scope_of_channel
from domain.queueing.events import board_channel
from hub.catalog import parse_channel
from hub.channels import Channel
from hub.credentials import sign_in_of_headers
from hub.frames import Degraded, Event, EventRecord, Heartbeat, Recovered, ServerFrame, Subscribed, encode
from hub.joined_writes import Outlet
from hub.node import Node
from hub.sign_in import SignIn
from hub.wire import text_frame, text_payload

_QUEUE_LIMIT: Final = 1024
_END: Final = b""
_RETRY_MS: Final = (500, 1500)

_frame: msgspec.json.Decoder[ServerFrame] = msgspec.json.Decoder(ServerFrame)


class Screen:
    """A member of a channel whose frames are read by a response. One that falls behind is ended; it comes back."""

    def __init__(self, sign_in: SignIn | None = None) -> None:
        """``sign_in`` of whoever reads; visitors have none. The stream ends with it."""
        self.actor = sign_in.actor if sign_in else None
        self.channels: dict[str, Channel] = {}
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._ends_at = sign_in.ends_at if sign_in else None
        self._is_ended = False

    @property
    def outlet(self) -> Outlet:
        """Itself."""
        return self

    def deliver(self, frames: list[bytes], _joined: bytes) -> None:
        """Called by the channel."""
        for frame in frames:
            self.send_frame(frame)

    def send_frame(self, frame: bytes) -> None:
        """One more."""
        if self._is_ended:
            return
        if self.frames.qsize() >= _QUEUE_LIMIT:
            self.end()
        else:
            self.frames.put_nowait(text_payload(frame))

    def send_signal(self, frame: bytes) -> None:
        """Boards have none that a screen shows."""

    def end(self) -> None:
        """Nothing more is sent."""
        self._is_ended = True
        self.frames.put_nowait(_END)

    def check_expiry(self, at: float) -> None:
        """A browser comes back by itself, with what it has by then."""
        if self._ends_at is not None and self._ends_at <= at:
            self.end()

    def revoked(self) -> None:
        """The sign-in has ended, and the stream with it."""
        self.end()

    def restart(self, channel: Channel) -> None:
        """Let it come back."""
        self.end()


def position_of(last_event_id: str | None) -> Position | None:
    """``<epoch>:<seq>`` as we gave it; anything else is no position, and brings a snapshot."""
    epoch, _, seq = (last_event_id or "").partition(":")
    return Position(epoch, int(seq)) if epoch and seq.isdecimal() and len(seq) <= 16 else None


def server_sent(epoch: str, payload: bytes) -> bytes:
    """One frame as Server-Sent Events; ``epoch`` is that of the channel."""
    match _frame.decode(payload):
        case Subscribed() as subscribed if subscribed.mode == "snapshot":
            return _write("snapshot", msgspec.json.encode(subscribed.state), f"{subscribed.epoch}:{subscribed.seq}")
        case Subscribed() as subscribed:
            missed: list[EventRecord] = subscribed.events or []
            events = [_write(event.name, event.data, f"{subscribed.epoch}:{event.seq}") for event in missed]
            return b"".join([*events, _write("live", b"{}", f"{subscribed.epoch}:{subscribed.seq}")])
        case Event() as event:
            return _write(event.name, event.data, f"{epoch}:{event.seq}")
        case Heartbeat() as beat:
            return _write("heartbeat", msgspec.json.encode(beat.heads), None)
        case Degraded() | Recovered() as news:
            return _write(type(news).__name__.lower(), b"{}", None)
    # What only sockets have, such as signals: a comment, which readers pass over.
    return b":\n\n"


def _write(name: str, data: bytes | msgspec.Raw, identifier: str | None) -> bytes:
    head = f"event: {name}\n" + (f"id: {identifier}\n" if identifier else "")
    # JSON has no line breaks outside of strings, and escapes them inside: one data line is enough.
    return head.encode() + b"data: " + bytes(data) + b"\n\n"


def event_stream_router(runtime: Runtime, node: Node) -> APIRouter:
    """The routes of this file, for the process that has that node."""
    router = APIRouter(prefix="/api/v1", tags=["queue"])

    @router.get(
        "/queues/{queue_id}/board/events",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {}}, "description": "Snapshot, then events as they happen."},
            401: {"description": "The token that was shown is not valid."},
            403: {"description": "The key that was shown is not for this board."},
            404: {"description": "There is no such queue."},
            429: {"description": "The address, or the user, has too many open sockets and streams."},
        },
        openapi_extra=PUBLIC.label,
    )
    async def board_events(
        request: Request, queue_id: UUID, last_event_id: Annotated[str | None, Header(max_length=200)] = None
    ) -> StreamingResponse:
        """The board, live. Public. Resumes after ``Last-Event-ID``. Read with a sign-in, it ends with that."""
        name = board_channel(queue_id)
        kind, subject = parse_channel(name)
        sign_in = await sign_in_of_headers(request.headers, runtime)
        actor = sign_in.actor if sign_in else ANONYMOUS
        check_scope_of_channel(actor, name)
        async with runtime.database.reads() as session:
            await kind.authorise(session, actor, subject)
        screen = Screen(sign_in)
        # The staff who look at it hear nothing of who else does: a stream has no signals.
        seat = kind.seat(ANONYMOUS, is_counted=True)
        address = request.client.host if request.client else ""
        node.add_stream(screen, address)
        try:
            channel = await node.subscriptions.follow(screen, name, kind, subject, position_of(last_event_id), {}, seat)
        except BaseException:
            node.remove_stream(screen, address)
            raise
        screen.channels[name] = channel

        def leave() -> None:
            channel.leave(screen)
            node.remove_stream(screen, address)

        if not node.relay.is_healthy:
            screen.send_frame(text_frame(encode(Degraded())))
        body = _body(screen, channel, runtime.settings.hub_heartbeat_seconds, leave)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(body, media_type="text/event-stream", headers=headers)

    return router


async def _body(
    screen: Screen, channel: Channel, heartbeat_seconds: float, leave: Callable[[], None]
) -> AsyncIterator[bytes]:
    try:
        # Random, so that all screens of a node that goes do not come back to the next one in the same moment.
        yield b"retry: %d\n" % random.randint(*_RETRY_MS)  # noqa: S311 - jitter
        yield _write("welcome", msgspec.json.encode({"heartbeat_s": heartbeat_seconds}), None)
        while True:
            try:
                async with asyncio.timeout(heartbeat_seconds):
                    payload = await screen.frames.get()
            except TimeoutError:
                payload = encode(Heartbeat(heads={channel.name: channel.seq}))
            if payload == _END:
                return
            yield server_sent(channel.epoch or "", payload)
    finally:
        leave()
