"""What people do in threads. Each function checks, changes and emits; the door commits."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from core.errors import Refusal, Validation
from core.unit_of_work import UnitOfWork
from domain.chat import people, policy, queries, rules
from domain.chat.errors import DoctorNotFound, NoAdvisorAvailable, OwnMessage, PatientNotFound
from domain.chat.events import (
    ReceiptUpdated,
    ThreadRead,
    ThreadUpdated,
    thread_channel,
)
from domain.chat.rules import StatusChange, ThreadKind, ThreadStatus
from domain.chat.sending import Draft, SentMessage, send_messages
from models import Message, Thread, ThreadParticipant, User


class SupportThread(NamedTuple):
    """``is_new`` is False where the patient had an open one already."""

    thread: Thread
    is_new: bool


async def open_thread(
    unit: UnitOfWork, *, doctor_id: UUID | None = None, patient_id: UUID | None = None, subject: str = ""
) -> Thread:
    """A new care thread: a patient names the doctor (a user id), a doctor names the patient (a patient id).

    Raises ``Authentication``, ``Authorization``, ``Validation``, ``DoctorNotFound``, ``PatientNotFound``.
    """
    user_id = policy.user_of(unit.actor)
    policy.check_may_open_care_thread(unit.actor)
    rules.check_text(subject, "The subject", rules.MAX_SUBJECT, least=0)
    if policy.asks_as_patient(unit.actor):
        other_id = await _doctor(unit, doctor_id)
    else:
        other_id = await _patient_user(unit, patient_id)
    return await _start(unit, ThreadKind.CARE, subject, user_id, other_id)


async def initiate_support(unit: UnitOfWork) -> SupportThread:
    """The patient's open thread with an advisor; a new one with the least busy advisor where there is none.

    Raises ``Authentication``, ``Authorization``, ``NoAdvisorAvailable``.
    """
    user_id = policy.user_of(unit.actor)
    policy.check_may_ask_support(unit.actor)
    # Two clicks at once: the second waits here, and then finds the thread of the first.
    await unit.session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    existing = await people.find_open_support_thread(unit.session, user_id)
    if existing is not None:
        return SupportThread(existing, is_new=False)
    advisor_id = await people.least_busy_advisor(unit.session)
    if advisor_id is None:
        raise NoAdvisorAvailable
    return SupportThread(await _start(unit, ThreadKind.SUPPORT, "", user_id, advisor_id), is_new=True)


async def send_message(unit: UnitOfWork, thread_id: UUID, key: str, body: str) -> SentMessage:
    """Write to a thread. A repeat under the sender's same ``key`` returns the first message and emits nothing.

    Raises ``Authentication``, ``Validation``, ``ThreadNotFound``, ``ThreadClosed``, ``IdempotencyKeyReused``.
    """
    [outcome] = await send_messages(unit, [Draft(unit.actor, thread_id, key, body)])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def mark_read(unit: UnitOfWork, thread_id: UUID, seq: int) -> int:
    """Move the caller's read pointer to ``seq``: never back, never past the last message. Returns where it stands.

    Emits nothing when nothing moved. Raises ``Authentication``, ``ThreadNotFound``.
    """
    user_id = policy.user_of(unit.actor)
    part = await queries.get_participation(unit.session, thread_id, user_id)
    if seq <= part.read_seq:
        return part.read_seq
    await queries.lock_thread(unit.session, thread_id, user_id)
    part = await queries.get_participation(unit.session, thread_id, user_id)
    read_seq = rules.read_up_to(part.read_seq, seq, await queries.last_seq(unit.session, thread_id))
    if read_seq > part.read_seq:
        part.read_seq = read_seq
        unit.emit(ReceiptUpdated(user_id=user_id, read_seq=read_seq), thread_channel(thread_id))
        unit.emit(ThreadRead(thread_id=thread_id, user_id=user_id, seq=read_seq))
    return read_seq


async def mark_message_read(unit: UnitOfWork, message_id: UUID) -> tuple[Message, int]:
    """Mark everything up to that message as read. Returns the message and where the caller's pointer stands.

    Raises ``Authentication``, ``MessageNotFound``, ``OwnMessage``.
    """
    user_id = policy.user_of(unit.actor)
    message = await queries.get_message(unit.session, message_id, user_id)
    if message.sender_id == user_id:
        raise OwnMessage
    return message, await mark_read(unit, message.thread_id, message.seq)


async def set_status(unit: UnitOfWork, thread_id: UUID, change: StatusChange) -> Thread:
    """Open or close a thread for everybody, or put it into (or take it out of) the caller's own archive.

    Only the former is news to the thread. Raises ``Authentication``, ``ThreadNotFound``.
    """
    user_id = policy.user_of(unit.actor)
    thread = await queries.lock_thread(unit.session, thread_id, user_id)
    match change:
        case StatusChange.ARCHIVED | StatusChange.UNARCHIVED:
            part = await queries.get_participation(unit.session, thread_id, user_id)
            part.archived_at = (part.archived_at or unit.at) if change == StatusChange.ARCHIVED else None
        case StatusChange.OPEN | StatusChange.CLOSED if thread.status != change:
            await _change_status(unit, thread, ThreadStatus(change))
    return thread


async def _change_status(unit: UnitOfWork, thread: Thread, status: ThreadStatus) -> None:
    """The one place where a thread's state changes; the caller holds its row lock."""
    thread.status = status
    await unit.session.flush()
    channel = thread_channel(thread.id)
    await unit.advance({channel: 1})
    unit.emit(ThreadUpdated(status=status), channel)


async def _start(unit: UnitOfWork, kind: ThreadKind, subject: str, user_id: UUID, other_id: UUID) -> Thread:
    thread = Thread(
        kind=kind,
        subject=subject,
        status=ThreadStatus.OPEN,
        created_by=user_id,
        created_at=unit.at,
        last_message_at=unit.at,
    )
    unit.session.add(thread)
    await unit.session.flush()
    unit.session.add_all(
        ThreadParticipant(thread_id=thread.id, user_id=person, read_seq=0, joined_at=unit.at)
        for person in (user_id, other_id)
    )
    return thread


async def _doctor(unit: UnitOfWork, doctor_id: UUID | None) -> UUID:
    if doctor_id is None:
        raise Validation("Say which doctor to write to (doctor_id).")
    found = await people.find_doctor(unit.session, doctor_id)
    if found is None:
        raise DoctorNotFound
    return found


async def _patient_user(unit: UnitOfWork, patient_id: UUID | None) -> UUID:
    if patient_id is None:
        raise Validation("Say which patient to write to (patient_id).")
    found = await people.find_patient_user(unit.session, patient_id)
    if found is None:
        raise PatientNotFound
    return found
