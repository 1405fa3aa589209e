"""Registering and signing in over HTTP."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from core.actor import Role
from core.runtime import Runtime
from models import Patient
from tests.people import PASSWORD, create_person, some_email

REGISTER, LOGIN, TOKEN, ME = "/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/token", "/api/v1/users/me"


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem, which must be a whole one."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "error_code", "timestamp", "request_id"}
    assert problem["status"] == response.status_code
    return response.status_code, problem["error_code"]


async def register(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    body = {"email": some_email(), "password": PASSWORD, "name": "Ada"} | changes
    return await client.post(REGISTER, json=body)


async def test_a_patient_registers_and_signs_in(client: httpx.AsyncClient, runtime: Runtime) -> None:
    email = some_email()
    registered = await register(client, email=email, name="  Ada Lovelace ", mobile_no="(415) 555-2671")
    assert registered.status_code == 201
    user = registered.json()
    assert user == {"id": user["id"], "email": email, "name": "Ada Lovelace", "role": "patient"}
    assert UUID(user["id"]).version == 7
    async with runtime.database.session() as session:
        patient = await session.scalar(select(Patient).where(Patient.user_id == UUID(user["id"])))
    assert patient is not None
    assert patient.phone == "+14155552671"

    signed_in = await client.post(LOGIN, json={"email": email.upper(), "password": PASSWORD})
    assert signed_in.status_code == 200
    assert signed_in.json() == {"user": user}
    me = await client.get(ME)
    assert me.status_code == 200
    assert me.json() | user == me.json()
    assert me.json()["phone"] == "+14155552671"
    assert me.json()["created_at"].endswith("Z")
    assert (await client.get("/api/v1/auth/profile")).json() == me.json()


async def test_an_address_is_registered_once_whatever_its_case(client: httpx.AsyncClient) -> None:
    email = some_email()
    assert (await register(client, email=email)).status_code == 201
    assert refusal(await register(client, email=email.upper())) == (409, "EMAIL_ALREADY_REGISTERED")


async def test_of_registrations_at_once_one_wins_and_none_fails(client: httpx.AsyncClient) -> None:
    email = some_email()
    responses = await asyncio.gather(*(register(client, email=email) for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]


@pytest.mark.parametrize("role", ["admin", "doctor", "staff", "advisor"])
async def test_a_role_in_the_body_needs_an_administrator(client: httpx.AsyncClient, role: str) -> None:
    assert refusal(await register(client, role=role)) == (403, "AUTHORIZATION")


async def test_an_administrator_registers_a_doctor_and_a_doctor_does_not(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    client.headers = httpx.Headers((await create_person(runtime, Role.ADMIN)).bearer)
    made = await register(client, role="doctor")
    assert (made.status_code, made.json()["role"]) == (201, "doctor")
    client.headers = httpx.Headers((await create_person(runtime, Role.DOCTOR)).bearer)
    assert refusal(await register(client, role="doctor")) == (403, "AUTHORIZATION")


async def test_an_old_cookie_does_not_stand_in_the_way_of_registering(client: httpx.AsyncClient) -> None:
    client.cookies.set("access_token", "from.another.time")
    assert (await register(client)).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "not-an-address"},
        {"email": "a\x00@example.com"},
        {"email": "a" * 300 + "@example.com"},
        {"email": 7},
        {"name": ""},
        {"name": "  "},
        {"name": "nul\x00"},
        {"name": "bell\x07"},
        {"name": "x" * 121},
        {"name": ["Ada"]},
        {"password": "short"},
        {"password": "x" * 73},
        {"password": "ä" * 40},
        {"password": "x" * 100_000},
        {"password": "nul\x00inside"},
        {"password": None},
        {"phone": "call me"},
        {"phone": "+1\x00415"},
        {"role": "device"},
        {"role": "emperor"},
    ],
)
async def test_bad_input_is_named_and_makes_no_account(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    email = some_email()
    assert refusal(await register(client, **({"email": email} | changes))) == (422, "VALIDATION")
    if "email" not in changes:
        assert (await register(client, email=email)).status_code == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"name":"\\ud800"}', b"\xff", b"[" * 5_000])
async def test_a_body_that_is_no_registration_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post(REGISTER, content=body, headers={"Content-Type": "application/json"})
    assert refusal(response) in {(422, "VALIDATION"), (400, "BAD_REQUEST")}


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("", "wrong password"),
        ("", "x" * 100),
        ("", "\x00"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("a\x00@example.com", PASSWORD),
    ],
)
async def test_a_wrong_address_and_a_wrong_password_are_answered_alike(
    client: httpx.AsyncClient, runtime: Runtime, email: str, password: str
) -> None:
    address = email or (await create_person(runtime)).email
    by_json = await client.post(LOGIN, json={"email": address, "password": password})
    by_form = await client.post(TOKEN, data={"username": address, "password": password})
    for response in (by_json, by_form):
        assert refusal(response) == (401, "AUTHENTICATION")
        assert response.json()["detail"] == "Invalid email or password"
        assert "set-cookie" not in response.headers


async def test_an_api_client_has_its_tokens_in_the_body(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime, Role.STAFF)
    response = await client.post(TOKEN, data={"username": person.email, "password": PASSWORD})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers
    tokens = response.json()
    assert tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    me = await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["id"] == tokens["user"]["id"] == str(person.id)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YWRhOmFkYQ=="},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
        {"Cookie": "access_token=nonsense"},
        {"Cookie": "access_token="},
    ],
)
async def test_without_a_valid_token_nobody_is_signed_in(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.get(ME, headers=headers)
    assert refusal(response) == (401, "AUTHENTICATION")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_refresh_token_opens_nothing(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    response = await client.get(ME, headers={"Authorization": f"Bearer {person.refresh_token}"})
    assert refusal(response) == (401, "AUTHENTICATION")


async def test_a_token_in_the_url_is_refused(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    address = f"/api/v1/auth/profile?token={person.access_token}"
    assert refusal(await client.get(address)) == (401, "AUTHENTICATION")
    assert refusal(await client.get(address, headers=person.bearer)) == (400, "TOKEN_IN_URL")
