"""A channel delivers each event once and in order, whatever arrives in whatever order."""

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hub.channels import Channel, Seat
from hub.conflation import Conflation, subject
from hub.joined_writes import joined_writes

EPOCH = "e1"


def in_a_loop(test: Callable[..., None]) -> Callable[..., None]:
    """Run it in a loop of its own, in a single turn, which is over when the test says ``end_turn``."""

    @wraps(test)
    def run(*arguments: object, **named: object) -> None:
        async def turn() -> None:
            test(*arguments, **named)

        asyncio.run(turn())

    return run


def end_turn() -> None:
    """What the loop does at the end of a turn."""
    joined_writes().flush()


class Screen:
    """A member that keeps what it was sent."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    @property
    def outlet(self) -> "Screen":
        """Itself."""
        return self

    def send_frame(self, frame: bytes) -> None:
        """Keep it."""
        self.frames.append(frame)

    def send_signal(self, frame: bytes) -> None:
        """Keep it as well."""
        self.frames.append(frame)

    def deliver(self, frames: list[bytes], joined: bytes) -> None:
        """Keep them."""
        assert joined == b"".join(frames)
        for frame in frames:
            self.send_frame(frame)

    @property
    def seqs(self) -> list[int]:
        """The payloads of these tests are their sequence numbers."""
        return [int(frame.rpartition(b"#")[2]) for frame in self.frames]


def payload(seq: int) -> bytes:
    """Stands in for the JSON of an event."""
    return b"#%d" % seq


def make_channel(gaps: list[str], *, ring_size: int = 8) -> tuple[Channel, Screen]:
    """A channel with one screen."""
    channel = Channel("board:x", ring_size, lambda gap: gaps.append(gap.name), joined_writes())
    screen = Screen()
    channel.join(screen, [])
    return channel, screen


@given(
    start=st.integers(0, 5),
    arrivals=st.lists(st.integers(1, 30), max_size=80),
    early=st.lists(st.integers(1, 30), max_size=10),
    turn=st.integers(1, 5),
)
@in_a_loop
def test_delivery_is_in_order_without_gap_or_repeat(
    start: int, arrivals: list[int], early: list[int], turn: int
) -> None:
    gaps: list[str] = []
    channel, screen = make_channel(gaps)
    for seq in early:
        channel.offer(EPOCH, seq, payload(seq))
    assert screen.frames == []
    channel.place(EPOCH, start)
    for count, seq in enumerate(arrivals):
        is_next = seq == channel.seq + 1
        assert channel.offer(EPOCH, seq, payload(seq)) is is_next
        if count % turn == 0:
            end_turn()
    end_turn()
    assert screen.seqs == list(range(start + 1, channel.seq + 1))
    ahead = [seq for seq in (*early, *arrivals) if seq > channel.seq]
    assert not ahead or gaps, "a later event that cannot be delivered must be noted as a gap"


@given(events=st.integers(0, 30), since=st.integers(0, 35))
@in_a_loop
def test_the_ring_gives_all_that_is_missing_or_nothing(events: int, since: int) -> None:
    channel, _ = make_channel([], ring_size=8)
    channel.place(EPOCH, 0)
    for seq in range(1, events + 1):
        channel.offer(EPOCH, seq, payload(seq))
    found = channel.since(since)
    if since >= events:
        assert found == []
    elif since >= events - 8:
        assert found == [payload(seq) for seq in range(since + 1, events + 1)]
    else:
        assert found is None


@in_a_loop
def test_another_epoch_is_a_question_for_postgres() -> None:
    gaps: list[str] = []
    channel, screen = make_channel(gaps)
    channel.place(EPOCH, 3)
    assert not channel.offer("e2", 4, payload(4))
    end_turn()
    assert gaps == ["board:x"]
    assert screen.frames == []


@in_a_loop
def test_the_first_event_tells_the_epoch() -> None:
    channel, screen = make_channel([])
    channel.place("0", 0)
    assert channel.offer("e9", 1, payload(1))
    end_turn()
    assert channel.epoch == "e9"
    assert screen.seqs == [1]


@in_a_loop
def test_a_member_that_leaves_while_it_is_written_to() -> None:
    channel, screen = make_channel([])
    channel.place(EPOCH, 0)

    class Leaver(Screen):
        def send_frame(self, frame: bytes) -> None:
            channel.leave(self)

    channel.join(Leaver(), [])
    channel.offer(EPOCH, 1, payload(1))
    end_turn()
    assert screen.seqs == [1]
    assert list(channel.members) == [screen]


def ticket(seq: int, about: int, *, is_removal: bool = False) -> bytes:
    """The JSON of an event about that ticket."""
    name, data = ("removed", b'{"id":"%d"}') if is_removal else ("upserted", b'{"ticket":{"id":"%%d","seq":%d}}' % seq)
    return b'{"type":"event","seq":%d,"name":"ticket.%s","data":%s}' % (seq, name.encode(), data % about)


def fold(state: dict[str, Any], events: list[bytes]) -> dict[str, Any]:
    """A board of tickets after those events."""
    tickets = dict(state)
    for event in map(msgspec.json.decode, events):
        if event["name"] == "ticket.removed":
            tickets.pop(event["data"]["id"], None)
        else:
            tickets[event["data"]["ticket"]["id"]] = event["data"]["ticket"]
    return tickets


@given(
    changes=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=30),
    holds=st.lists(st.integers(0, 30), min_size=1, max_size=3),
    turn=st.integers(1, 4),
)
@in_a_loop
def test_the_newest_of_each_thing_makes_the_same_board(
    changes: list[tuple[int, bool]], holds: list[int], turn: int
) -> None:
    """Whoever fell behind, and whenever: what it is given in the end leads to where all events lead."""
    channel, _ = make_channel([])
    channel.place(EPOCH, 0)
    events = [ticket(seq, about, is_removal=removal) for seq, (about, removal) in enumerate(changes, 1)]
    slow = {Screen(): at for at in holds}
    for screen in slow:
        channel.join(screen, [])
    for seq, event in enumerate(events, 1):
        for screen, at in slow.items():
            if at == seq - 1:
                channel.hold(screen)
        channel.offer(EPOCH, seq, event)
        if seq % turn == 0:
            end_turn()
    end_turn()
    for screen, at in slow.items():
        assert len(screen.frames) == min(at, len(events))
        assert channel.seq_of(screen) == min(at, len(events))
        missed = channel.release(screen)
        assert missed is not None
        assert fold(fold({}, events[:at]), missed) == fold({}, events)
        seqs = [msgspec.json.decode(event)["seq"] for event in missed]
        assert seqs == sorted(set(seqs))
        assert len(seqs) <= 4, "one event for each thing"
        assert seqs[-1:] == ([len(events)] if at < len(events) else [])
    assert set(channel.members) >= set(slow)


@in_a_loop
def test_who_is_behind_gets_signals_and_keeps_the_channel() -> None:
    channel, screen = make_channel([])
    channel.place(EPOCH, 0)
    channel.hold(screen)
    channel.signal(b"#7")
    assert screen.seqs == [7]
    assert channel.followers == [screen]
    channel.leave(screen)
    assert channel.release(screen) == []
    assert channel.is_idle, "who has left is not let in again"


def test_more_than_may_be_kept_is_not_kept_in_part() -> None:
    kept = Conflation(4, most=200)
    for seq in (5, 6, 7):
        kept.add(seq, ticket(seq, about=seq))
    assert kept.after(4) is None
    assert kept.after(5) == [ticket(6, about=6), ticket(7, about=7)]


def test_an_event_about_nothing_is_worth_keeping() -> None:
    events = [b'{"seq":%d,"name":"queue.paused","data":{"by":"rain"}}' % seq for seq in (1, 2)]
    assert len({subject(event) for event in events}) == 2
    assert subject(ticket(1, about=3)) == subject(ticket(2, about=3, is_removal=True))
    assert subject(ticket(1, about=3)) != subject(ticket(2, about=4))


@in_a_loop
def test_who_joins_in_the_middle_of_a_turn_gets_what_comes_after() -> None:
    """The first event of the turn is in its answer, so that it must not come again."""
    channel, screen = make_channel([])
    channel.place(EPOCH, 0)
    channel.offer(EPOCH, 1, payload(1))
    late = Screen()
    channel.join(late, [b"answer#1"])
    channel.offer(EPOCH, 2, payload(2))
    end_turn()
    assert screen.seqs == [1, 2]
    assert late.frames[0] == b"answer#1"
    assert late.seqs == [1, 2]


@in_a_loop
def test_who_falls_behind_is_there_all_the_time() -> None:
    """A slow screen is a screen: it is counted once when it comes, and goes when it leaves."""
    told: list[str] = []

    class Book:
        def joined(self, channel: Channel, member: object, seat: Seat) -> None:
            told.append(f"joined {seat.key}")

        def left(self, channel: Channel, member: object, seat: Seat) -> None:
            told.append(f"left {seat.key}")

    channel, screen = Channel("board:x", 8, lambda _: None, joined_writes(), Book()), Screen()
    channel.place(EPOCH, 0)
    channel.join(screen, [], Seat("a screen"))
    channel.hold(screen)
    assert channel.release(screen) == []
    channel.hold(screen)
    assert told == ["joined a screen"]
    channel.join(screen, [], Seat("a screen"))
    channel.leave(screen)
    channel.leave(screen)
    assert told == ["joined a screen", "left a screen", "joined a screen", "left a screen"]
