"""Handshakes take turns with the sockets that are open."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

TURN_SECONDS: Final = 0.004
"""What handshakes may take of a turn of the loop. What follows one (sign-in, ``hello``, the answer) takes as long again
and more, so that a message to an open socket waits some ten milliseconds behind a crowd, and not behind all of it."""


class Admission:
    """In a storm thousands knock at once: they come in a few a turn, in their order. At other times nobody waits."""

    __slots__ = ("_is_due", "_loop", "_spent", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """One for each server."""
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._spent = 0.0
        self._is_due = False

    def admit(self, begin: Callable[[], None]) -> bool:
        """Begin now, or in a later turn; False when it has to wait."""
        if self._waiting or self._spent >= TURN_SECONDS:
            self._waiting.append(begin)
            return False
        self._run(begin)
        return True

    def _run(self, begin: Callable[[], None]) -> None:
        started = time.perf_counter()
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)
        begin()
        self._spent += time.perf_counter() - started

    def _turn(self) -> None:
        self._spent, self._is_due = 0.0, False
        while self._waiting and self._spent < TURN_SECONDS:
            self._run(self._waiting.popleft())
