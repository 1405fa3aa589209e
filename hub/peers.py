"""The other nodes, as one node sees them: whose mark changes lives, whose does not for too long is gone.

Decided without I/O and without clocks: silence is counted in looks, and a look that fails is none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

LOOKS_PER_TTL: Final = 3


@dataclass(slots=True)
class _Peer:
    mark: str
    silent_looks: int
    has_changed: bool

    def hear(self, mark: str) -> None:
        """The same mark as last time is silence."""
        if mark == self.mark:
            self.silent_looks += 1
            return
        self.has_changed |= mark.partition(".")[2] != self.mark.partition(".")[2]
        self.mark, self.silent_looks = mark, 0


class Peers:
    """Marks are ``{sign}.{version}``: the sign grows with each look of that node, the version with what it wrote."""

    def __init__(self, own_name: str) -> None:
        """Nobody is known yet."""
        self._own_name = own_name
        self._peers: dict[str, _Peer] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._peers)

    @property
    def names(self) -> set[str]:
        """All of them."""
        return set(self._peers)

    def met(self, name: str) -> None:
        """It was heard from; whether it lives, the next looks will tell."""
        self._peers.setdefault(name, _Peer("", 0, has_changed=True))

    def look(self, marks: Mapping[str, str]) -> Collection[str]:
        """Take in what a look has brought. Returns those that have been silent for too long; they are forgotten."""
        for name, mark in marks.items():
            if name != self._own_name:
                self._peers.setdefault(name, _Peer("", 0, has_changed=True)).hear(mark)
        for name in self._peers.keys() - marks.keys():
            self._peers[name].silent_looks += 1
        gone = [name for name, peer in self._peers.items() if peer.silent_looks >= LOOKS_PER_TTL]
        for name in gone:
            del self._peers[name]
        return gone

    @property
    def has_news(self) -> bool:
        """True when somebody has written what was not read."""
        return any(peer.has_changed for peer in self._peers.values())

    def take_changed(self) -> set[str]:
        """Those who have written something since it was last read; it will be read now."""
        changed = {name for name, peer in self._peers.items() if peer.has_changed}
        for name in changed:
            self._peers[name].has_changed = False
        return changed

    def doubt(self) -> None:
        """What they have told may have been missed: read it again."""
        for peer in self._peers.values():
            peer.has_changed = True
