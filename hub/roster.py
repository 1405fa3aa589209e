"""Who is in one channel, decided without I/O: counted here, heard from other nodes, and put together.

A key is whoever is counted as one: a user's id in a thread, ``SCREEN`` on a board.
"""

from collections import Counter
from typing import Final

from core.presence import Counts

SCREEN: Final = ""
"""Whoever shows a board is not somebody in particular: they are counted under one key."""


class Roster:
    """What this node tells the others (``here``), and what they have told it (``there``).

    Who leaves is kept for a grace time: a page that is loaded again, or a socket that moves to another node, is no
    news. ``here`` grows at once, and shrinks when the grace time is over.
    """

    __slots__ = ("_grace", "_sockets", "here", "there")

    def __init__(self) -> None:
        """Nobody is there."""
        self._sockets: Counter[str] = Counter()
        self._grace: dict[str, float] = {}
        self.here: dict[str, int] = {}
        self.there: dict[str, dict[str, int]] = {}

    @property
    def is_empty(self) -> bool:
        """True when this node has nobody in it, and nobody in their grace time."""
        return not self._sockets and not self.here

    def join(self, key: str) -> bool:
        """One more socket. True when that is news: a second one of the same person is not."""
        self._sockets[key] += 1
        level, shown = self._level(key), self.here.get(key, 0)
        if level >= shown:
            self._grace.pop(key, None)
            self.here[key] = level
        return level > shown

    def leave(self, key: str, until: float) -> bool:
        """One less. True when ``let_go`` has to be asked at ``until``, the end of the grace time."""
        self._sockets[key] -= 1
        if self._sockets[key] <= 0:
            del self._sockets[key]
        if self._level(key) >= self.here.get(key, 0) or key in self._grace:
            return False
        self._grace[key] = until
        return True

    def let_go(self, key: str, until: float) -> bool:
        """The grace time that was to end then is over. True when somebody has gone for good."""
        if self._grace.get(key) != until:
            return False
        del self._grace[key]
        level = self._level(key)
        if level:
            self.here[key] = level
        else:
            del self.here[key]
        return True

    def hear(self, node: str, counts: Counts) -> None:
        """What another node has, all of it."""
        if counts:
            self.there[node] = dict(counts)
        else:
            self.there.pop(node, None)

    def forget(self, node: str) -> bool:
        """A node is gone. True when it had somebody here."""
        return self.there.pop(node, None) is not None

    def total(self) -> dict[str, int]:
        """All nodes together."""
        total = Counter(self.here)
        for counts in self.there.values():
            total.update(counts)
        return dict(total)

    def _level(self, key: str) -> int:
        """A person is there or not, with however many sockets; screens are counted."""
        return self._sockets[key] if key == SCREEN else min(self._sockets[key], 1)
