"""Document 001, Medical Backend: what it asks of identity."""

from uuid import UUID

import httpx

from core.actor import Role
from core.runtime import Runtime
from tests.api.test_identity_accounts import reset_token
from tests.people import PASSWORD, create_person, some_email


async def test_post_auth_register(api: httpx.AsyncClient) -> None:
    made = await api.post("auth/register", json={"email": some_email(), "password": PASSWORD, "name": "Ada"})
    assert (made.status_code, made.json()["role"]) == (201, "patient")


async def test_post_auth_login(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    """Access and refresh tokens, for API clients."""
    tokens = await api.post("auth/token", data={"username": ada["email"], "password": ada["password"]})
    assert tokens.status_code == 200
    assert tokens.json().keys() >= {"access_token", "refresh_token", "token_type"}


async def test_post_auth_refresh(api: httpx.AsyncClient, product: Runtime) -> None:
    person = await create_person(product)
    fresh = await api.post("auth/refresh", json={"refresh_token": person.refresh_token})
    assert fresh.status_code == 200
    assert fresh.json()["refresh_token"] != person.refresh_token


async def test_post_auth_logout(api: httpx.AsyncClient, product: Runtime) -> None:
    person = await create_person(product)
    assert (await api.post("auth/logout", headers=person.bearer)).status_code == 200
    assert (await api.get("users/me", headers=person.bearer)).status_code == 401
    assert (await api.post("auth/refresh", json={"refresh_token": person.refresh_token})).status_code == 401


async def test_post_auth_forgot_and_reset(api: httpx.AsyncClient, product: Runtime, ada: dict[str, str]) -> None:
    assert (await api.post("auth/forgot", json={"email": ada["email"]})).status_code == 202
    body = {"token": await reset_token(product, ada["email"]), "password": "another password"}
    assert (await api.post("auth/reset", json=body)).status_code == 200
    assert (await api.post("auth/login", json={**ada, "password": "another password"})).status_code == 200


async def test_get_users_me(api: httpx.AsyncClient, product: Runtime) -> None:
    person = await create_person(product)
    assert (await api.get("users/me", headers=person.bearer)).json()["id"] == str(person.id)


async def test_get_post_patch_delete_users(api: httpx.AsyncClient, product: Runtime) -> None:
    api.headers.update((await create_person(product, Role.ADMIN)).bearer)
    body = {"email": some_email(), "password": PASSWORD, "name": "Robin", "role": "doctor"}
    made = await api.post("users", json=body)
    assert made.status_code == 201
    address = f"users/{UUID(made.json()['id'])}"
    assert (await api.get("users", params={"search": body["email"]})).json()["total"] == 1
    assert (await api.patch(address, json={"name": "Dr. Robin"})).json()["name"] == "Dr. Robin"
    assert (await api.delete(address)).status_code == 204
    assert (await api.get(address)).json()["is_active"] is False
