"""Invitations over HTTP."""

import asyncio
import re
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from domain.identity import letters
from models import Email, Invitation
from tests.api.test_identity import refusal
from tests.builders import Clinic, create_clinic
from tests.people import PASSWORD, create_person, some_email

INVITATIONS = "/api/v1/invitations"


@pytest.fixture
async def clinic(runtime: Runtime) -> Clinic:
    """A clinic of its own."""
    return await create_clinic(runtime)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def invite(client: httpx.AsyncClient, runtime: Runtime, **body: str | None) -> tuple[str, str]:
    """Id and token of an invitation, as the worker would mail it."""
    made = await client.post(INVITATIONS, json=body)
    assert made.status_code == 201
    async with runtime.transactions.begin() as unit:
        email = await unit.session.scalar(select(Email.id).where(Email.invitation_id == UUID(made.json()["id"])))
        assert email is not None
        letter = await letters.claim_letter(unit, email, runtime.settings)
    assert letter is not None
    assert letter.to == body["email"]
    token = re.search(r"/join#token=(\S+)", letter.body)
    assert token is not None
    assert token[1] not in made.text
    return made.json()["id"], token[1]


async def test_of_acceptances_at_once_one_makes_the_account_and_the_membership(
    client: httpx.AsyncClient, runtime: Runtime, clinic: Clinic
) -> None:
    client.headers.update((await create_person(runtime, Role.ADMIN)).bearer)
    email = some_email()
    invitation_id, token = await invite(client, runtime, email=email, role="doctor", clinic_id=str(clinic.clinic_id))
    body = {"token": token, "name": "Dr. Robin", "password": PASSWORD}
    answers = await asyncio.gather(*(client.post(f"{INVITATIONS}/accept", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]
    won = next(answer.json() for answer in answers if answer.status_code == 201)
    assert (won["email"], won["role"], won["name"]) == (email, "doctor", "Dr. Robin")
    listed = (await client.get(INVITATIONS, params={"limit": 100})).json()["items"]
    assert {item["id"]: item["status"] for item in listed}[invitation_id] == "accepted"
    again = await client.post(INVITATIONS, json={"email": email.upper(), "role": "advisor"})
    assert refusal(again) == (409, "EMAIL_ALREADY_REGISTERED")
    form = {"username": email, "password": PASSWORD}
    token = (await client.post("/api/v1/auth/token", data=form)).json()["access_token"]
    queue = {"queue_id": str(clinic.queue_id)}
    assert (await client.get("/api/v1/queue/current", params=queue, headers=bearer(token))).status_code == 200


async def test_void_and_expired_invitations(client: httpx.AsyncClient, runtime: Runtime) -> None:
    client.headers.update((await create_person(runtime, Role.ADMIN)).bearer)
    email = some_email()
    first_id, first = await invite(client, runtime, email=email, role="advisor")
    second_id, second = await invite(client, runtime, email=email, role="advisor")
    body = {"name": "Avery", "password": PASSWORD}
    early = await client.post(f"{INVITATIONS}/accept", json=body | {"token": first})
    assert refusal(early) == (400, "LINK_NOT_VALID")
    assert (await client.delete(f"{INVITATIONS}/{second_id}")).status_code == 204
    assert refusal(await client.delete(f"{INVITATIONS}/{first_id}")) == (404, "RESOURCE_NOT_FOUND")
    void = await client.post(f"{INVITATIONS}/accept", json=body | {"token": second})
    assert refusal(void) == (400, "LINK_NOT_VALID")
    third_id, third = await invite(client, runtime, email=email, role="advisor")
    async with runtime.transactions.begin() as unit:
        passed = update(Invitation).where(Invitation.id == UUID(third_id)).values(expires_at=now())
        await unit.session.execute(passed)
    late = await client.post(f"{INVITATIONS}/accept", json=body | {"token": third})
    assert refusal(late) == (400, "LINK_NOT_VALID")
    items = (await client.get(INVITATIONS, params={"limit": 100})).json()["items"]
    statuses = {item["id"]: item["status"] for item in items}
    assert (statuses[first_id], statuses[second_id], statuses[third_id]) == ("revoked", "revoked", "expired")


async def test_of_invitations_at_once_one_stays_open(client: httpx.AsyncClient, runtime: Runtime) -> None:
    client.headers.update((await create_person(runtime, Role.ADMIN)).bearer)
    body = {"email": some_email(), "role": "advisor"}
    answers = await asyncio.gather(*(client.post(INVITATIONS, json=body) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    made = {answer.json()["id"] for answer in answers}
    items = (await client.get(INVITATIONS, params={"limit": 100})).json()["items"]
    statuses = sorted(item["status"] for item in items if item["id"] in made)
    assert statuses == ["open"] + ["revoked"] * 5


async def test_who_may_be_invited_where(client: httpx.AsyncClient, runtime: Runtime, clinic: Clinic) -> None:
    client.headers.update((await create_person(runtime, Role.ADMIN)).bearer)
    here = str(clinic.clinic_id)
    for role, clinic_id, status in (
        ("doctor", None, 422),
        ("staff", None, 422),
        ("advisor", here, 422),
        ("staff", "00000000-0000-7000-8000-000000000000", 404),
        ("patient", None, 422),
        ("admin", None, 422),
        ("device", here, 422),
    ):
        body = {"email": some_email(), "role": role, "clinic_id": clinic_id}
        assert (await client.post(INVITATIONS, json=body)).status_code == status, role
    client.headers.update((await create_person(runtime, Role.DOCTOR, clinic_ids=(clinic.clinic_id,))).bearer)
    refused = await client.post(INVITATIONS, json={"email": some_email(), "role": "advisor"})
    assert refusal(refused) == (403, "AUTHORIZATION")
    assert refusal(await client.get(INVITATIONS)) == (403, "AUTHORIZATION")
