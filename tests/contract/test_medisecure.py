"""Document 003, MediSecure: what it asks of identity, cookie by cookie."""

import httpx
import jwt

from core.actor import Role
from core.runtime import Runtime
from tests.api.test_identity_sessions import set_cookies
from tests.people import PASSWORD, create_person, some_email

# On plain-HTTP localhost there is no Secure; tests/api/test_identity_sessions.py has the same behind HTTPS.
COOKIES = {
    "access_token": "HttpOnly; SameSite=Strict; Path=/; Max-Age=900",
    "refresh_token": "HttpOnly; SameSite=Strict; Path=/api/v1/auth/refresh; Max-Age=604800",
}


async def test_post_auth_login(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    answer = await api.post("auth/login", json=ada)
    assert answer.status_code == 200
    assert answer.json().keys() == {"user"}
    assert answer.json()["user"].keys() == {"id", "email", "name", "role"}
    assert set_cookies(answer) == COOKIES
    claims = jwt.decode(api.cookies["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["email"], claims["role"]) == (answer.json()["user"]["id"], ada["email"], "patient")
    assert claims["exp"] - claims["iat"] == 900


async def test_post_auth_login_401_and_429(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    wrong = {**ada, "password": "not the password"}
    answers = [await api.post("auth/login", json=wrong) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[0].json()["detail"] == "Invalid email or password"
    assert answers[5].json()["detail"] == "Too many failed attempts. Please try again in 15 minute(s)."
    assert int(answers[5].headers["retry-after"]) <= 15 * 60


async def test_post_auth_register(api: httpx.AsyncClient, product: Runtime) -> None:
    admin = await create_person(product, Role.ADMIN)
    for role, extra in (("patient", {}), ("doctor", {"specialization": "Eyes"}), ("staff", {"department": "Front"})):
        body = {"name": "Ada", "email": some_email(), "password": PASSWORD, "role": role, **extra}
        made = await api.post("auth/register", json=body, headers=admin.bearer)
        assert (made.status_code, made.json().keys()) == (201, {"id", "email", "name", "role"})


async def test_post_auth_refresh(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    await api.post("auth/login", json=ada)
    api.cookies.delete("access_token")
    answer = await api.post("auth/refresh")
    assert (answer.status_code, answer.json()) == (200, {"message": "Token refreshed"})
    assert set_cookies(answer) == COOKIES
    assert (await api.get("users/me")).json()["email"] == ada["email"]


async def test_post_auth_logout(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    await api.post("auth/login", json=ada)
    answer = await api.post("auth/logout")
    assert (answer.status_code, answer.json()) == (200, {"message": "Logged out successfully"})
    assert answer.headers.get_list("set-cookie") == [
        "access_token=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0",
        "refresh_token=; HttpOnly; SameSite=Strict; Path=/api/v1/auth/refresh; Max-Age=0",
    ]


async def test_get_and_patch_users_me(api: httpx.AsyncClient, product: Runtime) -> None:
    api.headers.update((await create_person(product, Role.DOCTOR)).bearer)
    changed = await api.patch("users/me", json={"name": "Dr. Ada", "phone": "+14155552671", "specialization": "Eyes"})
    assert changed.status_code == 200
    assert changed.json() == (await api.get("users/me")).json()
    assert changed.json().keys() >= {"id", "email", "name", "role", "phone", "specialization", "created_at"}
