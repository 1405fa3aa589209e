"""Accounts and sessions on a real Postgres: races, revocation, tickets."""

import asyncio
import hashlib
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from core.actor import ANONYMOUS, Actor, Role
from core.clock import now
from core.errors import Authorization
from core.events import Event
from core.runtime import Runtime
from core.unit_of_work import UnitOfWork
from domain.identity import actions, queries
from domain.identity.errors import EmailAlreadyRegistered, InvalidCredentials, InvalidToken, SessionEnded
from domain.identity.rules import read_refresh_token
from models import Clinic, Patient, RefreshToken, Session, SocketTicket, User
from tests.people import PASSWORD, Person, create_person, some_email

T = TypeVar("T")


async def together(attempts: Sequence[Awaitable[T]]) -> tuple[list[T], list[BaseException]]:
    """What came of attempts made at once: results and refusals."""
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)], refused


async def create(runtime: Runtime, email: str, actor: Actor = ANONYMOUS, role: Role = Role.PATIENT) -> User:
    async with runtime.transactions.begin(actor) as unit:
        return await actions.create_user(unit, email=email, password=PASSWORD, name="Ada", role=role)


async def renew(runtime: Runtime, refresh_token: str) -> actions.SignIn | None:
    claims = read_refresh_token(refresh_token, runtime.settings.secret_key.get_secret_value(), now())
    async with runtime.transactions.begin(ANONYMOUS) as unit:
        return await actions.renew_session(unit, claims, runtime.settings)


async def actor_of(runtime: Runtime, person: Person) -> Actor | None:
    async with runtime.database.session() as session:
        found = await queries.find_actor(session, person.session_id, now())
    assert await queries.read_actor(runtime.database, person.session_id, now()) == found, "the quick way is the same"
    return found


async def ended(runtime: Runtime, ids: list[UUID]) -> set[UUID]:
    async with runtime.database.session() as session:
        return await queries.revoked_sessions(session, ids)


async def revoke(runtime: Runtime, person: Person) -> None:
    async with runtime.transactions.begin() as unit:
        await actions.revoke_session(unit, person.session_id)


async def change_user(runtime: Runtime, user_id: UUID, **values: object) -> None:
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(User).where(User.id == user_id).values(**values))


async def test_a_patient_who_registers_has_a_patient_record(runtime: Runtime) -> None:
    user = await create(runtime, some_email())
    async with runtime.database.session() as session:
        patient = await session.scalar(select(Patient).where(Patient.user_id == user.id))
    assert patient is not None
    assert patient.name == user.name


async def test_of_two_registrations_at_once_one_wins(runtime: Runtime) -> None:
    email = some_email()
    made, refused = await together([create(runtime, email), create(runtime, email.upper())])
    assert len(made) == 1
    assert [type(refusal) for refusal in refused] == [EmailAlreadyRegistered]
    async with runtime.database.session() as session:
        assert await session.scalar(select(func.count()).where(User.email_key == email)) == 1
        assert await session.scalar(select(func.count()).where(Patient.user_id == made[0].id)) == 1


@pytest.mark.parametrize("role", [role for role in Role if role != Role.PATIENT])
async def test_nobody_becomes_more_than_a_patient_by_themselves(runtime: Runtime, role: Role) -> None:
    for actor in (ANONYMOUS, Actor(user_id=uuid4(), role=Role.STAFF), Actor(user_id=uuid4(), role=Role.PATIENT)):
        with pytest.raises(Authorization):
            await create(runtime, some_email(), actor, role)


async def test_an_administrator_gives_roles(runtime: Runtime) -> None:
    user = await create(runtime, some_email(), Actor(user_id=uuid4(), role=Role.ADMIN), Role.ADVISOR)
    assert user.role == Role.ADVISOR


async def test_members_of_a_clinic_act_in_it_and_others_do_not(runtime: Runtime) -> None:
    async with runtime.transactions.begin() as unit:
        clinics = [Clinic(name=f"Clinic {number}", time_zone="UTC") for number in range(2)]
        unit.session.add_all(clinics)
    clinic_ids = tuple(clinic.id for clinic in clinics)
    doctor = await actor_of(runtime, await create_person(runtime, Role.DOCTOR, clinic_ids=clinic_ids))
    advisor = await actor_of(runtime, await create_person(runtime, Role.ADVISOR, clinic_ids=clinic_ids))
    staff = await actor_of(runtime, await create_person(runtime, Role.STAFF))
    assert doctor is not None
    assert advisor is not None
    assert staff is not None
    assert (doctor.role, doctor.name, doctor.clinic_ids) == (Role.DOCTOR, "Ada", frozenset(clinic_ids))
    assert advisor.clinic_ids == staff.clinic_ids == frozenset()


async def test_a_session_ends_by_revocation_expiry_or_deactivation(runtime: Runtime) -> None:
    alive, revoked, expired, inactive = [await create_person(runtime) for _ in range(4)]
    people = [alive, revoked, expired, inactive]
    assert await ended(runtime, [person.session_id for person in people]) == set()
    await revoke(runtime, revoked)
    await change_user(runtime, inactive.id, is_active=False)
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(
            update(Session).where(Session.id == expired.session_id).values(expires_at=unit.at - timedelta(seconds=1))
        )
    unknown = uuid4()
    asked = [person.session_id for person in people] + [unknown]
    assert await ended(runtime, asked) == {revoked.session_id, expired.session_id, inactive.session_id, unknown}
    assert await ended(runtime, []) == set()
    assert [await actor_of(runtime, person) is not None for person in people] == [True, False, False, False]


async def test_a_refresh_token_is_traded_once_and_the_next_one_works(runtime: Runtime) -> None:
    person = await create_person(runtime)
    first = await renew(runtime, person.refresh_token)
    assert first is not None
    second = await renew(runtime, first.refresh_token)
    assert second is not None
    assert len({person.refresh_token, first.refresh_token, second.refresh_token}) == 3
    assert await actor_of(runtime, person) is not None


async def let_the_leeway_pass(runtime: Runtime, session_id: UUID) -> None:
    """All that happened to the tokens of that session was a leeway earlier."""
    earlier = timedelta(seconds=runtime.settings.refresh_reuse_leeway_seconds)
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(
            update(RefreshToken)
            .where(RefreshToken.session_id == session_id)
            .values(created_at=RefreshToken.created_at - earlier, used_at=RefreshToken.used_at - earlier)
        )


def token_id(runtime: Runtime, refresh_token: str) -> UUID:
    return read_refresh_token(refresh_token, runtime.settings.secret_key.get_secret_value(), now()).token_id


async def count_tokens(runtime: Runtime, person: Person) -> int:
    async with runtime.database.session() as session:
        rows = select(func.count()).where(RefreshToken.session_id == person.session_id)
        return await session.scalar(rows) or 0


async def test_a_lost_answer_is_given_again_and_leads_on(runtime: Runtime) -> None:
    person = await create_person(runtime)
    lost, again = await renew(runtime, person.refresh_token), await renew(runtime, person.refresh_token)
    assert lost is not None
    assert again is not None
    assert token_id(runtime, lost.refresh_token) == token_id(runtime, again.refresh_token)
    assert await count_tokens(runtime, person) == 2
    assert await renew(runtime, again.refresh_token) is not None


async def test_a_token_whose_successor_was_used_is_reused_within_the_leeway_as_well(runtime: Runtime) -> None:
    person = await create_person(runtime)
    fresh = await renew(runtime, person.refresh_token)
    assert fresh is not None
    assert await renew(runtime, fresh.refresh_token) is not None
    assert await renew(runtime, person.refresh_token) is None
    assert await ended(runtime, [person.session_id]) == {person.session_id}


async def test_without_a_leeway_the_second_use_is_a_reuse(runtime: Runtime) -> None:
    person = await create_person(runtime)
    strict = runtime.settings.model_copy(update={"refresh_reuse_leeway_seconds": 0})
    claims = read_refresh_token(person.refresh_token, strict.secret_key.get_secret_value(), now())
    for is_fresh in (True, False):
        async with runtime.transactions.begin(ANONYMOUS) as unit:
            assert (await actions.renew_session(unit, claims, strict) is not None) is is_fresh


async def test_a_reused_refresh_token_ends_its_session_and_no_other(runtime: Runtime) -> None:
    person, bystander = await create_person(runtime), await create_person(runtime)
    fresh = await renew(runtime, person.refresh_token)
    assert fresh is not None
    await let_the_leeway_pass(runtime, person.session_id)
    assert await renew(runtime, person.refresh_token) is None
    with pytest.raises(SessionEnded):
        await renew(runtime, fresh.refresh_token)
    assert await ended(runtime, [person.session_id, bystander.session_id]) == {person.session_id}


async def test_of_ten_refreshes_with_one_token_there_is_one_new_line(runtime: Runtime) -> None:
    person = await create_person(runtime)
    outcomes, refused = await together([renew(runtime, person.refresh_token) for _ in range(10)])
    assert refused == []
    assert len({token_id(runtime, outcome.refresh_token) for outcome in outcomes if outcome is not None}) == 1
    assert None not in outcomes
    assert await count_tokens(runtime, person) == 2
    assert await ended(runtime, [person.session_id]) == set()


async def test_of_ten_uses_after_the_leeway_none_goes_on(runtime: Runtime) -> None:
    person = await create_person(runtime)
    assert await renew(runtime, person.refresh_token) is not None
    await let_the_leeway_pass(runtime, person.session_id)
    outcomes, refused = await together([renew(runtime, person.refresh_token) for _ in range(10)])
    # The first one ends the session; those after find it ended.
    assert outcomes == [None]
    assert {type(refusal) for refusal in refused} == {SessionEnded}
    assert await ended(runtime, [person.session_id]) == {person.session_id}
    assert await count_tokens(runtime, person) == 2


async def test_no_session_is_opened_or_renewed_for_a_deactivated_account(runtime: Runtime) -> None:
    person = await create_person(runtime)
    await change_user(runtime, person.id, is_active=False)
    with pytest.raises(SessionEnded):
        await renew(runtime, person.refresh_token)
    with pytest.raises(InvalidCredentials):
        async with runtime.transactions.begin() as unit:
            await actions.open_session(unit, person.id, runtime.settings)


async def open_ticket(runtime: Runtime, person: Person) -> str:
    async with runtime.transactions.begin(await actor_of(runtime, person) or ANONYMOUS) as unit:
        return await actions.open_socket_ticket(unit)


async def redeem(runtime: Runtime, ticket: str) -> Actor:
    async with runtime.transactions.begin(ANONYMOUS) as unit:
        return await actions.redeem_socket_ticket(unit, ticket)


async def test_a_socket_ticket_works_once_whoever_is_faster(runtime: Runtime) -> None:
    person = await create_person(runtime)
    ticket = await open_ticket(runtime, person)
    actors, refused = await together([redeem(runtime, ticket) for _ in range(5)])
    assert [(actor.user_id, actor.session_id) for actor in actors] == [(person.id, person.session_id)]
    assert [type(refusal) for refusal in refused] == [InvalidToken] * 4


async def test_only_the_digest_of_a_ticket_is_kept(runtime: Runtime) -> None:
    person = await create_person(runtime)
    ticket = await open_ticket(runtime, person)
    async with runtime.database.session() as session:
        row = await session.scalar(select(SocketTicket).where(SocketTicket.session_id == person.session_id))
    assert row is not None
    assert row.digest == hashlib.sha256(ticket.encode()).digest()
    assert timedelta(0) < row.expires_at - now() <= timedelta(seconds=30)


async def test_a_ticket_ends_after_its_time_and_with_its_session(runtime: Runtime) -> None:
    late, signed_out = await create_person(runtime), await create_person(runtime)
    late_ticket, dead_ticket = await open_ticket(runtime, late), await open_ticket(runtime, signed_out)
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(
            update(SocketTicket).where(SocketTicket.session_id == late.session_id).values(expires_at=unit.at)
        )
    await revoke(runtime, signed_out)
    with pytest.raises(InvalidToken):
        await redeem(runtime, late_ticket)
    with pytest.raises(SessionEnded):
        await redeem(runtime, dead_ticket)
    await open_ticket(runtime, await create_person(runtime))
    async with runtime.database.session() as session:
        left = select(func.count()).where(SocketTicket.session_id == late.session_id)
        assert await session.scalar(left) == 0, "who takes a ticket clears away the expired ones"


async def test_nobody_in_particular_has_no_session_to_open_a_ticket_for(runtime: Runtime) -> None:
    with pytest.raises(SessionEnded):
        async with runtime.transactions.begin(ANONYMOUS) as unit:
            await actions.open_socket_ticket(unit)


async def test_other_rooms_hear_of_accounts_and_ended_sessions(runtime: Runtime, heard: list[Event]) -> None:
    user = await create(runtime, some_email())
    person = await create_person(runtime)
    await revoke(runtime, person)
    await revoke(runtime, person)
    news = [event for event in heard if getattr(event, "user_id", None) in {user.id, person.id}]
    assert [event.name for event in news] == ["user.registered", "session.opened", "session.revoked"]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Every event that is emitted during the test."""
    events: list[Event] = []
    emit = UnitOfWork.emit

    def noted(unit: UnitOfWork, event: Event, *channels: str) -> None:
        events.append(event)
        emit(unit, event, *channels)

    monkeypatch.setattr(UnitOfWork, "emit", noted)
    return events
