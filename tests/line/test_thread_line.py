"""The line rule of threads: a stale state and the events since make the same as a fresh snapshot."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import streams
from core.runtime import Runtime
from domain.chat import actions
from domain.chat.errors import ThreadClosed
from domain.chat.queries import SNAPSHOT_MESSAGES, thread_snapshot
from domain.chat.rules import StatusChange, ThreadKind
from tests.domain.chat.builders import Talk, create_talk, say
from tests.line.fold_thread import State, fold_thread

Step = tuple[str, int, Any]

_PEOPLE = st.integers(0, 1)
_STEPS = st.one_of(
    st.tuples(st.just("send"), _PEOPLE, st.text(min_size=1, max_size=20)),
    st.tuples(st.just("repeat"), _PEOPLE, st.none()),
    st.tuples(st.just("read"), _PEOPLE, st.integers(0, 25)),
    st.tuples(st.just("status"), _PEOPLE, st.sampled_from(StatusChange)),
)


async def _snapshot(runtime: Runtime, talk: Talk) -> tuple[State, int]:
    """The state as JSON and the sequence to which it belongs, seen at one moment."""
    async with runtime.database.snapshot() as session:
        state = msgspec.json.decode(msgspec.json.encode(await thread_snapshot(session, talk.id)))
        return state, (await streams.position(session, talk.channel)).seq


async def _fold_all(runtime: Runtime, talk: Talk, state: State, seq: int) -> State:
    async with runtime.database.session() as session:
        entries = (await streams.read(session, {talk.channel: seq}, 10_000))[talk.channel]
    assert [entry.seq for entry in entries] == list(range(seq + 1, seq + len(entries) + 1))
    for entry in entries:
        state = fold_thread(state, entry.name, msgspec.json.decode(entry.data))
    return state


class _Walk:
    """Two people who do things in a thread, one after the other."""

    def __init__(self, runtime: Runtime, talk: Talk) -> None:
        self._runtime = runtime
        self._talk = talk
        self._last: dict[int, tuple[str, str]] = {}

    async def step(self, step: Step) -> None:
        """A refusal rolls back, and must leave no trace in state or stream."""
        verb, who, value = step
        actor = (self._talk.patient, self._talk.other)[who]
        try:
            async with self._runtime.transactions.begin(actor) as unit:
                match verb:
                    case "send":
                        self._last[who] = str(uuid4()), f"“{value.translate(_STORABLE)}”"
                        await actions.send_message(unit, self._talk.id, *self._last[who])
                    case "repeat" if who in self._last:
                        await actions.send_message(unit, self._talk.id, *self._last[who])
                    case "read":
                        await actions.mark_read(unit, self._talk.id, value)
                    case "status":
                        await actions.set_status(unit, self._talk.id, value)
        except ThreadClosed:
            assert self._talk_is_care

    @property
    def _talk_is_care(self) -> bool:
        return self._talk.other.role == "doctor"


_STORABLE = {0: "0"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(ThreadKind),
    before=st.lists(_STEPS, max_size=12),
    after=st.lists(_STEPS, max_size=12),
)
async def test_a_stale_state_and_the_events_since_are_a_fresh_snapshot(
    runtime: Runtime, kind: ThreadKind, before: list[Step], after: list[Step]
) -> None:
    talk = await create_talk(runtime, kind)
    walk = _Walk(runtime, talk)
    for step in before:
        await walk.step(step)
    state, seq = await _snapshot(runtime, talk)
    for step in after:
        await walk.step(step)
    fresh, _ = await _snapshot(runtime, talk)
    assert await _fold_all(runtime, talk, state, seq) == fresh


async def test_snapshots_taken_while_people_write_belong_to_their_position(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    walk = _Walk(runtime, talk)
    steps: list[Step] = [
        ("status", n % 2, (StatusChange.OPEN, StatusChange.CLOSED)[n // 7 % 2])
        if n % 7 == 0
        else (("send", n % 2, f"{n}") if n % 3 else ("read", n % 2, n))
        for n in range(90)
    ]

    async def write() -> None:
        for start in range(0, len(steps), 5):
            await asyncio.gather(*(walk.step(step) for step in steps[start : start + 5]))

    writing = asyncio.create_task(write())
    stale = [await _snapshot(runtime, talk)]
    while not writing.done():
        stale.append(await _snapshot(runtime, talk))
    await writing
    fresh, head = await _snapshot(runtime, talk)
    assert len({seq for _, seq in stale}) > 3
    assert head > SNAPSHOT_MESSAGES
    for state, seq in stale:
        assert await _fold_all(runtime, talk, state, seq) == fresh


async def test_the_page_of_messages_slides(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    state, seq = await _snapshot(runtime, talk)
    for number in range(SNAPSHOT_MESSAGES + 3):
        await say(runtime, talk, talk.patient, f"Message {number}")
    folded = await _fold_all(runtime, talk, state, seq)
    assert folded == (await _snapshot(runtime, talk))[0]
    assert [message["seq"] for message in folded["messages"]] == list(range(4, SNAPSHOT_MESSAGES + 4))
