"""One socket: who is signed in, what it follows, and its commands, carried out in their order."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from core.actor import Actor
from core.ids import new_id
from hub.backlog import Backlog
from hub.channels import Channel
from hub.close_codes import CloseCode
from hub.frames import (
    ClientFrame,
    Degraded,
    Error,
    Expiring,
    FrameError,
    Heartbeat,
    Limits,
    Resync,
    ServerFrame,
    Subscribe,
    Welcome,
    decode_client,
    encode,
)
from hub.sign_in import SignIn
from hub.transport import SocketProtocol

if TYPE_CHECKING:
    from hub.node import Node

_INBOX_LIMIT: Final = 256
_BURST_SECONDS: Final = 2.0
_IGNORED_REFUSALS: Final = 100
_WARNING_SECONDS: Final = 60.0


class Session:
    """The application's side of a socket; the transport calls it, channels write to it."""

    __slots__ = (
        "_allowance",
        "_allowance_at",
        "_backlog",
        "_inbox",
        "_preset",
        "_refusals",
        "_sign_in_timer",
        "_socket",
        "_warned",
        "_worker",
        "actor",
        "address",
        "channels",
        "ends_at",
        "id",
        "is_counted",
        "is_welcomed",
        "node",
    )

    def __init__(
        self, node: "Node", address: str, sign_in: SignIn | None, preset: tuple[str | None, str | None]
    ) -> None:
        """``sign_in`` when the handshake brought one; ``preset`` is the channel that the path names."""
        self.id = new_id()
        self.node = node
        self.address = address
        self.actor: Actor | None = None
        self.ends_at: float | None = None
        self._warned = False
        self._preset = preset
        self.channels: dict[str, Channel] = {}
        self.is_welcomed = False
        self.is_counted = False
        self._socket: SocketProtocol | None = None
        self._inbox: deque[ClientFrame] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._allowance = node.settings.hub_max_commands_per_second * _BURST_SECONDS
        self._allowance_at = 0.0
        self._refusals = 0
        self._backlog: Backlog | None = None
        self._sign_in_timer: asyncio.TimerHandle | None = None
        if sign_in is not None:
            self.take(sign_in)

    def take(self, sign_in: SignIn) -> None:
        """Belong to that user, for so long."""
        self.actor, self.ends_at, self._warned = sign_in.actor, sign_in.ends_at, False
        if self.is_welcomed:
            self.node.signed_in(self)

    # --- from the transport ---

    def opened(self, socket: SocketProtocol) -> None:
        """The handshake is done."""
        self._socket = socket
        self.node.add(self)
        if self.actor is not None:
            self.welcome(self.actor)
            return
        loop = asyncio.get_running_loop()
        self._sign_in_timer = loop.call_later(self.node.settings.hub_sign_in_seconds, self._sign_in_is_late)

    def text(self, payload: bytes) -> None:
        """A whole text message."""
        try:
            frame = decode_client(payload)
        except FrameError as error:
            if self._is_allowed(error.id):
                self.send(error.frame())
            return
        if not self._is_allowed(frame.id):
            return
        if self._inbox is not None and len(self._inbox) >= _INBOX_LIMIT:
            self.close(CloseCode.RATE_LIMITED)
            return
        self._enqueue(frame)

    def idle(self) -> None:
        """A ping, a pong or an empty fragment: free within the limit of commands."""
        self._is_allowed(None)

    def closed(self, code: int) -> None:
        """The socket is gone, whoever closed it."""
        self._leave_all()
        self.node.remove(self)
        self._socket = None
        self._inbox = None
        if self._sign_in_timer is not None:
            self._sign_in_timer.cancel()
        if self._backlog is not None:
            self._backlog.stop()

    def backpressure(self, queued: int) -> None:
        """The kernel takes nothing and bytes pile up: send less rather than fill the memory."""
        self.node.queue_high_water = max(self.node.queue_high_water, queued)
        if self._backlog is None:
            self._backlog = Backlog(self)
        self._backlog.grow(queued)

    def drained(self) -> None:
        """The kernel has taken nearly all: bring the client back in step."""
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.release()
            self._start_work()

    # --- to the socket ---

    def send(self, frame: ServerFrame) -> None:
        """One frame for this socket alone."""
        if self._socket is not None:
            self._socket.send(encode(frame))

    def send_frame(self, frame: bytes) -> None:
        """Bytes that were encoded before."""
        if self._socket is not None:
            self._socket.send_frame(frame)

    @property
    def outlet(self) -> SocketProtocol | None:
        """Where channels write to."""
        return self._socket

    def send_signal(self, frame: bytes) -> None:
        """As ``send_frame``, for what may get lost: of those that wait, the oldest does."""
        if self._backlog is None:
            self.send_frame(frame)
        else:
            self._backlog.signal(frame)

    @property
    def taken(self) -> int:
        """As the socket's."""
        return self._socket.taken if self._socket is not None else 0

    def close(self, code: CloseCode) -> None:
        """Close, with the code's meaning as the reason."""
        if self._socket is not None:
            self._socket.close(code, code.meaning)

    def welcome(self, actor: Actor) -> None:
        """Signed in (or let in as a visitor): say what the rules are, and follow what the path names."""
        self.actor = actor
        if self._sign_in_timer is not None:
            self._sign_in_timer.cancel()
            self._sign_in_timer = None
        self.node.signed_in(self)
        if self.is_welcomed:
            return
        self.is_welcomed = True
        settings = self.node.settings
        self.send(
            Welcome(
                connection=str(self.id),
                user=str(actor.user_id) if actor.user_id else None,
                heartbeat_s=settings.hub_heartbeat_seconds,
                limits=Limits(
                    frame_bytes=settings.hub_max_frame_bytes,
                    channels=settings.hub_max_channels,
                    commands_per_second=settings.hub_max_commands_per_second,
                ),
            )
        )
        if not self.node.relay.is_healthy:
            self.send(Degraded())
        kind, subject = self._preset
        if kind is not None:
            # The notifications of whoever signed in; the other paths name what they are about.
            self._enqueue(Subscribe(id="preset", channel=f"{kind}:{subject or actor.user_id}"))

    def heartbeat(self) -> None:
        """A sign of life with the heads of what this socket follows."""
        # A socket that is full has enough to read, and must not hear of a head that it is still to be brought to.
        if self.is_welcomed and self._backlog is None:
            self.send(Heartbeat(heads={name: channel.seq for name, channel in self.channels.items()}))

    def check_expiry(self, at: float) -> None:
        """Warn a minute before the sign-in ends; close a grace time after it has ended."""
        if self.ends_at is None:
            return
        left = self.ends_at - at
        if left < -self.node.settings.hub_expiry_grace_seconds:
            self.close(CloseCode.TOKEN_EXPIRED)
        elif left < _WARNING_SECONDS and not self._warned:
            self._warned = True
            self.send(Expiring(expires_in_s=max(0.0, round(left, 1))))

    def revoked(self) -> None:
        """The sign-in has ended: signed out, deactivated, or run out of its days."""
        self.close(CloseCode.SESSION_REVOKED)

    def restart(self, channel: Channel) -> None:
        """The client was not given everything, the channel could only go on from its head, or it is no longer for this
        user: the client has to ask anew."""
        if self.channels.pop(channel.name, None) is not None:
            channel.leave(self)
            self.send(Resync(channel=channel.name))

    def joined(self, channel: Channel) -> None:
        """The channel has made this socket a member; it may have gone meanwhile."""
        self.channels[channel.name] = channel
        if self._socket is None:
            self.leave(channel.name)

    def leave(self, name: str) -> None:
        """Follow that channel no longer."""
        channel = self.channels.pop(name, None)
        if channel is not None:
            channel.leave(self)

    # --- inside ---

    @property
    def _is_overflowing(self) -> bool:
        return self._backlog is not None and self._backlog.is_overflowing

    def _enqueue(self, frame: ClientFrame) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(frame)
        self._start_work()

    def _start_work(self) -> None:
        if self._inbox and self._worker is None and not self._is_overflowing:
            self._worker = asyncio.create_task(self._work(), name="hub-commands")

    async def _work(self) -> None:
        """Carry the commands out in the order in which they came. No task lives while there are none.

        Who does not read gets no answers: a snapshot is a hundred times as long as the command that asks for it.
        """
        try:
            while self._inbox and not self._is_overflowing:
                await self.node.execute_next(self, self._inbox)
        finally:
            self._worker = None

    def _leave_all(self) -> None:
        for channel in self.channels.values():
            channel.leave(self)
        self.channels = {}

    def _is_allowed(self, command: str | None) -> bool:
        """A token bucket; the command too many is refused by name, and who keeps on is closed."""
        rate = self.node.settings.hub_max_commands_per_second
        now = asyncio.get_running_loop().time()
        self._allowance = min(rate * _BURST_SECONDS, self._allowance + (now - self._allowance_at) * rate)
        self._allowance_at = now
        if self._allowance >= 1:
            self._allowance -= 1
            return True
        self._refusals += 1
        if self._refusals > _IGNORED_REFUSALS:
            self.close(CloseCode.RATE_LIMITED)
        else:
            retry_after = round(1 / rate, 3)
            refusal = Error(error_code="RATE_LIMITED", detail="Too many commands or pings.", retry_after=retry_after)
            refusal.id = command if command is not None else UNSET
            self.send(refusal)
        return False

    def _sign_in_is_late(self) -> None:
        self.close(CloseCode.UNAUTHENTICATED)
