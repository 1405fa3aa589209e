"""Joined sends: the same as one by one, each answered on its own, whatever happens to the transaction."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from core import events, streams
from core.actor import ANONYMOUS, Actor, Role
from core.errors import IdempotencyKeyReused, Refusal, Unavailable
from core.ids import new_id
from core.runtime import Runtime
from core.settings import Settings
from core.tasks import NoTasks
from core.unit_of_work import Transactions, UnitOfWork
from domain.chat import actions
from domain.chat.events import MessageAppended
from domain.chat.rules import StatusChange, ThreadKind
from domain.chat.sending import Draft, SentMessage
from hub.joiner import SendJoiner
from models import Message, Stream, StreamEvent
from tests.domain.chat.builders import Talk, create_talk, create_user, events_of, id_of, say
from tests.support.web import WAIT_SECONDS


class Wanted(NamedTuple):
    """A send by index: who (nobody is the last), in which thread (the last does not exist), under which key."""

    sender: int
    thread: int
    key: int
    body: str


class World(NamedTuple):
    """Four senders and five threads: open, open, closed support, closed care, and one that does not exist."""

    senders: list[Actor]
    talks: list[Talk]

    def draft(self, wanted: Wanted, key: str) -> Draft:
        """As it goes to the joiner."""
        return Draft(self.senders[wanted.sender], self.talks[wanted.thread].id, key, wanted.body)


_SENDS = st.lists(
    st.builds(
        Wanted,
        st.sampled_from([0, 0, 1, 1, 2, 3]),
        st.sampled_from([0, 0, 1, 1, 2, 2, 3, 4]),
        st.integers(0, 5),
        st.sampled_from(["one", "one", " one", "two", "", "a\0b"]),
    ),
    max_size=40,
)


async def _world(runtime: Runtime) -> World:
    patient = await create_user(runtime, Role.PATIENT)
    advisor = await create_user(runtime, Role.ADVISOR)
    talks = [await create_talk(runtime, ThreadKind.SUPPORT, patient, advisor) for _ in range(3)]
    talks.append(await create_talk(runtime, ThreadKind.CARE, patient, advisor))
    for talk in talks[2:]:
        async with runtime.transactions.begin(talk.other) as unit:
            await actions.set_status(unit, talk.id, StatusChange.CLOSED)
    talks.append(Talk(new_id(), patient, advisor))
    return World([patient, advisor, await create_user(runtime, Role.DOCTOR), ANONYMOUS], talks)


async def _one_by_one(runtime: Runtime, drafts: Sequence[Draft]) -> list[SentMessage | Refusal]:
    outcomes: list[SentMessage | Refusal] = []
    for draft in drafts:
        try:
            async with runtime.transactions.begin(draft.sender) as unit:
                outcomes.append(await actions.send_message(unit, draft.thread_id, draft.key, draft.body))
        except Refusal as refusal:
            outcomes.append(refusal)
    return outcomes


async def _joined(runtime: Runtime, drafts: Sequence[Draft], turns: int) -> list[SentMessage | Refusal]:
    """All in the first turn of the loop, or spread over that many."""
    joiner = SendJoiner(runtime.transactions)
    sent: list[asyncio.Future[SentMessage]] = []
    for number, draft in enumerate(drafts):
        sent.append(joiner.send(draft))
        for _ in range(number % turns):
            await asyncio.sleep(0.001)
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    await joiner.close()
    assert all(isinstance(outcome, SentMessage | Refusal) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, SentMessage | Refusal)]


def _plain(world: World, outcomes: Sequence[SentMessage | Refusal]) -> list[Any]:
    """Outcomes without what differs between two worlds."""
    threads = [talk.id for talk in world.talks]
    return [
        (one.is_new, threads.index(one.message.thread_id), one.message.seq, one.message.body)
        if isinstance(one, SentMessage)
        else type(one)
        for one in outcomes
    ]


async def _told(runtime: Runtime, world: World) -> list[list[Any]]:
    """Each thread's stream, without what differs between two worlds. Asserts that it has no gap."""
    people = {str(actor.user_id): number for number, actor in enumerate(world.senders)}
    found = []
    for talk in world.talks:
        entries = await events_of(runtime, talk)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        data = [msgspec.json.decode(entry.data) for entry in entries]
        async with runtime.database.session() as session:
            rows = await session.scalars(
                select(StreamEvent.actor)
                .join(Stream, Stream.id == StreamEvent.stream_id)
                .where(Stream.channel == talk.channel)
                .order_by(StreamEvent.seq)
            )
        told = [one.get("status") or (one["message"]["seq"], one["message"]["body"]) for one in data]
        found.append(list(zip(told, (people[actor] for actor in rows), strict=True)))
    return found


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wanted=_SENDS, turns=st.sampled_from([1, 1, 2, 3]))
async def test_joined_sends_are_the_same_as_those_one_by_one(
    runtime: Runtime, wanted: list[Wanted], turns: int
) -> None:
    joined, single = await _world(runtime), await _world(runtime)
    # Two transactions may be under way at once: which of two threads gets a key is then anybody's guess.
    keys = [f"{one.key}" if turns == 1 else f"{one.thread}-{one.key}" for one in wanted]
    drafts = [[world.draft(one, key) for one, key in zip(wanted, keys, strict=True)] for world in (joined, single)]
    outcomes = _plain(joined, await _joined(runtime, drafts[0], turns))
    assert outcomes == _plain(single, await _one_by_one(runtime, drafts[1]))
    assert await _told(runtime, joined) == await _told(runtime, single)


async def test_a_hundred_sends_at_once_are_a_few_transactions_and_in_order(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    outcomes = await _joined(runtime, [Draft(talk.patient, talk.id, f"{n}", f"{n}") for n in range(100)], 1)
    assert [one.message.seq for one in outcomes if isinstance(one, SentMessage)] == list(range(1, 101))
    async with runtime.database.session() as session:
        times = await session.scalars(
            select(StreamEvent.at).where(StreamEvent.data["message"]["thread_id"].astext == str(talk.id)).distinct()
        )
    assert len(times.all()) == 2, "one time a transaction"


async def test_one_key_in_many_threads_on_two_nodes_is_one_message_and_leaves_no_gap(runtime: Runtime) -> None:
    patient = await create_user(runtime, Role.PATIENT)
    talks = [await create_talk(runtime, patient=patient) for _ in range(8)]
    joiners = [SendJoiner(runtime.transactions) for _ in range(2)]
    key = str(uuid4())
    sends = [joiners[n % 2].send(Draft(patient, talk.id, key, "Hello")) for n, talk in enumerate(talks)]
    others = [joiners[n % 2].send(Draft(patient, talk.id, str(uuid4()), "Well?")) for n, talk in enumerate(talks)]
    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    await asyncio.gather(*others)
    assert [type(one) for one in outcomes].count(IdempotencyKeyReused) == 7
    seqs = [[entry.seq for entry in await events_of(runtime, talk)] for talk in talks]
    assert sorted(seqs) == [[1]] * 7 + [[1, 2]]


async def test_a_deadlock_is_tried_again_once(runtime: Runtime) -> None:
    """Somebody else holds the second key and waits for the first one."""
    talks = [await create_talk(runtime) for _ in range(2)]
    patient = talks[0].patient
    talks.append(await create_talk(runtime, patient=patient))
    joiner = SendJoiner(runtime.transactions)
    insert = text(
        "INSERT INTO messages (id, thread_id, seq, sender_id, key, body)"
        " VALUES (:id, :thread, 1000 + length(:key), :sender, :key, '')"
    )

    async def take(key: str) -> None:
        values = {"id": new_id(), "thread": talks[1].id, "sender": id_of(patient), "key": key}
        await session.execute(insert, values)

    async with runtime.database.session() as session:
        await take("second")
        sends = [joiner.send(Draft(patient, talks[n].id, key, "Hi")) for n, key in ((0, "first+"), (2, "second"))]
        await _until_somebody_waits(runtime)
        # Who waits longer is the victim: the joined transaction, unless this machine stood still for a second.
        with contextlib.suppress(DBAPIError):
            await take("first+")
        await session.rollback()
    sent = await asyncio.gather(*sends)
    assert [(one.is_new, one.message.seq) for one in sent] == [(True, 1), (True, 1)]


async def _until_somebody_waits(runtime: Runtime) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(WAIT_SECONDS), runtime.database.session() as session:
        while not await session.scalar(waiting):
            await session.rollback()
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def _failing_once() -> Iterator[None]:
    """Another room that fails in the middle of the first transaction with a message."""
    failures = iter([RuntimeError("no")])

    async def fail(_: UnitOfWork, __: MessageAppended) -> None:
        for failure in failures:
            raise failure

    events.reacts_to(MessageAppended)(fail)
    try:
        yield
    finally:
        events.forget_reaction(MessageAppended, fail)


async def test_a_fault_in_the_middle_reaches_everybody_and_leaves_nothing(runtime: Runtime) -> None:
    talks = [await create_talk(runtime) for _ in range(3)]
    joiner = SendJoiner(runtime.transactions)
    drafts = [Draft(talk.patient, talk.id, str(uuid4()), "Hello") for talk in talks for _ in range(2)]
    with _failing_once():
        outcomes = await asyncio.gather(*map(joiner.send, drafts), return_exceptions=True)
    assert [type(one) for one in outcomes] == [RuntimeError] * 6
    sent = await asyncio.gather(*map(joiner.send, drafts))
    assert [(one.is_new, one.message.seq) for one in sent] == [(True, 1), (True, 2)] * 3


async def test_without_postgres_every_send_is_refused_as_unavailable(settings: Settings, runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    away = Runtime(settings.model_copy(update={"database_url": SecretStr("postgresql://a:b@127.0.0.1:1/c")}), NoTasks())
    joiner = SendJoiner(Transactions(away.database, runtime.publisher, NoTasks()))
    sends = [joiner.send(Draft(talk.patient, talk.id, f"{n}", "Hello")) for n in range(3)]
    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(one) for one in outcomes] == [Unavailable] * 3
    await away.close()


async def test_who_stops_waiting_takes_nothing_back(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    joiner = SendJoiner(runtime.transactions)
    first, second = (joiner.send(Draft(talk.patient, talk.id, f"{n}", "Hello")) for n in range(2))
    first.cancel()
    assert (await second).message.seq == 2
    await joiner.close()


async def test_a_send_of_another_door_comes_in_between(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    joiner = SendJoiner(runtime.transactions)
    sends = [joiner.send(Draft(talk.patient, talk.id, f"{n}", f"{n}")) for n in range(5)]
    await asyncio.gather(*sends, say(runtime, talk, talk.other, "5"))
    async with runtime.database.session() as session:
        seqs = await session.scalars(select(Message.seq).where(Message.thread_id == talk.id).order_by(Message.seq))
        assert seqs.all() == [1, 2, 3, 4, 5, 6]
        assert (await streams.position(session, talk.channel)).seq == 6
