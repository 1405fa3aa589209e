"""Everything that a socket is sent in one turn of the loop goes to the kernel in one system call."""

import asyncio
from typing import Protocol


class Flushable(Protocol):
    """A socket with frames that wait for the end of the turn."""

    def flush(self) -> None:
        """Hand them to the transport."""


class JoinedWrites:
    """The sockets that were written to in this turn; one callback of the loop serves them all.

    Why not write at once: both loops make one system call of each write. Measured with 200 sockets of this protocol
    and frames of 304 bytes, CPU per delivery, written at once against joined: 50 frames a turn 4.9 against 0.4 us on
    uvloop and 5.4 against 0.3 on asyncio; 4 a turn 4.8 against 1.5, and 5.2 against 1.6; a single one 4.9 against
    5.2, and 5.9 against 6.0. ``writelines`` costs what ``b"".join`` does, and on uvloop a slow reader's buffer then
    holds references to frames shared by all sockets instead of copies.
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """One for each loop."""
        self._loop = loop
        self._waiting: list[Flushable] = []

    def add(self, socket: Flushable) -> None:
        """Flush this socket at the end of the turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(socket)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for socket in waiting:
            try:
                socket.flush()
            except Exception as error:  # noqa: BLE001 - one broken transport must not keep the others waiting
                self._loop.call_exception_handler({"message": "a socket could not be written to", "exception": error})
