"""A channel on this node: its position, a ring of recent events, and the sockets that follow it.

``offer`` is the one way in, for events from Redis and for those read from Postgres alike: the next one is delivered,
an older one dropped, a later one tells of a gap.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from hub.conflation import Conflation
from hub.joined_writes import JoinedWrites, Outlet
from hub.wire import text_frame


class Member(Protocol):
    """Somebody who follows a channel."""

    @property
    def outlet(self) -> Outlet | None:
        """Where its frames go; ``None`` once it is gone."""

    def send_signal(self, frame: bytes) -> None:
        """Write one that may as well get lost."""
        ...


class Seat(NamedTuple):
    """How a member counts in its channel (hub/presence.py).

    ``key`` is whom it is counted as, None for who is not counted; ``viewer`` the user who is told who else is there,
    None where nobody is told.
    """

    key: str | None = None
    viewer: UUID | None = None


UNSEEN: Final = Seat()


class Attendance(Protocol):
    """Who hears of members that come and go."""

    def joined(self, channel: "Channel", member: Member, seat: Seat) -> None:
        """It is a member from now on."""

    def left(self, channel: "Channel", member: Member, seat: Seat) -> None:
        """It was one, with that seat."""


class Channel:
    """Made when the first socket of this node wants it; gone some time after the last has left."""

    __slots__ = (
        "__weakref__",
        "_attendance",
        "_behind",
        "_conflation",
        "_ring",
        "_seats",
        "_writes",
        "deliveries",
        "early",
        "epoch",
        "idle_since",
        "members",
        "name",
        "on_gap",
        "seq",
    )

    def __init__(
        self,
        name: str,
        ring_size: int,
        on_gap: Callable[["Channel"], None],
        writes: JoinedWrites,
        attendance: Attendance | None = None,
    ) -> None:
        """``on_gap`` is called when events are known to be missing; it arranges ``offer`` of them."""
        self.name = name
        self.on_gap = on_gap
        self.epoch: str | None = None
        self.seq = 0
        self.members: dict[Member, Outlet] = {}
        """Those who have been given everything up to ``seq``."""
        self._behind: dict[Member, int] = {}
        self._conflation: Conflation | None = None
        self._writes = writes
        self._attendance = attendance
        # Of those who are counted or told; kept while they are behind.
        self._seats: dict[Member, Seat] = {}
        self.idle_since = 0.0
        self.deliveries = 0
        # What arrives between the subscription at Redis and the first position from Postgres.
        self.early: list[tuple[str, int, bytes]] = []
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=ring_size)

    @property
    def is_placed(self) -> bool:
        """True once the position is known."""
        return self.epoch is not None

    def place(self, epoch: str, seq: int) -> None:
        """Set the position, and take up what arrived before it was known."""
        self.epoch, self.seq = epoch, seq
        self._ring.clear()
        if self._conflation is not None:
            # Whoever is behind stands in numbers that count no more, and is told by ``on_restart``.
            self._conflation = Conflation(seq)
        early, self.early = self.early, []
        for arrived in early:
            self.offer(*arrived)

    def offer(self, epoch: str, seq: int, payload: bytes) -> bool:
        """An event that arrived: ``payload`` is the JSON of its ``event`` frame. True when it was delivered."""
        if not self.is_placed:
            self.early.append((epoch, seq, payload))
            return False
        if epoch != self.epoch:
            if self.seq != 0:
                # Another epoch after a restore: Postgres knows which is true.
                self.on_gap(self)
                return False
            self.epoch = epoch
        if seq <= self.seq:
            return False
        if seq > self.seq + 1:
            self.on_gap(self)
            return False
        self.seq = seq
        self._ring.append((seq, payload))
        if self._conflation is not None:
            self._conflation.add(seq, payload)
        self.broadcast(payload)
        return True

    def broadcast(self, payload: bytes) -> None:
        """One encoded frame for all sockets, at the end of this turn of the loop."""
        if self.members:
            self.deliveries += len(self.members)
            self._writes.broadcast(self, text_frame(payload))

    def join(self, member: Member, frames: Iterable[bytes], seat: Seat = UNSEEN) -> None:
        """Have it follow from here on, after those frames; ``seat`` says how it counts."""
        self.leave(member)
        if self._follow(member, frames) and seat != UNSEEN and self._attendance is not None:
            self._seats[member] = seat
            self._attendance.joined(self, member, seat)

    def leave(self, member: Member) -> None:
        """Follow no longer; not to have followed is fine."""
        self._unfollow(member)
        seat = self._seats.pop(member, None)
        if seat is not None and self._attendance is not None:
            self._attendance.left(self, member, seat)

    def _follow(self, member: Member, frames: Iterable[bytes]) -> bool:
        """False when it is gone already."""
        outlet = member.outlet
        if outlet is None:
            return False
        # What was broadcast in this turn is in its frames already.
        self._writes.deliver()
        for frame in frames:
            outlet.send_frame(frame)
        self.members[member] = outlet
        return True

    def _unfollow(self, member: Member) -> None:
        self.members.pop(member, None)
        self._behind.pop(member, None)
        if not self._behind:
            self._conflation = None

    def signal(self, payload: bytes) -> None:
        """One frame that nobody has to get; also for those who are behind, who keep the latest."""
        frame = text_frame(payload)
        self.deliveries += len(self.members)
        for member in self.followers:
            member.send_signal(frame)

    @property
    def followers(self) -> list[Member]:
        """Everybody, those who are behind included."""
        return [*self.members, *self._behind]

    @property
    def is_idle(self) -> bool:
        """True when nobody follows."""
        return not self.members and not self._behind

    def hold(self, member: Member) -> None:
        """Give this member nothing more until ``release``. It has been given all that there was."""
        self._writes.deliver()
        if member in self.members:
            del self.members[member]
            self._behind[member] = self.seq
            self._conflation = self._conflation or Conflation(self.seq)

    def release(self, member: Member) -> list[bytes] | None:
        """Let it follow again: the newest event of each thing since ``hold``, oldest first, which the caller sends.

        None when that is not known any more: the member needs the whole state.
        """
        after, conflation = self._behind.get(member), self._conflation
        if after is None or conflation is None:
            return []
        self._unfollow(member)
        if not self._follow(member, []):
            self.leave(member)
        return conflation.after(after)

    def seq_of(self, member: Member) -> int:
        """Up to where that member has been given everything."""
        return self._behind.get(member, self.seq)

    def since(self, seq: int) -> list[bytes] | None:
        """The events after ``seq``, oldest first; None when the ring does not go back so far."""
        if seq >= self.seq:
            return []
        if not self._ring or self._ring[0][0] > seq + 1:
            return None
        return [payload for at, payload in self._ring if at > seq]
