"""Commands to the hub and their answers, for as long as the connection lives."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from carebell_client.line import Frame, Line

Taker: TypeAlias = Callable[[Frame], None]


class Commands:
    """``line`` is the connection while commands may be sent. Ids never come twice, so that no answer is mistaken."""

    def __init__(self, repeat_all: Callable[[], None]) -> None:
        """``repeat_all`` is called when some commands, nobody knows which, were refused for haste."""
        self.line: Line | None = None
        self._repeat_all = repeat_all
        self._takers: dict[str, Taker] = {}
        self._last_id = 0

    @property
    def is_open(self) -> bool:
        """Whether commands reach the hub now."""
        return self.line is not None

    def open(self, line: Line) -> None:
        """Signed in."""
        self.line = line

    def close(self) -> None:
        """The connection is gone, and with it every answer that was under way."""
        self.line = None
        self._takers.clear()

    def write(self, frame: Frame) -> None:
        """Send a frame that needs no answer, or lose it."""
        if self.line is not None:
            self.line.send(frame)

    def ask(self, frame: Frame, taker: Taker) -> str:
        """Send a command; ``taker`` gets its ``ack`` or ``error``. Returns its id."""
        self._last_id += 1
        name = str(self._last_id)
        self._takers[name] = taker
        self.write({"id": name, **frame})
        return name

    def answered(self, frame: Frame) -> None:
        """An ``ack``, an ``error``, or a ``subscribed``, whose channel has taken it already."""
        if "id" in frame:
            taker = self._takers.pop(frame["id"], None)
            if taker is not None:
                taker(frame)
        elif "retry_after" in frame:
            # The hub counts frames before it reads them: a refusal for haste may not say whose it is.
            later(frame["retry_after"], self._repeat_all)


def later(seconds: float, work: Callable[[], None]) -> None:
    """Do it in so many seconds."""
    asyncio.get_running_loop().call_later(seconds, work)
