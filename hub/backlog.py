"""What a socket is spared while it reads more slowly than it is sent to, and how it gets back in step.

Three kinds of news, three ways (docs/protocol.md): of boards only the newest state counts, so their events are
conflated; of signals only the latest are kept; durable events wait in the socket's buffer up to a limit, beyond which
the client is told to ask for them again.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from core.logging import get_logger
from hub.catalog import is_conflated
from hub.channels import Channel
from hub.close_codes import CloseCode
from hub.frames import Conflated, EventRecord

if TYPE_CHECKING:
    from hub.sessions import Session

log = get_logger(__name__)

_SIGNALS_KEPT: Final = 32
_LOOKS: Final = 4
"""So many times within the time that a socket may drain nothing."""

_record = msgspec.json.Decoder(EventRecord)


class Backlog:
    """Of one socket, from the moment when its buffer is over the high-water mark until it is nearly empty again."""

    __slots__ = ("_session", "_signals", "_since", "_taken", "_timer", "is_overflowing")

    def __init__(self, session: "Session") -> None:
        """Begin to look whether the socket drains anything at all."""
        self._session = session
        self._signals: deque[bytes] = deque(maxlen=_SIGNALS_KEPT)
        self.is_overflowing = False
        self._taken = session.taken
        self._since = asyncio.get_running_loop().time()
        self._timer = self._look_later()

    def grow(self, queued: int) -> None:
        """More was written while the socket was full; ``queued`` bytes wait now."""
        session = self._session
        self.is_overflowing = self.is_overflowing or queued > session.node.settings.hub_max_queued_bytes
        for name, channel in session.channels.items():
            if is_conflated(name):
                channel.hold(session)
            elif self.is_overflowing:
                # Nothing more is written; ``release`` says ``resync``.
                channel.leave(session)

    def signal(self, frame: bytes) -> None:
        """Keep it, in place of the oldest where there are many."""
        self._signals.append(frame)

    def release(self) -> None:
        """The socket has caught up: the newest of what was conflated, and where to ask again."""
        self.stop()
        for name, channel in list(self._session.channels.items()):
            if is_conflated(name):
                self._catch_up(channel)
            elif self.is_overflowing:
                self._session.restart(channel)
        for frame in self._signals:
            self._session.send_frame(frame)

    def stop(self) -> None:
        """Look no longer."""
        self._timer.cancel()

    def _catch_up(self, channel: Channel) -> None:
        after = channel.seq_of(self._session)
        missed = channel.release(self._session)
        if missed is None:
            self._session.restart(channel)
        elif missed:
            events = [_record.decode(payload) for payload in missed]
            self._session.node.conflated += channel.seq - after - len(events)
            self._session.send(Conflated(channel=channel.name, after=after, seq=channel.seq, events=events))

    def _look_later(self) -> asyncio.TimerHandle:
        seconds = self._session.node.settings.hub_slow_reader_seconds / _LOOKS
        return asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        now, taken = asyncio.get_running_loop().time(), self._session.taken
        if taken > self._taken:
            self._taken, self._since = taken, now
        elif now - self._since >= self._session.node.settings.hub_slow_reader_seconds:
            log.info("slow_reader_closed", connection=str(self._session.id))
            self._session.close(CloseCode.SLOW_READER)
            return
        self._timer = self._look_later()
