"""Sessions, forgotten passwords, accounts and memberships over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import bcrypt
import httpx
import pytest
from sqlalchemy import select, text, update

from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from domain.identity import actions_passwords, actions_users, letters
from domain.identity.queries import living_sessions, revoked_sessions
from models import Email, PasswordReset, Patient, User
from tests.api.test_identity import refusal
from tests.builders import create_clinic
from tests.people import PASSWORD, Person, create_person, some_email
from tests.support.web import eventually

AUTH, USERS = "/api/v1/auth", "/api/v1/users"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"


async def is_ended(runtime: Runtime, person: Person) -> bool:
    async with runtime.database.session() as session:
        return await revoked_sessions(session, [person.session_id]) == {person.session_id}


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, str]:
    """Another sign-in of the same person; its headers."""
    response = await client.post(f"{AUTH}/token", data={"username": email, "password": password})
    assert response.status_code == 200
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


async def reset_token(runtime: Runtime, email: str) -> str | None:
    """What the worker would mail for the newest request."""
    async with runtime.transactions.begin() as unit:
        newest = select(Email.id).where(Email.to_key == email).order_by(Email.id.desc()).limit(1)
        email_id = await unit.session.scalar(newest)
        assert email_id is not None
        letter = await letters.claim_letter(unit, email_id, runtime.settings)
    return letter.body.partition("#token=")[2].split()[0] if letter else None


async def test_sessions_are_listed_with_device_and_last_use_and_ended_one_by_one(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = await create_person(runtime)
    client.headers["User-Agent"] = FIREFOX
    other = await sign_in(client, person.email)
    listed = (await client.get(f"{AUTH}/sessions", headers=other)).json()
    assert listed["total"] == 2
    newest = listed["items"][0]
    assert (newest["device"], newest["user_agent"], newest["is_current"]) == ("Firefox on Linux", FIREFOX, True)
    assert newest["last_used_at"].endswith("Z")
    assert [item["id"] for item in listed["items"] if not item["is_current"]] == [str(person.session_id)]
    address = f"{AUTH}/sessions/{person.session_id}"
    stranger = await create_person(runtime, Role.ADMIN)
    assert refusal(await client.delete(address, headers=stranger.bearer)) == (404, "RESOURCE_NOT_FOUND")
    assert (await client.delete(address, headers=other)).status_code == 204
    assert await is_ended(runtime, person)
    assert refusal(await client.delete(address, headers=other)) == (404, "RESOURCE_NOT_FOUND")
    assert (await client.get(f"{AUTH}/sessions", headers=other)).json()["total"] == 1


async def test_signing_out_everywhere(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    others = [await sign_in(client, person.email) for _ in range(2)]
    response = await client.post(f"{AUTH}/logout-all", headers=person.bearer)
    assert response.status_code == 200
    assert len(response.headers.get_list("set-cookie")) == 2
    for headers in (person.bearer, *others):
        assert (await client.get(f"{USERS}/me", headers=headers)).status_code == 401


async def test_a_forgotten_password_is_answered_alike_for_everybody(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = await create_person(runtime)
    answers = [
        await client.post(f"{AUTH}/forgot", json={"email": email})
        for email in (person.email, some_email(), "not an address", "a\x00@example.com")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}


async def test_of_resets_with_one_link_one_wins_and_all_sessions_end(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = await create_person(runtime, Role.STAFF)
    key = await client.post("/api/v1/api-keys", json={"name": "till", "scopes": ["queues:read"]}, headers=person.bearer)
    await client.post(f"{AUTH}/forgot", json={"email": person.email})
    token = await reset_token(runtime, person.email)
    bodies = [{"token": token, "password": f"a new password {number}"} for number in range(4)]
    answers = await asyncio.gather(*(client.post(f"{AUTH}/reset", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert {answer.json()["error_code"] for answer in answers if answer.status_code == 400} == {"LINK_NOT_VALID"}
    won = bodies[[answer.status_code for answer in answers].index(200)]["password"]
    assert await is_ended(runtime, person)
    by_key = await client.get(f"{USERS}/me", headers={"Authorization": f"Bearer {key.json()['key']}"})
    assert by_key.status_code == 401
    assert await sign_in(client, person.email, str(won))
    old = await client.post(f"{AUTH}/login", json={"email": person.email, "password": PASSWORD})
    assert refusal(old) == (401, "AUTHENTICATION")


async def test_an_old_password_does_not_slip_in_while_it_is_reset(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    await client.post(f"{AUTH}/forgot", json={"email": person.email})
    token = await reset_token(runtime, person.email)
    assert token is not None
    async with runtime.transactions.begin() as unit:
        await actions_passwords.reset_password(unit, token, "another password", runtime.settings)
        # The old one is still what everybody else reads, and right by it.
        body = {"email": person.email, "password": PASSWORD}
        sign_in_by_old = asyncio.create_task(client.post(f"{AUTH}/login", json=body))

        async def has_come_so_far() -> bool:
            waiting = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid())")
            return sign_in_by_old.done() or bool(await unit.session.scalar(waiting))

        await eventually(has_come_so_far)
    assert refusal(await sign_in_by_old) == (401, "AUTHENTICATION")
    async with runtime.database.session() as session:
        assert await living_sessions(session, person.id, "sign_in", now()) == []
    assert await sign_in(client, person.email, "another password")


async def test_a_bad_reset_uses_the_link_up_only_when_it_works(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    await client.post(f"{AUTH}/forgot", json={"email": person.email})
    token = await reset_token(runtime, person.email)
    short = await client.post(f"{AUTH}/reset", json={"token": token, "password": "short"})
    assert refusal(short) == (422, "VALIDATION")
    long = await client.post(f"{AUTH}/reset", json={"token": token, "password": "x" * 73})
    assert refusal(long) == (422, "VALIDATION")
    assert not await is_ended(runtime, person)
    unknown = await client.post(f"{AUTH}/reset", json={"token": "nonsense", "password": "long enough"})
    assert refusal(unknown) == (400, "LINK_NOT_VALID")
    assert (await client.post(f"{AUTH}/reset", json={"token": token, "password": "long enough"})).status_code == 200


async def test_a_link_that_has_expired_sets_no_password(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    await client.post(f"{AUTH}/forgot", json={"email": person.email})
    token = await reset_token(runtime, person.email)
    async with runtime.transactions.begin() as unit:
        row = await unit.session.scalar(select(PasswordReset).where(PasswordReset.user_id == person.id))
        assert row is not None
        assert row.expires_at - row.created_at == timedelta(minutes=30)
        row.expires_at = now()
    late = await client.post(f"{AUTH}/reset", json={"token": token, "password": "long enough"})
    assert refusal(late) == (400, "LINK_NOT_VALID")
    assert await sign_in(client, person.email)


async def test_a_sign_in_renews_a_hash_of_another_cost(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    cheap = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(User).where(User.id == person.id).values(password_hash=cheap))
    for _ in range(2):
        await sign_in(client, person.email)
        async with runtime.database.session() as session:
            renewed = await session.scalar(select(User.password_hash).where(User.id == person.id))
        assert renewed is not None
        assert renewed.startswith("$2b$12$")


async def test_ones_own_account(client: httpx.AsyncClient, runtime: Runtime) -> None:
    doctor, patient = await create_person(runtime, Role.DOCTOR), await create_person(runtime)
    changes = {"name": "Dr. Ada", "phone": "(415) 555-2671", "specialization": "Cardiology"}
    changed = await client.patch(f"{USERS}/me", json=changes, headers=doctor.bearer)
    assert changed.status_code == 200
    assert changed.json().items() >= (changes | {"phone": "+14155552671", "department": None}).items()
    assert (await client.get(f"{USERS}/me", headers=doctor.bearer)).json() == changed.json()
    emptied = await client.patch(f"{USERS}/me", json={"phone": None}, headers=doctor.bearer)
    assert (emptied.json()["phone"], emptied.json()["name"]) == (None, "Dr. Ada")
    for body in ({"specialization": "Cardiology"}, {"department": "Front"}, {"name": None}, {"name": ""}):
        refused = await client.patch(f"{USERS}/me", json=body, headers=patient.bearer)
        assert refusal(refused) == (422, "VALIDATION")
    await client.patch(f"{USERS}/me", json={"name": "Grace", "role": "admin"}, headers=patient.bearer)
    async with runtime.database.session() as session:
        record = await session.scalar(select(Patient).where(Patient.user_id == patient.id))
        account = await session.get(User, patient.id)
    assert record is not None
    assert account is not None
    assert (record.name, account.name, account.role) == ("Grace", "Grace", "patient")


async def test_registering_in_the_words_of_document_000(client: httpx.AsyncClient) -> None:
    body = {"username": "ada", "email": some_email(), "password": PASSWORD}
    made = await client.post(f"{USERS}/register", json=body)
    assert made.status_code == 201
    assert made.json() == {"msg": "User created successfully", "user_id": made.json()["user_id"]}
    assert UUID(made.json()["user_id"]).version == 7
    assert refusal(await client.post(f"{USERS}/register", json=body)) == (422, "EMAIL_ALREADY_REGISTERED")
    assert (await client.post(f"{AUTH}/login", json=body)).status_code == 200


async def test_administrators_manage_accounts(client: httpx.AsyncClient, runtime: Runtime) -> None:
    client.headers.update((await create_person(runtime, Role.ADMIN)).bearer)
    email = some_email()
    body = {"email": email, "password": PASSWORD, "name": "Robin", "role": "doctor", "specialization": "Eyes"}
    made = await client.post(USERS, json=body)
    assert made.status_code == 201
    doctor = made.json()
    assert (doctor["role"], doctor["specialization"], doctor["is_active"]) == ("doctor", "Eyes", True)
    assert refusal(await client.post(USERS, json=body)) == (409, "EMAIL_ALREADY_REGISTERED")
    wrong = body | {"email": some_email(), "department": "Front"}
    assert refusal(await client.post(USERS, json=wrong)) == (422, "VALIDATION")
    found = (await client.get(USERS, params={"search": email.upper(), "role": "doctor"})).json()
    assert (found["total"], found["items"]) == (1, [doctor])
    assert (await client.get(USERS, params={"search": email, "role": "staff"})).json()["total"] == 0
    changed = await client.patch(f"{USERS}/{doctor['id']}", json={"role": "staff", "department": "Front"})
    assert (changed.json()["role"], changed.json()["specialization"]) == ("staff", None)
    assert (await client.get(f"{USERS}/{doctor['id']}")).json() == changed.json()
    assert refusal(await client.get(f"{USERS}/{uuid4()}")) == (404, "RESOURCE_NOT_FOUND")
    assert refusal(await client.patch(f"{USERS}/{doctor['id']}", json={"role": "device"})) == (422, "VALIDATION")


async def test_a_deactivated_account_is_signed_out_and_comes_back_when_reactivated(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    admin, person = await create_person(runtime, Role.ADMIN), await create_person(runtime, Role.STAFF)
    assert (await client.delete(f"{USERS}/{person.id}", headers=admin.bearer)).status_code == 204
    assert await is_ended(runtime, person)
    login = {"email": person.email, "password": PASSWORD}
    assert refusal(await client.post(f"{AUTH}/login", json=login)) == (401, "AUTHENTICATION")
    back = await client.patch(f"{USERS}/{person.id}", json={"is_active": True}, headers=admin.bearer)
    assert back.json()["is_active"] is True
    assert await is_ended(runtime, person)
    assert (await client.post(f"{AUTH}/login", json=login)).status_code == 200


@pytest.fixture
async def without_administrators(runtime: Runtime) -> AsyncIterator[None]:
    """Those of other tests take no part; the tables are shared."""
    async with runtime.transactions.begin() as unit:
        active = update(User).where(User.role == Role.ADMIN, User.is_active).values(is_active=False)
        ids = list(await unit.session.scalars(active.returning(User.id)))
    yield
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(User).where(User.id.in_(ids)).values(is_active=True))


@pytest.mark.usefixtures("without_administrators")
async def test_the_last_two_administrators_cannot_remove_each_other_at_once(runtime: Runtime) -> None:
    admins = [await create_person(runtime, Role.ADMIN) for _ in range(2)]

    async def remove(actor: Person, other: Person) -> None:
        async with runtime.transactions.begin(actor.actor) as unit:
            await actions_users.deactivate_user(unit, other.id)

    outcomes = await asyncio.gather(remove(*admins), remove(*reversed(admins)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LastAdministrator", "NoneType"]


@pytest.mark.parametrize("role", [Role.PATIENT, Role.STAFF, Role.DOCTOR, Role.ADVISOR])
async def test_nobody_else_manages_accounts_or_memberships(
    client: httpx.AsyncClient, runtime: Runtime, role: Role
) -> None:
    person, clinic = await create_person(runtime, role), await create_clinic(runtime)
    client.headers.update(person.bearer)
    asked = [
        client.get(USERS),
        client.get(f"{USERS}/{person.id}"),
        client.post(USERS, json={"email": some_email(), "password": PASSWORD, "name": "X"}),
        client.patch(f"{USERS}/{person.id}", json={"role": "admin"}),
        client.delete(f"{USERS}/{person.id}"),
        client.delete(f"{USERS}/{person.id}/second-factor"),
        client.put(f"/api/v1/clinics/{clinic.clinic_id}/members/{person.id}"),
        client.delete(f"/api/v1/clinics/{clinic.clinic_id}/members/{person.id}"),
    ]
    for request in asked:
        assert refusal(await request) == (403, "AUTHORIZATION")


async def test_memberships_open_and_close_a_clinic(client: httpx.AsyncClient, runtime: Runtime) -> None:
    admin, staff, patient = [await create_person(runtime, role) for role in (Role.ADMIN, Role.STAFF, Role.PATIENT)]
    clinic = await create_clinic(runtime)
    queue = {"queue_id": str(clinic.queue_id)}
    members = f"/api/v1/clinics/{clinic.clinic_id}/members"
    assert (await client.get("/api/v1/queue/current", params=queue, headers=staff.bearer)).status_code == 403
    for _ in range(2):
        assert (await client.put(f"{members}/{staff.id}", headers=admin.bearer)).status_code == 204
    assert (await client.get("/api/v1/queue/current", params=queue, headers=staff.bearer)).status_code == 200
    assert (await client.delete(f"{members}/{staff.id}", headers=admin.bearer)).status_code == 204
    assert (await client.get("/api/v1/queue/current", params=queue, headers=staff.bearer)).status_code == 403
    assert refusal(await client.delete(f"{members}/{staff.id}", headers=admin.bearer))[0] == 404
    assert refusal(await client.put(f"{members}/{patient.id}", headers=admin.bearer))[0] == 422
    nowhere = f"/api/v1/clinics/{uuid4()}/members/{staff.id}"
    assert refusal(await client.put(nowhere, headers=admin.bearer))[0] == 404
