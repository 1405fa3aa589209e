"""Document 000, MediGlobal Connect: what it asks of identity."""

from uuid import UUID

import httpx

from tests.people import PASSWORD, some_email


async def test_post_users_register(api: httpx.AsyncClient) -> None:
    body = {"username": "ada", "email": some_email(), "password": PASSWORD}
    made = await api.post("users/register", json=body)
    assert (made.status_code, made.json()["msg"]) == (201, "User created successfully")
    assert UUID(made.json()["user_id"])
    assert (await api.post("users/register", json=body)).status_code == 422
    assert (await api.post("users/register", json={**body, "email": "none"})).status_code == 422
