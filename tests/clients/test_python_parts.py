"""The rules of the Python client without a network: positions, doubt, delays, and the journal of the outbox."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carebell_client import Draft, FileOutbox, Position, Presence, Snapshot, StateChanged, Subscription
from carebell_client import subscription as subscription_module
from carebell_client.backoff import BASE_SECONDS, CAP_SECONDS, backoff, pause_after, verdict
from carebell_client.line import Ending
from hub.close_codes import CloseCode
from tests.support.web import eventually


class Asked:
    """A subscription, and the positions from which it has asked."""

    def __init__(self) -> None:
        self.positions: list[Position | None] = []
        self.subscription = Subscription("board:1", self._ask, lambda _: None)

    def _ask(self, subscription: Subscription) -> str:
        self.positions.append(subscription.position)
        return str(len(self.positions))

    def answer(self, mode: str, seq: int, *, epoch: str = "e", **more: Any) -> None:
        frame = {"id": str(len(self.positions)), "epoch": epoch, "seq": seq, "mode": mode, **more}
        self.subscription.subscribed(frame, trusted=True)

    async def read(self, count: int) -> list[Any]:
        """The next changes: numbers of events, states of snapshots, words of states."""
        changes = [await anext(self.subscription) for _ in range(count)]
        return [getattr(change, "state", None) or getattr(change, "seq", None) for change in changes]


def event(seq: int) -> dict[str, Any]:
    return {"seq": seq, "name": "ticket.removed", "at": "2026-01-01T00:00:00Z", "data": {"id": "1"}}


@pytest.fixture
async def asked() -> Asked:
    """At seq 4, live."""
    made = Asked()
    made.subscription.ask()
    made.answer("snapshot", 4, state={"tickets": []})
    assert [await anext(made.subscription), await anext(made.subscription)] == [
        Snapshot(4, {"tickets": []}),
        StateChanged("live"),
    ]
    return made


async def test_an_event_comes_once_and_in_its_turn(asked: Asked) -> None:
    for seq in (4, 5, 5, 3, 6):
        asked.subscription.event(event(seq))
    assert await asked.read(2) == [5, 6]
    assert asked.positions == [None]


async def test_a_gap_is_filled_from_the_position(asked: Asked) -> None:
    asked.subscription.event(event(6))
    asked.subscription.event(event(7))
    assert asked.positions == [None, Position("e", 4)]
    asked.answer("resume", 7, events=[event(5), event(6), event(7)])
    assert await asked.read(3) == [5, 6, 7]


def conflated(after: int, *seqs: int) -> dict[str, Any]:
    return {"after": after, "seq": seqs[-1], "events": [event(seq) for seq in seqs]}


async def test_a_slow_reader_takes_the_newest_of_each_thing(asked: Asked) -> None:
    """From wherever it stands within; and asks again from below."""
    asked.subscription.conflated(conflated(4, 6, 9))
    asked.subscription.event(event(10))
    asked.subscription.conflated(conflated(4, 6, 9))
    asked.subscription.conflated(conflated(8, 9, 10, 12))
    assert await asked.read(4) == [6, 9, 10, 12]
    assert len(asked.positions) == 1
    asked.subscription.conflated(conflated(13, 15))
    assert asked.positions[1:] == [Position("e", 12)]


async def test_a_head_that_is_ahead_is_a_gap(asked: Asked) -> None:
    asked.subscription.head(4)
    assert len(asked.positions) == 1
    asked.subscription.head(5)
    assert asked.positions == [None, Position("e", 4)]


@pytest.mark.parametrize(
    ("epoch", "seq", "events"), [("e", 7, [event(5)]), ("other", 4, []), ("e", 6, [event(6)])], ids=str
)
async def test_an_answer_that_does_not_lead_there_is_answered_by_asking_for_everything(
    asked: Asked, epoch: str, seq: int, events: list[dict[str, Any]]
) -> None:
    asked.subscription.head(9)
    asked.answer("resume", seq, epoch=epoch, events=events)
    assert asked.positions[-1] is None


async def test_an_answer_to_an_old_question_counts_for_nothing(asked: Asked) -> None:
    asked.subscription.disconnected()
    asked.subscription.ask()
    old = {"id": "1", "epoch": "e", "seq": 2, "mode": "snapshot", "state": {}}
    asked.subscription.subscribed(old, trusted=True)
    assert asked.subscription.position == Position("e", 4)


async def test_a_short_interruption_is_no_news_and_a_long_one_is(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.subscription.disconnected()
    asked.subscription.ask()
    asked.answer("live", 4)
    assert asked.subscription.state == "live"
    monkeypatch.setattr(subscription_module, "_GRACE_SECONDS", 0.01)
    asked.subscription.disconnected()
    await eventually(lambda: asked.subscription.state == "stale")
    assert await anext(asked.subscription) == StateChanged("stale")


async def test_who_reads_nothing_gets_a_snapshot_in_place_of_what_was_left_unread(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "_UNREAD_LIMIT", 10)
    for seq in range(5, 30):
        asked.subscription.event(event(seq))
    assert len(asked.positions) == 1
    assert await anext(asked.subscription) == StateChanged("stale")
    waiting = asyncio.ensure_future(anext(asked.subscription))
    await eventually(lambda: asked.positions == [None, None])
    asked.answer("snapshot", 29, state={"tickets": []})
    assert await waiting == Snapshot(29, {"tickets": []})
    asked.subscription.event(event(30))
    assert await asked.read(2) == ["live", 30]


@pytest.mark.parametrize("code", list(CloseCode), ids=lambda code: code.name)
def test_the_hundreds_of_a_close_code_say_what_to_do(code: CloseCode) -> None:
    advice = {40: "stop", 41: "slow", 42: "now"}.get(code // 100, "retry")
    assert verdict(code) == advice


def test_delays_are_drawn_below_a_ceiling_that_doubles() -> None:
    assert [backoff(attempt, lambda: 1.0) for attempt in range(3)] == [BASE_SECONDS, BASE_SECONDS * 2, BASE_SECONDS * 4]
    assert backoff(10_000, lambda: 1.0) == CAP_SECONDS
    assert backoff(3, lambda: 0.0) == 0


@pytest.mark.parametrize(
    ("ending", "attempt", "may_sign_in", "seconds"),
    [
        (Ending(1006, "broken"), 0, True, 0.5),
        (Ending(4200, "goodbye", 1.25), 3, True, 1.25),
        (Ending(4201, "resync"), 0, True, 0.0),
        (Ending(4201, "resync again"), 1, True, 1.0),
        (Ending(4101, "slow reader"), 0, True, 4.0),
        (Ending(4103, "HTTP 503", 9.0), 0, True, 9.0),
        (Ending(4001, "signed out"), 0, True, 0.5),
        (Ending(4001, "signed out"), 3, True, None),
        (Ending(4001, "nobody to sign in"), 0, False, None),
        (Ending(4002, "revoked"), 0, True, None),
    ],
    ids=str,
)
def test_how_long_to_stay_away(ending: Ending, attempt: int, may_sign_in: bool, seconds: float | None) -> None:
    assert pause_after(ending, attempt, may_sign_in=may_sign_in, random=lambda: 1.0) == seconds


def test_the_outbox_is_read_back_up_to_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = FileOutbox(path)
    for number in range(3):
        outbox.add(Draft(f"k{number}", "thread:1", f"line\n{number} ☂"))
    outbox.remove("k1")
    outbox.close()
    with path.open("a", encoding="utf-8") as journal:
        journal.write('{"key": "k3", "chan')
    again = FileOutbox(path)
    assert [(draft.key, draft.body) for draft in again.drafts()] == [("k0", "line\n0 ☂"), ("k2", "line\n2 ☂")]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


async def test_who_is_there_is_known_while_it_is_live(asked: Asked) -> None:
    subscription = asked.subscription

    def present() -> Presence | None:
        return subscription.present

    assert present() is None
    subscription.signal({"name": "presence", "data": {"screens": 2}})
    assert await anext(subscription) == Presence(screens=2)
    assert present() == Presence(screens=2)
    subscription.signal({"name": "presence", "data": {"user_ids": ["ada", "bob"]}})
    assert await anext(subscription) == Presence(frozenset({"ada", "bob"}))
    subscription.distrust()
    assert present() is None
    subscription.settle(trusted=True)
    assert present() == Presence(frozenset({"ada", "bob"})), "the line was there all the time"
    subscription.disconnected()
    assert present() is None
