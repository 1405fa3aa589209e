"""Document 002, Health Services API: what it asks of identity."""

import httpx
import jwt
import pytest

from tests.people import PASSWORD, some_email

REGISTRATION = {
    "name": "John Doe",
    "password": "SecurePass123",
    "role": "patient",
    "mobile_no": "+14155552671",
}


async def test_post_auth_register(api: httpx.AsyncClient) -> None:
    body = {**REGISTRATION, "email": some_email()}
    made = await api.post("auth/register", json=body)
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["email"], made.json()["role"]) == ("John Doe", body["email"], "patient")
    taken = await api.post("auth/register", json=body)
    assert (taken.status_code, taken.json()["error_code"]) == (409, "EMAIL_ALREADY_REGISTERED")


@pytest.mark.parametrize("role", ["doctor", "admin"])
async def test_post_auth_register_with_a_role(api: httpx.AsyncClient, role: str) -> None:
    """As written, anyone could become an administrator."""
    refused = await api.post("auth/register", json={**REGISTRATION, "email": some_email(), "role": role})
    assert (refused.status_code, refused.json()["error_code"]) == (403, "AUTHORIZATION")


async def test_post_auth_login(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    answer = (await api.post("auth/token", data={"username": ada["email"], "password": PASSWORD})).json()
    assert answer["token_type"] == "bearer"
    assert answer["user"]["email"] == ada["email"]
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims.keys() >= {"sub", "role", "exp"}
    assert jwt.get_unverified_header(answer["access_token"]) == {"alg": "HS256", "typ": "JWT"}


async def test_get_auth_profile(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    answer = (await api.post("auth/token", data={"username": ada["email"], "password": PASSWORD})).json()
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    profile = await api.get("auth/profile", headers=bearer)
    assert profile.json()["email"] == ada["email"]
    in_the_address = await api.get("auth/profile", params={"token": answer["access_token"]}, headers=bearer)
    assert (in_the_address.status_code, in_the_address.json()["error_code"]) == (400, "TOKEN_IN_URL")


async def test_error_shape(api: httpx.AsyncClient) -> None:
    problem = (await api.get("users/me")).json()
    assert problem["error_code"] == "AUTHENTICATION"
    assert problem.keys() >= {"detail", "error_code", "timestamp"}
