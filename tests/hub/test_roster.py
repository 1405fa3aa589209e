"""Who is in one channel, without I/O: nobody flickers, nobody is forgotten, and who is gone is gone."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.settings import Settings
from hub.peers import LOOKS_PER_TTL, Peers
from hub.presence import COLLECT_SECONDS
from hub.roster import SCREEN, Roster

GRACE = 3.0

_KEYS = st.sampled_from(["ada", "bob", SCREEN])
_STEPS = st.lists(st.tuples(st.sampled_from(["join", "leave", "wait"]), _KEYS, st.floats(0, 2)), max_size=60)


class Walk:
    """A roster, a clock, and the sockets that are really there."""

    def __init__(self) -> None:
        self.roster = Roster()
        self.at = 0.0
        self.sockets: Counter[str] = Counter()
        self.due: list[tuple[float, str]] = []
        self.last_there: dict[str, float] = {}

    def step(self, verb: str, key: str, seconds: float) -> None:
        """One of the steps of a test."""
        if verb == "join":
            self.sockets[key] += 1
            self.roster.join(key)
        elif verb == "leave" and self.sockets[key]:
            self.sockets[key] -= 1
            self.last_there[key] = self.at
            if self.roster.leave(key, self.at + GRACE):
                self.due.append((self.at + GRACE, key))
        elif verb == "wait":
            self.at += seconds
            for until, name in [entry for entry in self.due if entry[0] <= self.at]:
                self.due.remove((until, name))
                self.roster.let_go(name, until)

    def level(self, key: str) -> int:
        """How many should be counted, without any grace."""
        return self.sockets[key] if key == SCREEN else min(self.sockets[key], 1)


@given(_STEPS)
def test_who_is_there_is_shown_and_who_left_a_moment_ago_still_is(steps: list[tuple[str, str, float]]) -> None:
    walk = Walk()
    for step in steps:
        walk.step(*step)
        for key in ("ada", "bob", SCREEN):
            shown = walk.roster.here.get(key, 0)
            assert shown >= walk.level(key), "nobody who is there is missing"
            if key != SCREEN and walk.at - walk.last_there.get(key, -GRACE) < GRACE:
                assert shown == 1, "a short leave does not show"
    walk.step("wait", SCREEN, GRACE)
    assert walk.roster.here == {key: walk.level(key) for key in walk.sockets if walk.level(key)}
    assert walk.due == []
    assert walk.roster.is_empty == (not any(walk.sockets.values()))


@given(
    here=st.lists(_KEYS),
    there=st.dictionaries(st.sampled_from(["node b", "node c"]), st.dictionaries(_KEYS, st.integers(1, 9))),
)
def test_all_nodes_together(here: list[str], there: dict[str, dict[str, int]]) -> None:
    roster = Roster()
    for key in here:
        roster.join(key)
    for node, counts in there.items():
        roster.hear(node, counts)
    alone = dict(roster.here)
    for key in ("ada", "bob", SCREEN):
        expected = alone.get(key, 0) + sum(counts.get(key, 0) for counts in there.values())
        assert roster.total().get(key, 0) == expected
    assert sum(roster.forget(node) for node in there) == sum(map(bool, there.values()))
    assert roster.total() == alone


def test_a_node_is_gone_after_three_looks_without_a_sign() -> None:
    peers = Peers("me")
    assert peers.look({"me": "1.0", "other": "1.0"}) == []
    assert peers.names == {"other"}
    assert peers.take_changed() == {"other"}
    for _ in range(LOOKS_PER_TTL - 1):
        assert peers.look({"other": "1.0"}) == []
    assert peers.look({"other": "2.0"}) == []
    assert peers.take_changed() == set(), "a sign alone is no news"
    assert peers.look({"other": "3.1"}) == []
    assert peers.take_changed() == {"other"}
    # Redis was emptied: a node that is not listed is silent as well, and no more than that.
    looks = [list(peers.look({})) for _ in range(LOOKS_PER_TTL)]
    assert looks == [[]] * (LOOKS_PER_TTL - 1) + [["other"]]
    assert len(peers) == 0


def test_a_killed_node_is_gone_within_thirty_seconds() -> None:
    """The sign may be as old as one look when the node dies, and the other node looks three times more."""
    field = Settings.model_fields["hub_presence_ttl_seconds"]
    assert field.default <= 30
    (most,) = [limit.le for limit in field.metadata if hasattr(limit, "le")]
    assert most * (LOOKS_PER_TTL + 1) / LOOKS_PER_TTL + COLLECT_SECONDS < 30
