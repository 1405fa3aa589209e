"""Pings for all sockets from one timer."""

import asyncio
from typing import Protocol

_SPOKES = 16


class Living(Protocol):
    """A socket that can be asked for a sign of life."""

    def check_alive(self, now: float, timeout: float) -> None:
        """Ping it if it was quiet; end it if it left a ping unanswered for ``timeout`` seconds."""


class Keepalive:
    """A wheel: the sockets are spread over its spokes, and each is looked at once an interval.

    A timer per socket would cost 200 bytes and a heap operation each, and would ping all screens of a clinic in the
    same millisecond after a restart. A dead peer is found after one to two intervals plus the timeout.
    """

    __slots__ = ("_interval", "_loop", "_spoke", "_spokes", "_timeout", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float | None, timeout: float | None) -> None:
        """Seconds; without an interval nobody is pinged, without a timeout nobody is ended."""
        self._loop = loop
        self._interval = interval
        self._timeout = float("inf") if timeout is None else timeout
        self._spokes: list[set[Living]] = [set() for _ in range(_SPOKES)]
        self._spoke = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, socket: Living) -> None:
        """Look after this socket."""
        if self._interval:
            min(self._spokes, key=len).add(socket)
            self._timer = self._timer or self._loop.call_later(self._interval / _SPOKES, self._turn)

    def remove(self, socket: Living) -> None:
        """Look after it no longer; not to have looked after it is fine."""
        for spoke in self._spokes:
            spoke.discard(socket)

    def _turn(self) -> None:
        assert self._interval
        self._timer = None
        if any(self._spokes):
            self._timer = self._loop.call_later(self._interval / _SPOKES, self._turn)
        self._spoke = (self._spoke + 1) % _SPOKES
        now = self._loop.time()
        for socket in tuple(self._spokes[self._spoke]):
            socket.check_alive(now, self._timeout)
