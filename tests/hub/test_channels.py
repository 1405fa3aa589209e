"""A channel delivers each event once and in order, whatever arrives in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from hub.channels import Channel

EPOCH = "e1"


class Screen:
    """A member that keeps what it was sent."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send_frame(self, frame: bytes) -> None:
        """Keep it."""
        self.frames.append(frame)

    @property
    def seqs(self) -> list[int]:
        """The payloads of these tests are their sequence numbers."""
        return [int(frame.rpartition(b"#")[2]) for frame in self.frames]


def payload(seq: int) -> bytes:
    """Stands in for the JSON of an event."""
    return b"#%d" % seq


def make_channel(gaps: list[str], *, ring_size: int = 8) -> tuple[Channel, Screen]:
    """A channel with one screen."""
    channel = Channel("board:x", ring_size, lambda gap: gaps.append(gap.name))
    screen = Screen()
    channel.members[screen] = None
    return channel, screen


@given(
    start=st.integers(0, 5),
    arrivals=st.lists(st.integers(1, 30), max_size=80),
    early=st.lists(st.integers(1, 30), max_size=10),
)
def test_delivery_is_in_order_without_gap_or_repeat(start: int, arrivals: list[int], early: list[int]) -> None:
    gaps: list[str] = []
    channel, screen = make_channel(gaps)
    for seq in early:
        channel.offer(EPOCH, seq, payload(seq))
    assert screen.frames == []
    channel.place(EPOCH, start)
    for seq in arrivals:
        is_next = seq == channel.seq + 1
        assert channel.offer(EPOCH, seq, payload(seq)) is is_next
    assert screen.seqs == list(range(start + 1, channel.seq + 1))
    ahead = [seq for seq in (*early, *arrivals) if seq > channel.seq]
    assert not ahead or gaps, "a later event that cannot be delivered must be noted as a gap"


@given(events=st.integers(0, 30), since=st.integers(0, 35))
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


def test_another_epoch_is_a_question_for_postgres() -> None:
    gaps: list[str] = []
    channel, screen = make_channel(gaps)
    channel.place(EPOCH, 3)
    assert not channel.offer("e2", 4, payload(4))
    assert gaps == ["board:x"]
    assert screen.frames == []


def test_the_first_event_tells_the_epoch() -> None:
    channel, screen = make_channel([])
    channel.place("0", 0)
    assert channel.offer("e9", 1, payload(1))
    assert channel.epoch == "e9"
    assert screen.seqs == [1]


def test_a_member_that_leaves_while_it_is_written_to() -> None:
    channel, screen = make_channel([])
    channel.place(EPOCH, 0)

    class Leaver:
        def send_frame(self, frame: bytes) -> None:
            channel.members.pop(self, None)

    channel.members = {Leaver(): None, screen: None}
    channel.offer(EPOCH, 1, payload(1))
    assert screen.seqs == [1]
    assert list(channel.members) == [screen]
