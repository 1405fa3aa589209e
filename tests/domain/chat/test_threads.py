"""Threads: who gets one with whom, their states, and everybody's own list of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import SQLAlchemyError

from core.actor import Actor, Role
from core.errors import Authorization, Validation
from core.ids import new_id
from core.runtime import Runtime
from core.unit_of_work import UnitOfWork
from domain.chat import actions, queries
from domain.chat.errors import DoctorNotFound, NoAdvisorAvailable, PatientNotFound, ThreadNotFound
from domain.chat.rules import StatusChange, ThreadKind, ThreadStatus
from models import Message, Patient, User
from tests.domain.chat.builders import add_user, create_talk, create_user, events_of, id_of, say


@asynccontextmanager
async def _without_advisors(runtime: Runtime) -> AsyncIterator[UnitOfWork]:
    """A transaction that sees no advisor of any other test, and is rolled back."""
    async with runtime.database.session() as session:
        await session.execute(update(User).where(User.role == Role.ADVISOR).values(is_active=False))
        yield UnitOfWork(session, await add_user(session, Role.PATIENT))
        await session.rollback()


async def _participants(unit: UnitOfWork, thread_id: UUID) -> set[UUID | None]:
    found = await queries.participants_of(unit.session, [thread_id])
    return {person.user_id for people in found.values() for person in people}


async def test_support_goes_to_the_least_busy_active_advisor(runtime: Runtime) -> None:
    async with _without_advisors(runtime) as unit:
        advisors = {id_of(await add_user(unit.session, Role.ADVISOR)) for _ in range(3)}
        chosen = []
        for _ in range(6):
            unit.actor = await add_user(unit.session, Role.PATIENT)
            thread, is_new = await actions.initiate_support(unit)
            assert is_new
            chosen += [who for who in await _participants(unit, thread.id) if who in advisors]
        assert [chosen.count(advisor) for advisor in advisors] == [2, 2, 2]


async def test_without_an_advisor_support_is_refused_by_name(runtime: Runtime) -> None:
    async with _without_advisors(runtime) as unit:
        with pytest.raises(NoAdvisorAvailable):
            await actions.initiate_support(unit)


async def test_a_patient_keeps_the_open_support_thread_and_gets_a_new_one_after_it_was_closed(runtime: Runtime) -> None:
    patient = await create_user(runtime, Role.PATIENT)
    await create_user(runtime, Role.ADVISOR)
    async with runtime.transactions.begin(patient) as unit:
        first, _ = await actions.initiate_support(unit)
    async with runtime.transactions.begin(patient) as unit:
        again, is_new = await actions.initiate_support(unit)
        assert (again.id, is_new) == (first.id, False)
        await actions.set_status(unit, first.id, StatusChange.CLOSED)
    async with runtime.transactions.begin(patient) as unit:
        third, is_new = await actions.initiate_support(unit)
    assert is_new
    assert third.id != first.id


async def test_asking_for_support_many_times_at_once_makes_one_thread(runtime: Runtime) -> None:
    patient = await create_user(runtime, Role.PATIENT)
    await create_user(runtime, Role.ADVISOR)

    async def ask() -> actions.SupportThread:
        async with runtime.transactions.begin(patient) as unit:
            return await actions.initiate_support(unit)

    asked = await asyncio.gather(*(ask() for _ in range(10)))
    assert len({thread.id for thread, _ in asked}) == 1
    assert sum(is_new for _, is_new in asked) == 1


@pytest.mark.parametrize("role", [role for role in Role if role != Role.PATIENT])
async def test_only_patients_ask_for_support(runtime: Runtime, role: Role) -> None:
    somebody = await create_user(runtime, role)
    with pytest.raises(Authorization):
        async with runtime.transactions.begin(somebody) as unit:
            await actions.initiate_support(unit)


async def test_a_patient_and_a_doctor_open_care_threads_with_each_other(runtime: Runtime) -> None:
    patient, doctor = await create_user(runtime, Role.PATIENT), await create_user(runtime, Role.DOCTOR)
    patient_id = new_id()
    async with runtime.transactions.begin(patient) as unit:
        unit.session.add(Patient(id=patient_id, user_id=patient.user_id, name=patient.name))
        by_patient = await actions.open_thread(unit, doctor_id=doctor.user_id, subject="Knee")
    async with runtime.transactions.begin(doctor) as unit:
        by_doctor = await actions.open_thread(unit, patient_id=patient_id)
        both = {patient.user_id, doctor.user_id}
        assert await _participants(unit, by_patient.id) == await _participants(unit, by_doctor.id) == both
    assert (by_patient.kind, by_patient.subject, by_patient.status) == ("care", "Knee", "open")


async def test_a_care_thread_needs_a_doctor_and_a_patient_with_an_account(runtime: Runtime) -> None:
    patient, doctor = await create_user(runtime, Role.PATIENT), await create_user(runtime, Role.DOCTOR)
    without_account = new_id()
    async with runtime.transactions.begin() as unit:
        unit.session.add(Patient(id=without_account, name="Ada"))
    async with runtime.database.session() as session:
        with pytest.raises(DoctorNotFound):
            await actions.open_thread(UnitOfWork(session, patient), doctor_id=patient.user_id)
        with pytest.raises(PatientNotFound):
            await actions.open_thread(UnitOfWork(session, doctor), patient_id=without_account)
        for actor in (patient, doctor):
            with pytest.raises(Validation):
                await actions.open_thread(UnitOfWork(session, actor))
        for role in (Role.ADVISOR, Role.STAFF, Role.ADMIN):
            with pytest.raises(Authorization):
                await actions.open_thread(UnitOfWork(session, replace(doctor, role=role)), patient_id=without_account)


async def test_closing_is_told_to_the_thread_once_and_archiving_to_nobody(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    for change in (StatusChange.ARCHIVED, StatusChange.CLOSED, StatusChange.CLOSED, StatusChange.OPEN):
        async with runtime.transactions.begin(talk.other) as unit:
            await actions.set_status(unit, talk.id, change)
    entries = await events_of(runtime, talk)
    assert [entry.data for entry in entries] == [b'{"status": "closed"}', b'{"status": "open"}']
    async with runtime.database.session() as session:
        mine = await queries.get_thread(session, talk.id, id_of(talk.other))
        theirs = await queries.get_thread(session, talk.id, id_of(talk.patient))
        assert (mine.archived, theirs.archived) == (True, False)
        shown, total = await queries.list_threads(session, id_of(talk.other), page=1, limit=10, include_archived=False)
        assert (shown, total) == ([], 0)
    async with runtime.transactions.begin(talk.other) as unit:
        await actions.set_status(unit, talk.id, StatusChange.UNARCHIVED)
    async with runtime.database.session() as session:
        assert not (await queries.get_thread(session, talk.id, id_of(talk.other))).archived


async def test_strangers_neither_change_nor_see_a_thread(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    stranger = await create_user(runtime, Role.ADMIN)
    async with runtime.database.session() as session:
        for change in StatusChange:
            with pytest.raises(ThreadNotFound):
                await actions.set_status(UnitOfWork(session, stranger), talk.id, change)
        with pytest.raises(ThreadNotFound):
            await queries.get_thread(session, talk.id, id_of(stranger))
        assert not await queries.may_read(session, stranger, talk.id)
        assert not await queries.may_read(session, Actor(), talk.id)
        assert not await queries.may_read(session, talk.patient, new_id())
        assert await queries.may_read(session, talk.patient, talk.id)


async def test_the_list_has_the_newest_talk_first_with_its_last_message_and_unread_count(runtime: Runtime) -> None:
    advisor = await create_user(runtime, Role.ADVISOR)
    talks = [await create_talk(runtime, other=advisor) for _ in range(3)]
    for talk in (talks[1], talks[2], talks[0]):
        await say(runtime, talk, talk.patient, f"First of {talk.id}")
    await say(runtime, talks[0], talks[0].patient, "Second")
    await say(runtime, talks[2], advisor, "An answer, so all before it was read")
    async with runtime.database.session() as session:
        views, total = await queries.list_threads(session, id_of(advisor), page=1, limit=2)
        rest, _ = await queries.list_threads(session, id_of(advisor), page=2, limit=2)
        created, _ = await queries.list_threads(session, id_of(advisor), page=1, limit=3, sort="created")
        assert await queries.unread_total(session, id_of(advisor)) == 3
    assert [view.thread.id for view in [*views, *rest]] == [talks[2].id, talks[0].id, talks[1].id]
    assert [view.unread_count for view in [*views, *rest]] == [0, 2, 1]
    assert [view.last_message.body if view.last_message else "" for view in views] == [
        "An answer, so all before it was read",
        "Second",
    ]
    assert [view.thread.id for view in created] == [talk.id for talk in reversed(talks)]
    assert total == 3
    assert {person.name for person in views[0].participants} == {advisor.name, talks[2].patient.name}


async def test_the_list_takes_the_same_number_of_queries_however_long_it_is(runtime: Runtime) -> None:
    advisor = await create_user(runtime, Role.ADVISOR)
    counts = []
    for _ in range(2):
        for _ in range(3):
            talk = await create_talk(runtime, other=advisor)
            await say(runtime, talk, talk.patient, "Hello")
        counts.append(await _queries_of_list(runtime, advisor))
    assert counts[0] == counts[1] <= 4


async def _queries_of_list(runtime: Runtime, actor: Actor) -> int:
    statements: list[str] = []
    engine = runtime.database.engine.sync_engine

    def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        async with runtime.database.session() as session:
            await queries.list_threads(session, id_of(actor), page=1, limit=100)
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return len(statements)


async def test_the_list_is_filtered_by_state_and_by_what_was_said(runtime: Runtime) -> None:
    advisor = await create_user(runtime, Role.ADVISOR)
    knee, visa = [await create_talk(runtime, ThreadKind.SUPPORT, other=advisor) for _ in range(2)]
    await say(runtime, knee, knee.patient, "My left knee hurts")
    await say(runtime, visa, visa.patient, "Do I need a visa? It's for O'Brien & sons: 100% :*")
    elsewhere = await create_talk(runtime)
    await say(runtime, elsewhere, elsewhere.patient, "My knee too")
    async with runtime.transactions.begin(advisor) as unit:
        await actions.set_status(unit, visa.id, StatusChange.CLOSED)

    async def found(search: str | None = None, status: ThreadStatus | None = None) -> list[object]:
        async with runtime.database.session() as session:
            views, total = await queries.list_threads(
                session, id_of(advisor), page=1, limit=10, search=search, status=status
            )
        assert total == len(views)
        return [view.thread.id for view in views]

    assert await found("KNEE") == await found("left kn") == [knee.id]
    assert await found("o'brien") == [visa.id]
    assert await found("knee", ThreadStatus.CLOSED) == await found("knee & visa") == await found("?:*!|") == []
    assert await found(status=ThreadStatus.OPEN) == [knee.id]
    assert await found(status=ThreadStatus.CLOSED) == [visa.id]


async def test_a_search_is_answered_by_the_index(runtime: Runtime) -> None:
    compiled = select(Message.id).where(queries.matches("left kn")).compile(runtime.database.engine.sync_engine)
    values = ", ".join(f"'{compiled.params[name]}'" for name in compiled.positiontup or ())
    async with runtime.database.session() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(f"PREPARE search AS {compiled}")
        # The plan that a statement gets in the long run. Among a test's few rows reading them all would be cheaper.
        await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = (await connection.exec_driver_sql(f"EXPLAIN EXECUTE search({values})")).scalars().all()
        await connection.exec_driver_sql("DEALLOCATE search")
    assert "ix_messages_body_search" in "\n".join(plan)


@pytest.mark.parametrize("search", ["\0", "\ud800", "x" * 201])
async def test_a_search_that_cannot_be_asked_is_refused(runtime: Runtime, search: str) -> None:
    async with runtime.database.session() as session:
        with pytest.raises(Validation):
            await queries.list_threads(session, new_id(), page=1, limit=10, search=search)


async def test_messages_are_read_page_by_page_newest_first(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    for number in range(7):
        await say(runtime, talk, talk.patient, f"Number {number} {'odd' if number % 2 else 'even'}")
    async with runtime.database.session() as session:
        first = await queries.list_messages(session, talk.id, limit=3)
        second = await queries.list_messages(session, talk.id, limit=4, before=first.next_cursor)
        odd = await queries.search_messages(session, talk.id, "number odd", limit=2)
    assert [message.seq for message in first.items] == [7, 6, 5]
    assert first.next_cursor == 5
    assert [message.seq for message in second.items] == [4, 3, 2, 1]
    assert second.next_cursor is None
    assert ([message.seq for message in odd.items], odd.next_cursor) == ([6, 4], 4)


async def test_a_snapshot_reads_one_moment_and_changes_nothing(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    for number in range(queries.SNAPSHOT_MESSAGES + 2):
        await say(runtime, talk, talk.patient, f"Number {number}")
    async with runtime.database.snapshot() as session:
        state = await queries.thread_snapshot(session, talk.id)
        assert [message.seq for message in state["messages"]] == list(range(3, queries.SNAPSHOT_MESSAGES + 3))
        assert state["thread"]["last_message"] == state["messages"][-1]
        assert not {"archived", "unread_count"} & state["thread"].keys()
        with pytest.raises(SQLAlchemyError):
            await session.execute(update(User).values(name="x"))
    async with runtime.database.snapshot() as session:
        with pytest.raises(ThreadNotFound):
            await queries.thread_snapshot(session, new_id())
