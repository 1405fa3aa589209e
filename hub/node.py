"""One hub node: the sockets of this process, the channels they follow, and what keeps both true."""

import asyncio
import random
import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final, Protocol, runtime_checkable
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.errors import Refusal, TooManyConnections
from core.logging import get_logger
from core.runtime import Runtime
from hub.channels import Channel
from hub.close_codes import CloseCode
from hub.commands import Commands
from hub.credentials import sign_in_of_handshake
from hub.frames import ClientFrame, Degraded, Goodbye, Recovered, encode
from hub.handshake import NOT_SERVED, UNAVAILABLE, HandshakeRequest, Rejection
from hub.presence import Presence
from hub.relay import Relay
from hub.sessions import Session
from hub.sign_ins import Follower, SignIns
from hub.subscriptions import Subscriptions
from hub.wire import text_frame

log = get_logger(__name__)

_BEATS: Final = 20
"""Heartbeats are spread over the interval in so many portions, so that a thousand sockets are not one burst."""

TOO_MANY: Final = Rejection(429, "TOO_MANY_CONNECTIONS", "This address has too many open sockets.", retry_after=10)

_ID: Final = r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_PATHS: Final = (
    (re.compile(r"/api/v1/ws"), None),
    (re.compile(rf"/api/v1/chat/ws/chat/{_ID}"), "thread"),
    (re.compile(rf"/api/v1/queue/ws/{_ID}"), "board"),
    (re.compile(r"/api/v1/notifications/ws"), "user"),
)


@runtime_checkable
class Stream(Follower, Protocol):
    """A follower without a socket: a response that goes on (hub/sse.py)."""

    def send_frame(self, frame: bytes) -> None:
        """As a channel's member."""

    def end(self) -> None:
        """Let it come back from where it is."""


class Node:
    """The application behind ``hub.transport.SocketProtocol``."""

    def __init__(self, runtime: Runtime) -> None:
        """Nothing runs before ``start``."""
        self.settings = runtime.settings
        self.sessions: dict[Session, None] = {}
        self.screens: set[Stream] = set()
        self._by_address: Counter[str] = Counter()
        self._by_user: Counter[UUID] = Counter()
        self.is_draining = False
        self.queue_high_water = 0
        self.conflated = 0
        self.opened = 0
        self._runtime = runtime
        self.presence = Presence(runtime)
        self.relay = Relay(
            runtime.settings, runtime.database, runtime.publisher, self._on_health, self._on_restart, self.presence
        )
        self.subscriptions = Subscriptions(runtime.database, self.relay)
        self.commands = Commands(runtime, self.subscriptions)
        self.sign_ins = SignIns(runtime.database, lambda: [*self.sessions, *self.screens])
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; call inside the running loop."""
        self.relay.start()
        self.presence.start()
        for loop in (self._beat, self.sign_ins.watch):
            self._tasks.append(asyncio.create_task(loop(), name=f"node-{loop.__name__}"))

    async def close(self) -> None:
        """End what runs; sockets are closed by the transport."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.commands.close()
        await self.presence.close()
        await self.relay.close()

    @property
    def users(self) -> int:
        """How many people and devices have a signed-in socket here."""
        return len(self._by_user)

    def readiness(self) -> dict[str, str]:
        """The hub's parts of ``/readyz``."""
        if self.is_draining:
            return {"relay": "draining"}
        return {"relay": "ok" if self.relay.is_healthy else "no news from other processes: Redis is away"}

    async def accept(self, request: HandshakeRequest) -> Session | Rejection:
        """Path, origin and credentials of a handshake."""
        kind, subject = _route(request.path)
        address = request.address[0]
        if (no := self._turned_away(kind, address)) is not None:
            return no
        try:
            sign_in = await sign_in_of_handshake(request, self._runtime)
        except Refusal as refusal:
            return Rejection(refusal.status, refusal.error_code, refusal.detail, refusal.retry_after)
        except (SQLAlchemyError, OSError) as fault:
            log.warning("handshake_unavailable", fault=type(fault).__name__)
            return UNAVAILABLE
        # Draining may have begun while credentials were read: the sockets that are told to leave are chosen already.
        return UNAVAILABLE if self.is_draining else Session(self, address, sign_in, (kind, subject))

    def _turned_away(self, kind: str | None, address: str) -> Rejection | None:
        """What needs no look at credentials."""
        if kind == "":
            return NOT_SERVED
        if self.is_draining:
            return UNAVAILABLE
        return TOO_MANY if self._by_address[address] >= self.settings.hub_max_sockets_per_address else None

    def add(self, session: Session) -> None:
        """A socket is open."""
        self.sessions[session] = None
        self.opened += 1
        self._by_address[session.address] += 1

    def add_stream(self, stream: Stream, address: str) -> None:
        """An event stream is open: it counts as a socket does. Raises ``TooManyConnections``."""
        user_id = stream.actor.user_id if stream.actor else None
        if self._by_address[address] >= self.settings.hub_max_sockets_per_address or (
            user_id is not None and self._by_user[user_id] >= self.settings.hub_max_sockets_per_user
        ):
            raise TooManyConnections(retry_after=TOO_MANY.retry_after)
        self.screens.add(stream)
        self._by_address[address] += 1
        if user_id is not None:
            self._by_user[user_id] += 1

    def remove_stream(self, stream: Stream, address: str) -> None:
        """An event stream is gone."""
        if stream in self.screens:
            self.screens.discard(stream)
            self._discount(self._by_address, address)
            if stream.actor is not None and stream.actor.user_id is not None:
                self._discount(self._by_user, stream.actor.user_id)

    def remove(self, session: Session) -> None:
        """A socket is gone."""
        if session in self.sessions:
            del self.sessions[session]
            self._discount(self._by_address, session.address)
            self.signed_out(session)

    def signed_in(self, session: Session) -> None:
        """Count a user's sockets on this node; the one too many is closed."""
        if session.actor is None or session.actor.user_id is None or session.is_counted:
            return
        session.is_counted = True
        self._by_user[session.actor.user_id] += 1
        if self._by_user[session.actor.user_id] > self.settings.hub_max_sockets_per_user:
            session.close(CloseCode.TOO_MANY_CONNECTIONS)

    def signed_out(self, session: Session) -> None:
        """The opposite."""
        if session.is_counted and session.actor is not None and session.actor.user_id is not None:
            session.is_counted = False
            self._discount(self._by_user, session.actor.user_id)

    @staticmethod
    def _discount(counter: Counter[Any], key: Any) -> None:
        counter[key] -= 1
        if counter[key] <= 0:
            del counter[key]

    async def execute_next(self, session: Session, inbox: deque[ClientFrame]) -> None:
        """Take from what a client asked for, and carry it out."""
        await self.commands.execute_next(session, inbox)

    async def drain(self) -> None:
        """Before the process ends: no new sockets, and the others leave at random moments within the drain time.

        All at once would be a stampede on the nodes that remain.
        """
        self.is_draining = True
        for screen in list(self.screens):
            screen.end()
        seconds = self.settings.hub_drain_seconds
        leaving = list(self.sessions)
        random.shuffle(leaving)
        portions = max(1, int(seconds * 10))
        for index in range(portions):
            for session in leaving[index::portions]:
                delay = int(random.uniform(0, 1000 * min(seconds, 2)))  # noqa: S311 - jitter
                session.send(Goodbye(code=CloseCode.GOODBYE, reconnect_after_ms=delay))
                session.close(CloseCode.GOODBYE)
            if index + 1 < portions and self.sessions:
                await asyncio.sleep(seconds / portions)

    async def _beat(self) -> None:
        """Every socket hears from us once an interval."""
        while True:
            for portion in self._portions():
                await asyncio.sleep(self.settings.hub_heartbeat_seconds / _BEATS)
                for session in portion:
                    session.heartbeat()

    def _portions(self) -> Iterator[list[Session]]:
        for index in range(_BEATS):
            yield [session for session in list(self.sessions) if session.id.int % _BEATS == index]

    def _on_health(self, is_healthy: bool) -> None:
        log.info("relay_connected" if is_healthy else "relay_degraded", sockets=len(self.sessions))
        if is_healthy:
            self.presence.look_again()
        news = Recovered() if is_healthy else Degraded()
        for session in list(self.sessions):
            if session.is_welcomed:
                session.send(news)
        for screen in list(self.screens):
            screen.send_frame(text_frame(encode(news)))

    def _on_restart(self, channel: Channel) -> None:
        self.subscriptions.forget(channel)
        for member in channel.followers:
            if isinstance(member, Session):
                member.restart(channel)
            elif isinstance(member, Stream):
                member.end()


def _route(path: str) -> tuple[str | None, str | None]:
    """The kind and subject of the channel that a path presets; ``("", None)`` for a path that is none of ours."""
    for pattern, kind in _PATHS:
        match = pattern.fullmatch(path)
        if match is not None:
            return kind, match.groupdict().get("id")
    return "", None
