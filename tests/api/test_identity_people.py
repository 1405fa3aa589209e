"""What the administrators' page of people stands on: a list by cursor, memberships, and fields named in refusals."""

from typing import Any
from uuid import uuid4

import httpx

from core.actor import Role
from core.runtime import Runtime
from tests.api.test_identity import refusal
from tests.builders import create_clinic
from tests.people import PASSWORD, create_person, some_email

AUTH, USERS = "/api/v1/auth", "/api/v1/users"


async def page_of(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await client.get(USERS, params=params)
    assert answer.status_code == 200
    page: dict[str, Any] = answer.json()
    return page


async def test_accounts_by_cursor_leave_nobody_out_whoever_comes_or_goes(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    client.headers.update((await create_person(runtime, Role.ADMIN)).bearer)
    family = f"Family{uuid4().hex[:8]}"
    ids = {}
    for name in ("Bo", "Cy", "Di", "Di", "Ed"):
        body = {"email": some_email(), "password": PASSWORD, "name": f"{family} {name}"}
        made = (await client.post(USERS, json=body)).json()
        ids[made["id"]] = made["name"]
    first = await page_of(client, search=family, limit=2)
    assert [one["name"] for one in first["items"]] == [f"{family} Bo", f"{family} Cy"]
    assert (first["total"], first["next_cursor"]) == (5, first["items"][-1]["id"])
    # Somebody before the cursor: a second page by number would list Cy again.
    early = {"email": some_email(), "password": PASSWORD, "name": f"{family} Al"}
    assert (await client.post(USERS, json=early)).status_code == 201
    # The cursor falls between two of the same name.
    second = await page_of(client, search=family, limit=1, cursor=first["next_cursor"])
    third = await page_of(client, search=family, limit=2, cursor=second["next_cursor"])
    assert third["next_cursor"] is None
    listed = [one["id"] for page in (first, second, third) for one in page["items"]]
    assert sorted(listed) == sorted(ids)
    assert (await page_of(client, search=family, limit=3, page=2))["next_cursor"] is None
    unknown = await client.get(USERS, params={"cursor": str(uuid4())})
    assert refusal(unknown) == (422, "VALIDATION")


async def test_an_account_names_the_clinics_of_those_who_work_there(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    client.headers.update((await create_person(runtime, Role.ADMIN)).bearer)
    clinic = str((await create_clinic(runtime)).clinic_id)
    staff = await create_person(runtime, Role.STAFF)
    assert (await client.get(f"{USERS}/{staff.id}")).json()["clinic_ids"] == []
    assert (await client.put(f"/api/v1/clinics/{clinic}/members/{staff.id}")).status_code == 204
    assert (await client.get(f"{USERS}/{staff.id}")).json()["clinic_ids"] == [clinic]
    assert (await page_of(client, search=staff.email))["items"][0]["clinic_ids"] == [clinic]
    # Another role works in no clinic, and in this one again once it is staff again.
    assert (await client.patch(f"{USERS}/{staff.id}", json={"role": "advisor"})).json()["clinic_ids"] == []
    assert (await client.patch(f"{USERS}/{staff.id}", json={"role": "staff"})).json()["clinic_ids"] == [clinic]


async def test_a_refused_registration_names_the_field(client: httpx.AsyncClient) -> None:
    body = {"email": some_email(), "password": PASSWORD, "name": "Ada"}
    assert (await client.post(f"{AUTH}/register", json=body)).status_code == 201
    for change, status, field, words in (
        ({"email": "nobody"}, 422, "email", "not a valid email address"),
        ({"email": body["email"].upper()}, 409, "email", "already registered"),
        ({"password": "short", "email": some_email()}, 422, "password", "at least 8 characters"),
        ({"name": " "}, 422, "name", "at least 1 character"),
        ({"phone": "12"}, 422, "phone", "must be a phone number"),
    ):
        refused = await client.post(f"{AUTH}/register", json=body | change)
        assert refused.status_code == status
        errors = refused.json()["errors"]
        assert [error["field"] for error in errors] == [field]
        assert words in errors[0]["message"]
        assert not errors[0]["message"].startswith("Value error")
